"""Lines share records of the stream: what the archive holds is the same, what Firehose bills is less."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import packing
from collector.delivery import MAX_CALL_BYTES, MAX_CALL_RECORDS, FirehoseDelivery
from collector.packing import BILLED_BYTES, RECORD_BYTES, packed
from tests.emulators.firehose import FirehoseEmulator

# Firehose's own, from its documentation of PutRecordBatch.
FIREHOSE_RECORD_BYTES = 1000 * 1024

_lines = st.lists(
    st.integers(0, 30_000) | st.sampled_from([BILLED_BYTES - 1, BILLED_BYTES, RECORD_BYTES - 1, RECORD_BYTES, 300_000]),
    max_size=60,
).map(lambda sizes: [b"%d " % number + b"x" * size + b"\n" for number, size in enumerate(sizes)])


def billed(records: list[bytes]) -> int:
    """Units of 5 KiB that Firehose counts."""
    return sum(-(-len(record) // BILLED_BYTES) for record in records)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(_lines)
def test_records_hold_each_line_once_and_never_cost_more(lines: list[bytes]) -> None:
    """The records joined are the lines joined; each says which lines it holds; none is closed while the next line fits, none
    is longer than Firehose takes; and no packing is dearer than none.
    """
    records = packed(lines)
    assert b"".join(record.data for record in records) == b"".join(lines)
    assert [position for record in records for position in record.lines] == list(range(len(lines)))
    for record in records:
        assert record.data == b"".join(lines[position] for position in record.lines)
        assert len(record.data) <= RECORD_BYTES or len(record.lines) == 1
    for record, following in pairwise(records):
        assert len(record.data) + len(lines[following.lines[0]]) > RECORD_BYTES
    assert billed([record.data for record in records]) <= billed(lines)


def test_a_batch_costs_a_third() -> None:
    """Twenty hits of the mean size: 7 units of 5 KiB instead of 20."""
    lines = [b"x" * 1539 + b"\n"] * 20
    assert (billed([record.data for record in packed(lines)]), billed(lines)) == (7, 20)


class Stream:
    """Firehose's client, which refuses what it is told to: an answer of `refusals` a record, True to refuse."""

    def __init__(self, refusals: list[bool]) -> None:
        self.taken: list[bytes] = []
        self._refusals = iter(refusals)

    def put_record_batch(self, *, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803
        assert len(Records) <= MAX_CALL_RECORDS
        assert sum(len(record["Data"]) for record in Records) <= MAX_CALL_BYTES
        outcomes: list[dict[str, str]] = []
        for record in Records:
            assert len(record["Data"]) <= FIREHOSE_RECORD_BYTES
            if next(self._refusals, False):
                outcomes.append({"ErrorCode": "ServiceUnavailableException"})
            else:
                self.taken.append(record["Data"])
                outcomes.append({"RecordId": "r"})
        return {"FailedPutCount": sum("ErrorCode" in one for one in outcomes), "RequestResponses": outcomes}


@settings(derandomize=True, deadline=None, max_examples=300)
@given(_lines, st.lists(st.booleans(), max_size=40), st.sampled_from([0.0, 30.0]), st.sampled_from([1, 20_000, None]))
def test_no_line_is_lost_or_doubled_whatever_is_refused(
    lines: list[bytes], refusals: list[bool], seconds: float, record_bytes: int | None
) -> None:
    """Each line is in exactly one taken record, whole, or named as undelivered: the client is told to send those again, so
    one too many is a hit twice and one too few is a hit lost.
    """
    stream, now = Stream(refusals), [0.0]

    def sleep(pause: float) -> None:
        now[0] += pause

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "RECORD_BYTES", record_bytes or RECORD_BYTES)
        delivery = FirehoseDelivery(stream, "hits", sleep=sleep, clock=lambda: now[0])
        outcome = delivery.deliver(lines, seconds)
    taken = b"".join(stream.taken).splitlines(keepends=True)
    assert sorted(taken) == sorted(line for position, line in enumerate(lines) if position not in outcome.undelivered)


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_the_archive_reads_as_if_each_line_had_been_a_record(aws: None, refused: int) -> None:
    """Through moto's Firehose into an object: the lines byte for byte, in whatever records they came, in their order as
    long as nothing is refused.
    """
    lines = [json.dumps({"event_id": f"e{number}", "x": "ä" * 20_000}).encode() + b"\n" for number in range(12)]
    with FirehoseEmulator() as firehose:
        firehose.refuse_records(refused)
        client = boto3.client("firehose")
        assert FirehoseDelivery(client, "hits", sleep=lambda _: None).deliver(lines, 30.0).undelivered == set()
        assert firehose.put_calls == 1 + bool(refused)
        (key,) = firehose.flush()
    body = boto3.client("s3").get_object(Bucket="archive", Key=key)["Body"].read()
    assert sorted(body.splitlines(keepends=True)) == sorted(lines)
    if not refused:
        assert body == b"".join(lines)
    assert 3 <= len(packed(lines)) < len(lines)


@pytest.mark.parametrize(("more", "records"), [(0, 1), (1, 2)])
def test_a_record_is_filled_to_the_byte(more: int, records: int) -> None:
    """The one boundary that random sizes do not meet."""
    assert len(packed([b"x" * (RECORD_BYTES - 10), b"x" * (10 + more)])) == records
