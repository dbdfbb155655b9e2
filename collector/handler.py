"""Lambda's entry: API Gateway event in (payload format 1.0 or 2.0), acknowledged hit or honest rejection out.

    handler    collector.handler.handler
    timeout    10 s or more: 7 s of it are kept back for the last calls to stream and queue, and the answer
    settings   see collector.settings

One JSON line is logged a request: counters in CloudWatch's embedded metric format beside what tells requests apart.
Nothing that a visitor sent is in it.
"""

from __future__ import annotations

import contextlib
import os
import time
from functools import lru_cache
from typing import Any, NamedTuple

import boto3

from collector.delivery import Delivery, FirehoseDelivery, client_config
from collector.gateway import answer_of, request_of
from collector.intake import process_request
from collector.settings import CloudSettings, Settings
from collector.telemetry import log_failure, log_request
from collector.web import Response, json_response

# Where the runtime does not say how much time is left (a test): what API Gateway leaves at most, less a second.
DEFAULT_SECONDS = 28.0


class Runtime(NamedTuple):
    """What lives as long as the Lambda's process."""

    settings: Settings
    cloud: CloudSettings
    delivery: FirehoseDelivery


@lru_cache(maxsize=1)
def runtime() -> Runtime:
    """Settings and clients, made at the first request: importing this module stays free."""
    settings = Settings.from_environment(os.environ)
    cloud = CloudSettings.from_environment(os.environ)
    firehose = boto3.client("firehose", config=client_config())
    sqs = boto3.client("sqs", config=client_config()) if cloud.fallback_queue_url else None
    return Runtime(settings, cloud, FirehoseDelivery(firehose, cloud.delivery_stream, sqs, cloud.fallback_queue_url))


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one event. Raises nothing: a defect of ours is logged by its place and answered with 500."""
    try:
        return _handle(event, context)
    except Exception as error:
        log_failure(error)
        failure = {"error": "internal_error", "detail": "the collector failed; nothing was stored, send it again"}
        return answer_of(json_response(500, failure, {}), "GET")


def _handle(event: Any, context: Any) -> dict[str, Any]:
    settings, cloud, stream = runtime()
    started = time.perf_counter()
    now = time.time_ns() // 1_000_000
    request, received_at = request_of(event, behind_cloudfront=cloud.behind_cloudfront)
    outcome = process_request(request, settings, received_at or now, max(now, received_at or now))
    records = outcome.records
    delivery = stream.deliver(records, seconds_left(context)) if records else Delivery()
    response: Response = outcome.answer(delivery.undelivered)
    log_request(
        cloud,
        request_id=getattr(context, "aws_request_id", None),
        status=response.status,
        counts=outcome.counts(),
        delivery=delivery,
        milliseconds=(time.perf_counter() - started) * 1000,
    )
    return answer_of(response, request.method)


def seconds_left(context: Any) -> float:
    """How long this invocation may still take."""
    ask = getattr(context, "get_remaining_time_in_millis", None)
    return ask() / 1000 if callable(ask) else DEFAULT_SECONDS


# While Lambda starts a process it gives it a whole processor, and no client waits yet: the clients are made here. What
# keeps them from being made is said at the first request, which makes them again.
if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    with contextlib.suppress(Exception):
        runtime()
