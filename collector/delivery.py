"""Delivery from Lambda: Firehose first, each record until it is taken or the time is up, then a queue if there is one.

The lines of a request share records of the stream (`collector.packing`). PutRecordBatch fails record by record, so only
what it refused is sent again, with the lines that it had, after a jittered pause that doubles. The lines of what is still
refused when the time runs out go to the fallback queue one by one, from which `collector.redrive` puts them back. What
neither takes is named to the caller, who must not acknowledge it.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from collector.packing import Positions, Record, packed, portions

# Firehose: 500 records or 4 MiB a call. SQS: 10 messages or 256 KiB a call.
MAX_CALL_RECORDS = 500
MAX_CALL_BYTES = 4_000_000
MAX_QUEUE_MESSAGES = 10
MAX_QUEUE_BYTES = 256_000

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0
# How long one call to a service may take, and what is kept for the answer.
CONNECT_SECONDS = 1.0
READ_SECONDS = 2.0
CALL_SECONDS = CONNECT_SECONDS + READ_SECONDS
ANSWER_SECONDS = 1.0

# Worth another try. Any other error of the service (no such stream, no permission) will not pass by waiting.
PASSING_ERRORS = frozenset(
    {"ServiceUnavailableException", "InternalFailure", "InternalServerError", "ThrottlingException", "SlowDown"}
    | {"LimitExceededException", "ProvisionedThroughputExceededException", "RequestTimeout", "Throttling"}
)


def client_config() -> Config:
    """How the clients are made: short calls, and no retries of boto3's own beside ours."""
    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )


@dataclass(slots=True)
class Delivery:
    """What became of a call's lines: the positions that nothing took, and what it cost."""

    undelivered: set[int] = field(default_factory=set)
    queued: int = 0
    retries: int = 0
    error: str = ""


class FirehoseDelivery:
    """Puts lines on a Firehose stream. `firehose` and `sqs` are boto3 clients, or what behaves like one."""

    def __init__(
        self,
        firehose: Any,
        stream: str,
        sqs: Any = None,
        queue_url: str | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._firehose, self._stream = firehose, stream
        self._sqs, self._queue_url = sqs, queue_url
        self._sleep, self._clock = sleep, clock

    def deliver(self, lines: Sequence[bytes], seconds: float) -> Delivery:
        """Deliver the lines within `seconds`. Raises nothing for what the services refuse; `undelivered` tells.

        No call begins that could outlast its time, be both services silent: the stream's last one leaves room for one
        to the queue, the queue's last one for the answer. Only the very first is made in any case.
        """
        delivery = Delivery()
        last_call = self._clock() + seconds - ANSWER_SECONDS - CALL_SECONDS
        left = self._to_firehose(packed(lines), last_call - CALL_SECONDS if self._queue_url else last_call, delivery)
        if left and self._queue_url:
            left = self._to_queue(lines, left, delivery, last_call)
        delivery.undelivered = set(left)
        return delivery

    def _to_firehose(self, records: list[Record], last_call: float, delivery: Delivery) -> Positions:
        """Gives the positions of the lines that were refused to the end."""
        left = list(range(len(records)))
        last_call = max(last_call, self._clock())
        pause = FIRST_PAUSE_SECONDS
        while True:
            left, passing = self._put(records, left, delivery, last_call)
            wait = random.uniform(pause / 2, pause)
            if not left or not passing or self._clock() + wait >= last_call:
                return [position for number in left for position in records[number].lines]
            self._sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            delivery.retries += 1

    def _put(
        self, records: list[Record], left: Positions, delivery: Delivery, last_call: float
    ) -> tuple[Positions, bool]:
        """One round. Gives the numbers of the records refused, and whether waiting may help."""
        refused: Positions = []
        passing = True
        data = [record.data for record in records]
        for calls, call in enumerate(portions(data, left, MAX_CALL_RECORDS, MAX_CALL_BYTES)):
            if calls and self._clock() > last_call:
                refused += call
                continue
            try:
                response = self._firehose.put_record_batch(
                    DeliveryStreamName=self._stream, Records=[{"Data": data[number]} for number in call]
                )
            except ClientError as error:
                delivery.error = error.response.get("Error", {}).get("Code", "") or "ClientError"
                passing = passing and (
                    delivery.error in PASSING_ERRORS
                    or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500
                )
                refused += call
                continue
            except BotoCoreError as error:
                delivery.error = type(error).__name__
                passing = passing and isinstance(error, (ConnectionError, HTTPClientError))
                refused += call
                continue
            if response["FailedPutCount"]:
                for number, outcome in zip(call, response["RequestResponses"], strict=True):
                    if outcome.get("ErrorCode"):
                        delivery.error = outcome["ErrorCode"]
                        refused.append(number)
        return refused, passing

    def _to_queue(
        self, lines: Sequence[bytes], positions: Positions, delivery: Delivery, last_call: float
    ) -> Positions:
        """Queue what Firehose refused, a line a message: a batch in one would be longer than SQS takes. SQS bars a few
        characters that JSON may escape, so each message is in ASCII.
        """
        messages = {position: json.dumps(json.loads(lines[position]), separators=(",", ":")) for position in positions}
        sizes = {position: message.encode() for position, message in messages.items()}
        refused: Positions = []
        for call in portions(sizes, positions, MAX_QUEUE_MESSAGES, MAX_QUEUE_BYTES):
            if self._clock() > last_call:
                delivery.error = delivery.error or "OutOfTime"
                refused += call
                continue
            try:
                response = self._sqs.send_message_batch(
                    QueueUrl=self._queue_url,
                    Entries=[{"Id": str(position), "MessageBody": messages[position]} for position in call],
                )
            except (ClientError, BotoCoreError) as error:
                delivery.error = type(error).__name__
                refused += call
                continue
            refused += [int(failed["Id"]) for failed in response.get("Failed", [])]
        delivery.queued = len(positions) - len(refused)
        return refused
