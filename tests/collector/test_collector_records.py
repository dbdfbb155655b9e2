"""The archive record: its layout is a contract with the warehouse, its bytes must not depend on who writes them."""

from __future__ import annotations

import json
import tracemalloc
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import fast_json, records
from collector.contract import parse_json
from collector.records import Source, build_record, build_rejected, encode, new_event_id, new_event_ids

SOURCE = Source("POST", "/collect", "collect.example", "203.0.113.0", {"user-agent": "Mozilla/5.0"})
TIMES: dict[str, Any] = {"event_id": "0b0f0000-0000-4000-8000-000000000000", "received_at": 1000, "responded_at": 1004}


def test_an_accepted_hit_leaves_the_record_of_the_contract() -> None:
    """Names, nesting and order of the fields are what the warehouse and the simulator build on."""
    hit = {"v": "1", "t": "event", "tid": "UA-1-1", "cid": "c", "dl": "https://shop.example/p/1", "z": "9f"}
    assert encode(build_record(hit, SOURCE, **TIMES)) == (
        b'{"schema_version":1,"event_id":"0b0f0000-0000-4000-8000-000000000000","service":{"id":"api.collect"},'
        b'"context":{"user_ip":"203.0.113.0","user_agent":"Mozilla/5.0","document_location":"https://shop.example/p/1",'
        b'"document_referrer":null,"client_id":"c","user_id":null,"tracking_id":"UA-1-1"},'
        b'"request":{"id":"9f","timestamp":1000,"hostname":"collect.example","path":"/collect","method":"POST",'
        b'"headers":{"user-agent":"Mozilla/5.0"},"body":{"v":"1","t":"event","tid":"UA-1-1","cid":"c",'
        b'"dl":"https://shop.example/p/1","z":"9f"}},'
        b'"response":{"id":"9f","timestamp":1004,"statusCode":200,"headers":{"Content-Type":"image/gif"}}}\n'
    )


def test_a_refused_hit_says_why_and_has_no_body() -> None:
    """`request.body` null and `rejected` are how the warehouse tells a refused hit from an accepted one."""
    record = build_rejected("missing_client_id", "cid is missing", '{"t":"event"}', SOURCE, status=400, **TIMES)
    assert record["request"]["body"] is None
    assert record["request"]["id"] == record["event_id"]
    assert record["response"]["statusCode"] == 400
    assert record["rejected"] == {
        "reason": "missing_client_id",
        "detail": "cid is missing",
        "payload": '{"t":"event"}',
    }


def test_overrides_and_misfits_show() -> None:
    """The hit's own address and user agent go before the request's; misfits are listed beside the hit, not in it."""
    hit = {"t": "event", "cid": "c", "uip": "198.51.100.0", "ua": "App/1", "ev": "x", "dl": {"nested": "1"}, "z": ""}
    record = build_record(hit, SOURCE, **TIMES)
    assert record["context"]["user_ip"] == "198.51.100.0"
    assert record["context"]["user_agent"] == "App/1"
    assert record["context"]["document_location"] is None
    assert record["request"]["id"] == record["event_id"]
    assert record["request"]["body"] is hit
    assert record["invalid_parameters"] == {"ev": "integer", "dl": "text"}


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud800\ud800"])
def test_half_a_surrogate_pair_cannot_break_a_line(text: str) -> None:
    """DuckDB refuses a whole file for a lone surrogate in one record; a JSON client can send one."""
    hit = parse_json(json.dumps({"t": "event", "cid": "1", "dt": text}))
    for write in (records.encode, fast_json.encode):
        line = write(build_record(hit, SOURCE, **TIMES))
        assert line.decode("utf-8").count("\n") == 1
        assert "?" in json.loads(line)["request"]["body"]["dt"]


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.dictionaries(st.text(), _values))
def test_both_encoders_give_the_same_bytes(values: dict[str, Any]) -> None:
    """The laptop's archive and the cloud's must not differ by a byte for the same hit, nested values included."""
    hit = parse_json(json.dumps({**values, "t": "event", "cid": "1"}))
    record = build_record(hit, SOURCE, **TIMES)
    line = records.encode(record)
    assert fast_json.encode(record) == line
    assert (
        json.loads(line)["request"]["body"] == json.loads(json.dumps(hit).encode("utf-8", "replace"))
        or "?" in line.decode()
    )


def test_event_ids_are_random_uuids_of_version_4() -> None:
    """Ids are spelled by hand for speed; a wrong variant would make the warehouse's uuid functions refuse them."""
    from uuid import RFC_4122, UUID

    ids = [UUID(event_id) for event_id in (*islice(new_event_ids(), 2000), *(new_event_id() for _ in range(2000)))]
    assert len(set(ids)) == 4000
    assert all(id.version == 4 and id.variant == RFC_4122 for id in ids)


def test_a_line_that_waits_for_its_commit_holds_its_length() -> None:
    """orjson's own bytes held sixteen times that, for every record of a flood."""
    record: records.Record = {"payload": "x" * 65_000}
    tracemalloc.start()
    try:
        line = fast_json.encode(record)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1.1 * len(line)
