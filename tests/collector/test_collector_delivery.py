"""Lambda's way to the archive on moto's AWS: Firehose into S3, refusals sent again, the queue as the last resort.

How lines share records of the stream is test_collector_packing.py's; here each line is a record of its own, unless a test
says otherwise.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from collector import handler as entry
from collector import packing, redrive
from collector.delivery import CALL_SECONDS, FirehoseDelivery

RECORDS = [
    json.dumps({"event_id": f"e{number}", "dt": "ä\uffff"}, ensure_ascii=False).encode() + b"\n" for number in range(8)
]
# Messages that somebody else put into the queue.
FOREIGN = ["{", "[" * 100_000, '"event_id"', '{"event_id": 1}', '{"event_id": "e", "x": NaN}']


class FaultyFirehose:
    """A moto client with faults in front of it, one a call: an error code refuses the whole call, a set of positions
    refuses those records of it, an exception is raised, None lets the call through."""

    def __init__(self, faults: list[Any]) -> None:
        self._client = boto3.client("firehose")
        self._faults = iter(faults)
        self.sizes: list[int] = []

    def put_record_batch(self, *, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803
        self.sizes.append(len(Records))
        fault = next(self._faults, None)
        if isinstance(fault, Exception):
            raise fault
        if isinstance(fault, str):
            raise ClientError({"Error": {"Code": fault, "Message": "injected"}}, "PutRecordBatch")
        refused = fault or set()
        kept = [record for position, record in enumerate(Records) if position not in refused]
        if kept:
            self._client.put_record_batch(DeliveryStreamName=DeliveryStreamName, Records=kept)
        outcomes = [
            {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "injected"}
            if position in refused
            else {"RecordId": "r"}
            for position in range(len(Records))
        ]
        return {"FailedPutCount": len(refused), "RequestResponses": outcomes}


@pytest.fixture(autouse=True)
def _line_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "RECORD_BYTES", 1)


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def _archive() -> list[dict[str, Any]]:
    s3 = boto3.client("s3")
    records = []
    for item in s3.list_objects_v2(Bucket="archive").get("Contents", []):
        body = s3.get_object(Bucket="archive", Key=item["Key"])["Body"].read()
        records += [
            json.loads(line) for line in (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).splitlines()
        ]
    return records


def _queued(queue_url: str) -> list[dict[str, Any]]:
    messages = []
    while batch := boto3.client("sqs").receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        messages += batch
    return messages


def _delivery(faults: list[Any], clock: Clock, queue_url: str | None = None) -> tuple[FaultyFirehose, FirehoseDelivery]:
    firehose = FaultyFirehose(faults)
    sqs = boto3.client("sqs") if queue_url else None
    return firehose, FirehoseDelivery(firehose, "hits", sqs, queue_url, sleep=clock.sleep, clock=clock)


@pytest.fixture
def queue_url(aws: None) -> str:
    """The fallback queue."""
    return boto3.client("sqs").get_queue_url(QueueName="fallback")["QueueUrl"]


def test_only_what_was_refused_is_sent_again(aws: None) -> None:
    """PutRecordBatch fails record by record; sending the whole batch again would archive its neighbours twice."""
    clock = Clock()
    firehose, delivery = _delivery([{1, 4}, {0}, None], clock)
    outcome = delivery.deliver(RECORDS, 30.0)
    assert outcome.undelivered == set() and outcome.retries == 2
    assert firehose.sizes == [8, 2, 1]
    assert sorted(record["event_id"] for record in _archive()) == [f"e{number}" for number in range(8)]


@pytest.mark.parametrize(
    "fault", ["ThrottlingException", "ServiceUnavailableException", EndpointConnectionError(endpoint_url="x")]
)
def test_throttling_and_lost_connections_pass(aws: None, fault: Any) -> None:
    """A whole call that fails for now is tried again, after pauses that grow and differ."""
    clock = Clock()
    _, delivery = _delivery([fault] * 4, clock)
    assert delivery.deliver(RECORDS, 30.0).undelivered == set()
    assert len(_archive()) == 8
    assert len(clock.pauses) == 4 and clock.pauses[3] > clock.pauses[0]
    for step, pause in enumerate(clock.pauses):
        assert 0.025 * 2**step <= pause <= 0.05 * 2**step


def test_the_time_left_is_kept(aws: None) -> None:
    """A Lambda that is killed while it retries answers nobody: seconds are left for the last call and the answer."""
    clock = Clock()
    _, delivery = _delivery([{7}] + [{0}] * 1000, clock)
    outcome = delivery.deliver(RECORDS, 10.0)
    assert clock.now <= 6.0
    assert outcome.undelivered == {7}
    assert outcome.error == "ServiceUnavailableException"
    assert len(_archive()) == 7


def test_an_error_that_will_not_pass_is_not_waited_for(queue_url: str) -> None:
    """No permission, no such stream: waiting costs the client's time and changes nothing; the queue takes over."""
    clock = Clock()
    _, delivery = _delivery(["AccessDeniedException"] * 1000, clock, queue_url)
    outcome = delivery.deliver(RECORDS, 30.0)
    assert clock.pauses == []
    assert outcome.undelivered == set() and outcome.queued == 8


def test_a_stream_that_keeps_refusing_falls_back_to_the_queue(queue_url: str) -> None:
    """Messages are ASCII: SQS refuses characters that a hit may hold (U+FFFF here)."""
    _, delivery = _delivery([{2, 3}] + [{0, 1}] * 1000, Clock(), queue_url)
    outcome = delivery.deliver(RECORDS, 10.0)
    assert (outcome.undelivered, outcome.queued) == (set(), 2)
    queued = [json.loads(message["Body"]) for message in _queued(queue_url)]
    assert queued == [{"event_id": "e2", "dt": "ä\uffff"}, {"event_id": "e3", "dt": "ä\uffff"}]
    assert len(_archive()) == 6


@pytest.mark.parametrize("count", [20, 500])
def test_no_call_outlasts_the_time_though_both_services_hang(count: int) -> None:
    """With both silent, 500 hits once took 11 s of a timeout of 10: Lambda was killed and nobody was answered."""
    clock = Clock()

    class Hanging:
        calls = 0

        def put_record_batch(self, **_: Any) -> None:
            self.calls += 1
            clock.now += CALL_SECONDS
            raise ReadTimeoutError(endpoint_url="x")

        send_message_batch = put_record_batch

    firehose, sqs = Hanging(), Hanging()
    records = [b'{"event_id":"%d"}\n' % number for number in range(count)]
    delivery = FirehoseDelivery(firehose, "hits", sqs, "queue", sleep=clock.sleep, clock=clock)
    outcome = delivery.deliver(records, 10.0)
    assert outcome.undelivered == set(range(count)) and outcome.queued == 0
    assert clock.now <= 9.0
    assert firehose.calls >= 1 and sqs.calls >= 1


@pytest.mark.parametrize(("faults", "taken"), [([{0}, None], 8), ([{0}] * 1000, 0)])
def test_a_refused_record_of_many_lines_comes_whole_or_is_parked_line_by_line(
    queue_url: str, monkeypatch: pytest.MonkeyPatch, faults: list[Any], taken: int
) -> None:
    """A record that is sent again brings each of its lines once; the queue gets lines, since SQS takes no more than 256 KiB
    a message and the redrive reads one line in each.
    """
    monkeypatch.setattr(packing, "RECORD_BYTES", 10_000)
    firehose, delivery = _delivery(faults, Clock(), queue_url)
    outcome = delivery.deliver(RECORDS, 10.0)
    assert set(firehose.sizes) == {1}
    assert (outcome.undelivered, outcome.queued) == (set(), 8 - taken)
    archived, queued = _archive(), [json.loads(message["Body"]) for message in _queued(queue_url)]
    assert len(archived) == taken
    assert sorted(archived + queued, key=lambda record: record["event_id"]) == [json.loads(line) for line in RECORDS]


def test_large_calls_are_cut(queue_url: str) -> None:
    """500 records or 4 MiB a call to Firehose, 10 messages a call to SQS; positions survive the cutting."""
    records = [b'{"n":%d,"x":"%s"}\n' % (number, b"x" * 9000) for number in range(1100)]
    firehose, delivery = _delivery([None, None, {5}] + [{0}] * 1000, Clock(), queue_url)
    outcome = delivery.deliver(records, 5.0)
    assert max(firehose.sizes) <= 500 and sum(firehose.sizes[:3]) == 1100
    assert firehose.sizes[0] * 9015 <= 4 * 1024 * 1024
    assert outcome.queued == 1
    (message,) = _queued(queue_url)
    assert json.loads(message["Body"])["n"] == firehose.sizes[0] + firehose.sizes[1] + 5


def test_without_a_queue_the_client_hears_503(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No 200 for what nothing has taken; `Retry-After` asks the client to send it again."""
    answer = _handle(monkeypatch, [{0}] * 1000, None, "t=event&cid=1")
    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"] == "5"
    assert _archive() == []


def test_acknowledged_hits_are_in_the_archive_through_throttling(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way, faults included: an acknowledged line of a batch is an object's line in S3, once."""
    faults = ["ThrottlingException", {0, 2}, {1}, None]
    answer = _handle(monkeypatch, faults, None, "t=event&cid=1\nbroken\nt=event&cid=3\nt=event&cid=4", path="/batch")
    outcomes = json.loads(answer["body"])
    assert [line["status"] for line in outcomes["hits"]] == [200, 400, 200, 200]
    archived = _archive()
    assert len(archived) == 4
    acknowledged = {line["event_id"] for line in outcomes["hits"] if line["status"] == 200}
    assert {record["event_id"] for record in archived if "rejected" not in record} == acknowledged


def test_queued_hits_come_back_to_the_stream(queue_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hit that only the queue took was acknowledged, so the redrive must bring it to the archive, byte for byte."""
    assert _handle(monkeypatch, [{0}] * 1000, queue_url, "t=event&cid=1&dt=K%C3%A4se")["statusCode"] == 200
    assert _archive() == []
    (message,) = _queued(queue_url)
    event = {"Records": [
        {"messageId": "good", "body": message["Body"]},
        *({"messageId": body, "body": body} for body in FOREIGN),
    ]}  # fmt: skip
    failed = redrive.handler(event, None)
    assert failed == {"batchItemFailures": [{"itemIdentifier": body} for body in FOREIGN]}
    (record,) = _archive()
    assert record["request"]["body"]["dt"] == "Käse"


def test_what_the_stream_refuses_again_stays_queued(queue_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Partial failures are reported by message, or the queue would delete what was not delivered."""
    monkeypatch.setattr(redrive, "seconds_left", lambda _: 0.0)
    _runtime(monkeypatch, None, [{1}])
    event = {"Records": [{"messageId": f"m{n}", "body": json.dumps({"event_id": f"e{n}"})} for n in range(3)]}
    assert redrive.handler(event, None) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert [record["event_id"] for record in _archive()] == ["e0", "e2"]


@pytest.fixture(autouse=True)
def _fresh_runtime() -> Iterator[None]:
    yield
    entry.runtime.cache_clear()
    redrive._stream.cache_clear()


def _runtime(monkeypatch: pytest.MonkeyPatch, queue_url: str | None, faults: list[Any]) -> None:
    """The entries' own start-up, from the environment, with faults in front of their Firehose client."""
    monkeypatch.setenv("DELIVERY_STREAM", "hits")
    monkeypatch.setenv("FALLBACK_QUEUE_URL", queue_url or "")
    entry.runtime.cache_clear()
    redrive._stream.cache_clear()
    for delivery in (entry.runtime().delivery, redrive._stream()[1]):
        clock = Clock()
        monkeypatch.setattr(delivery, "_firehose", FaultyFirehose(list(faults)))
        monkeypatch.setattr(delivery, "_sleep", clock.sleep)
        monkeypatch.setattr(delivery, "_clock", clock)


def _handle(
    monkeypatch: pytest.MonkeyPatch, faults: list[Any], queue_url: str | None, body: str, path: str = "/collect"
) -> dict[str, Any]:
    _runtime(monkeypatch, queue_url, faults)
    if queue_url:
        monkeypatch.setattr(redrive._stream()[1], "_firehose", FaultyFirehose([]))
    http = {"method": "POST", "sourceIp": "203.0.113.77"}
    event = {"version": "2.0", "rawPath": path, "requestContext": {"http": http}, "body": body}
    answer = entry.handler(event, None)
    assert re.fullmatch(r"\d{3}", str(answer["statusCode"]))
    return answer
