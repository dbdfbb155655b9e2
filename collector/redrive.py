"""Lambda's second entry: puts back on the stream what the fallback queue holds.

    handler    collector.redrive.handler, with the fallback queue as its event source and
               ReportBatchItemFailures switched on
    settings   DELIVERY_STREAM, METRICS_NAMESPACE

A hit that only the queue took was acknowledged, so it must still reach the archive. Each message is a record's line in
ASCII. What the stream refuses again goes back to the queue by its message id; the queue's own redrive policy says how
often that may happen.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from functools import lru_cache
from typing import Any

import boto3

from collector.delivery import FirehoseDelivery, client_config
from collector.handler import seconds_left
from collector.records import encode
from collector.settings import CloudSettings
from collector.telemetry import log_request
from collector.texts import no_such_constant


@lru_cache(maxsize=1)
def _stream() -> tuple[CloudSettings, FirehoseDelivery]:
    cloud = CloudSettings.from_environment(os.environ)
    return cloud, FirehoseDelivery(boto3.client("firehose", config=client_config()), cloud.delivery_stream)


def _line_of(message: str) -> bytes:
    """The archive's line in a message. Raises ValueError for what is none of ours."""
    try:
        record = json.loads(message, parse_constant=no_such_constant)
        if not isinstance(record, dict) or not isinstance(record.get("event_id"), str):
            raise ValueError("the message is no record")
        return encode(record)
    except RecursionError:
        raise ValueError("the message is nested too deeply") from None


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Deliver a batch of queued records; `batchItemFailures` names the messages to try again."""
    cloud, stream = _stream()
    started = time.perf_counter()
    ids: list[str] = []
    records: list[bytes] = []
    failed: list[str] = []
    for message in event["Records"]:
        try:
            records.append(_line_of(message["body"]))
            ids.append(message["messageId"])
        except ValueError:  # none of ours; the queue's redrive policy puts it where somebody looks
            failed.append(message["messageId"])
    delivery = stream.deliver(records, seconds_left(context))
    failed += [ids[position] for position in sorted(delivery.undelivered)]
    log_request(
        cloud,
        request_id=getattr(context, "aws_request_id", None),
        status=503 if failed else 200,
        counts=Counter(),
        delivery=delivery,
        milliseconds=(time.perf_counter() - started) * 1000,
    )
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
