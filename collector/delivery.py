"""Delivery from Lambda: Firehose first, each record until it is taken or the time is up, then a queue if there is one.

PutRecordBatch fails record by record, so only what it refused is sent again, after a jittered pause that doubles. What
is still refused when the time runs out goes to the fallback queue, from which `collector.redrive` puts it back. What
neither takes is named to the caller, who must not acknowledge it.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

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

Positions = list[int]


def client_config() -> Config:
    """How the clients are made: short calls, and no retries of boto3's own beside ours."""
    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )


@dataclass(slots=True)
class Delivery:
    """What became of a call's records: the positions that nothing took, and what it cost."""

    undelivered: set[int] = field(default_factory=set)
    queued: int = 0
    retries: int = 0
    error: str = ""


class FirehoseDelivery:
    """Puts records on a Firehose stream. `firehose` and `sqs` are boto3 clients, or what behaves like one."""

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

    def deliver(self, records: Sequence[bytes], seconds: float) -> Delivery:
        """Deliver within `seconds`. Raises nothing for what the services refuse; `undelivered` tells.

        No call begins that could outlast its time, be both services silent: the stream's last one leaves room for one
        to the queue, the queue's last one for the answer. Only the very first is made in any case.
        """
        delivery = Delivery()
        last_call = self._clock() + seconds - ANSWER_SECONDS - CALL_SECONDS
        left = self._to_firehose(records, last_call - CALL_SECONDS if self._queue_url else last_call, delivery)
        if left and self._queue_url:
            left = self._to_queue(records, left, delivery, last_call)
        delivery.undelivered = set(left)
        return delivery

    def _to_firehose(self, records: Sequence[bytes], last_call: float, delivery: Delivery) -> Positions:
        left: Positions = list(range(len(records)))
        last_call = max(last_call, self._clock())
        pause = FIRST_PAUSE_SECONDS
        while True:
            left, passing = self._put(records, left, delivery, last_call)
            wait = random.uniform(pause / 2, pause)
            if not left or not passing or self._clock() + wait >= last_call:
                return left
            self._sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            delivery.retries += 1

    def _put(
        self, records: Sequence[bytes], positions: Positions, delivery: Delivery, last_call: float
    ) -> tuple[Positions, bool]:
        """One round. Gives the positions refused, and whether waiting may help."""
        refused: Positions = []
        passing = True
        for number, call in enumerate(_calls(records, positions, MAX_CALL_RECORDS, MAX_CALL_BYTES)):
            if number and self._clock() > last_call:
                refused += call
                continue
            try:
                response = self._firehose.put_record_batch(
                    DeliveryStreamName=self._stream, Records=[{"Data": records[position]} for position in call]
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
                for position, outcome in zip(call, response["RequestResponses"], strict=True):
                    if outcome.get("ErrorCode"):
                        delivery.error = outcome["ErrorCode"]
                        refused.append(position)
        return refused, passing

    def _to_queue(
        self, records: Sequence[bytes], positions: Positions, delivery: Delivery, last_call: float
    ) -> Positions:
        """Queue what Firehose refused. SQS bars a few characters that JSON may escape, so each message is in ASCII."""
        messages = {
            position: json.dumps(json.loads(records[position]), separators=(",", ":")) for position in positions
        }
        sizes = {position: message.encode() for position, message in messages.items()}
        refused: Positions = []
        for call in _calls(sizes, positions, MAX_QUEUE_MESSAGES, MAX_QUEUE_BYTES):
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


def _calls(records: Any, positions: Positions, most: int, most_bytes: int) -> Iterator[Positions]:
    """Cut positions into calls that the service takes."""
    call: Positions = []
    size = 0
    for position in positions:
        length = len(records[position])
        if call and (len(call) == most or size + length > most_bytes):
            yield call
            call, size = [], 0
        call.append(position)
        size += length
    if call:
        yield call
