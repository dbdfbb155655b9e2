"""The Lambda entry, fuzzed: never an exception, never a 200 without a durable record, never a lost neighbour."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import handler as entry
from collector import packing
from collector.delivery import FirehoseDelivery
from collector.packing import RECORD_BYTES
from collector.settings import CloudSettings, IpMode, PrivacySignals, Settings


class FlakyStream:
    """Firehose's client as the handler uses it: refuses each record that holds a line it is told to refuse, keeps the
    others. `refused` names the lines of refused records.
    """

    def __init__(self, refuse: set[int]) -> None:
        self.kept: list[dict[str, Any]] = []
        self.refused: set[int] = set()
        self._refuse = refuse
        self._seen = 0

    def put_record_batch(self, *, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803
        outcomes: list[dict[str, str]] = []
        for record in Records:
            assert record["Data"].endswith(b"\n")
            lines = record["Data"].splitlines()
            positions = set(range(self._seen, self._seen + len(lines)))
            self._seen += len(lines)
            if positions & self._refuse:
                self.refused |= positions
                outcomes.append({"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "slow down"})
                continue
            self.kept += map(json.loads, lines)
            outcomes.append({"RecordId": "r"})
        return {"FailedPutCount": sum("ErrorCode" in outcome for outcome in outcomes), "RequestResponses": outcomes}


def _invoke(
    event: Any,
    stream: FlakyStream,
    options: Settings,
    record_bytes: int = RECORD_BYTES,
    *,
    behind_cloudfront: bool = False,
) -> dict[str, Any]:
    cloud = CloudSettings("hits", None, "Clickstream", behind_cloudfront)
    delivery = FirehoseDelivery(stream, "hits", sleep=lambda _: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "RECORD_BYTES", record_bytes)
        patch.setattr(entry, "runtime", lambda: entry.Runtime(options, cloud, delivery))
        patch.setattr(entry, "seconds_left", lambda _: 0.0)  # one try: what is refused stays refused
        return entry.handler(event, None)


_NAMES = ["t", "cid", "uid", "tid", "qt", "uip", "uip", "aip", "ev", "pr1id", "dl", "z", "ua", "x"]
_names = st.sampled_from(_NAMES) | st.text(max_size=6)
_texts = st.text(max_size=20) | st.sampled_from(["event", "1", "198.51.100.9", "-1", "\ud800", "\x00"])
_flat = st.dictionaries(_names, _texts, max_size=8)
_json_hits = st.dictionaries(
    _names, _texts | st.none() | st.booleans() | st.integers() | st.floats() | st.lists(_texts, max_size=2), max_size=8
).map(json.dumps)
_form_hits = _flat.map(lambda hit: urlencode(hit, errors="replace"))
_good = _flat.map(lambda hit: {**hit, "t": "event", "cid": "c"})
_good_hits = _good.map(json.dumps) | _good.map(lambda hit: urlencode(hit, errors="replace"))
_hits = st.one_of(_good_hits, _good_hits, _json_hits, _form_hits, st.text(max_size=40))
_lines = st.lists(_hits, max_size=6).map("\n".join)
_bodies = st.one_of(
    _good_hits.map(lambda text: text.encode("utf-8", "replace")),
    _hits.map(lambda text: text.encode("utf-8", "replace")),
    _lines.map(lambda text: text.encode("utf-8", "replace")),
    st.binary(max_size=60),
)
_headers = st.dictionaries(
    st.sampled_from(["content-type", "origin", "dnt", "cookie", "user-agent", "Referer"]),
    st.sampled_from(["1", "application/json", "https://shop.example", "null", ""]) | st.text(max_size=9),
    max_size=4,
)


@st.composite
def _events(draw: st.DrawFn) -> dict[str, Any]:
    """An event of either payload format, base64 or not."""
    method = draw(st.sampled_from(["POST"] * 8 + ["GET"] * 3 + ["HEAD", "PUT", "OPTIONS"]))
    path = draw(st.sampled_from(["/collect", "/batch"] * 5 + ["/collect/", "/health", "/other"]))
    body = draw(_bodies)
    flat = draw(_flat | _good)
    headers = draw(_headers)
    coding = draw(st.sampled_from(["", "", "", "", "gzip", "gzip", "broken gzip", "br"]))
    if coding:
        headers = {**headers, "Content-Encoding": coding.split()[-1]}
        body = gzip.compress(body) if coding == "gzip" else body
    wrapped = coding == "gzip" or draw(st.booleans())
    shared = {
        "headers": headers,
        "body": b64encode(body).decode() if wrapped else body.decode("utf-8", "surrogateescape"),
        "isBase64Encoded": wrapped,
    }
    address = draw(st.sampled_from(["203.0.113.77", "2001:db8::1", "", "nonsense"]))
    if draw(st.booleans()):
        http = {"method": method, "sourceIp": address}
        query = urlencode(flat, errors="replace")
        return {"version": "2.0", "rawPath": path, "rawQueryString": query, "requestContext": {"http": http}, **shared}
    context = {"identity": {"sourceIp": address}, "requestTimeEpoch": 1772323200000}
    return {"httpMethod": method, "path": path, "queryStringParameters": flat, "requestContext": context, **shared}


# A line a record, a few, and as it is.
_record_bytes = st.sampled_from([1, 1500, RECORD_BYTES])
_options = st.builds(
    Settings,
    ip_mode=st.sampled_from(IpMode),
    privacy_signals=st.sampled_from(PrivacySignals),
    allowed_origins=st.sampled_from([frozenset(), frozenset(), frozenset({"https://shop.example"})]),
    tracking_ids=st.sampled_from([frozenset(), frozenset(), frozenset({"UA-1-1"})]),
    max_hit_bytes=st.sampled_from([64, 8192, 8192]),
)


@settings(derandomize=True, deadline=None, max_examples=1500)
@given(_events(), st.just(set()) | st.sets(st.integers(0, 5)), _options, _record_bytes)
def test_no_request_breaks_the_promises(
    event: dict[str, Any], refuse: set[int], options: Settings, record_bytes: int
) -> None:
    """Whatever is sent and whichever records the stream refuses: a well-formed answer; what it calls stored is stored,
    each under its own event id; what is refused is on record; no whole address is on record unless asked for."""
    stream = FlakyStream(refuse)
    answer = _invoke(event, stream, options, record_bytes)
    status = answer["statusCode"]
    assert status in {200, 204, 400, 403, 404, 405, 413, 415, 503}, answer
    json.dumps(answer)
    body = b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()
    stored = {record["event_id"]: record for record in stream.kept}
    assert len(stored) == len(stream.kept)
    accepted = {event_id for event_id, record in stored.items() if "rejected" not in record}
    if answer["headers"].get("X-Event-Id"):
        assert {answer["headers"]["X-Event-Id"]} == accepted
    elif body.startswith(b'{"accepted"'):
        outcomes = json.loads(body)
        acknowledged = {line["event_id"] for line in outcomes["hits"] if line["status"] == 200}
        assert acknowledged == accepted and outcomes["accepted"] == len(accepted)
        undelivered = sum(line["status"] == 503 for line in outcomes["hits"])
        assert len(outcomes["hits"]) == len(stored) + undelivered
        assert (status == 503) == (undelivered > 0)
    else:
        assert not accepted
    if status in {400, 403, 405, 413, 415}:
        assert stored
    for record in stream.kept:
        address = record["context"]["user_ip"]
        assert address in {None, "203.0.113.0", "198.51.100.0", "2001:db8::"} or options.ip_mode is IpMode.FULL
        if options.ip_mode is IpMode.DROP:
            assert address is None


# A line that is one, whatever else is in it, and what no line of a batch can be.
_good_lines = st.tuples(st.just(True), _flat.map(lambda hit: {**hit, "t": "event"}), st.booleans())
_bad_lines = st.tuples(st.just(False), st.sampled_from(["{", "[]", "t=event", "cid=1", "null", "\x00", "&", '{"t":1}']))


@settings(derandomize=True, deadline=None, max_examples=400)
@given(
    st.lists(_good_lines | _bad_lines, min_size=1, max_size=20),
    st.sets(st.integers(0, 19)),
    st.sampled_from(["\n", "\r\n"]),
    _record_bytes,
)
def test_no_line_of_a_batch_costs_another(lines: list[Any], refuse: set[int], ending: str, record_bytes: int) -> None:
    """Every good line is stored, or named as not stored, in its place, whatever stands beside it and whatever records the
    stream refuses; every bad line is on record or named too."""
    texts = []
    for number, line in enumerate(lines):
        if line[0]:
            hit = {**line[1], "cid": f"line-{number}"}
            texts.append(json.dumps(hit) if line[2] else urlencode(hit, errors="replace"))
        else:
            texts.append(line[1])
    stream = FlakyStream(refuse)
    body = ending.join(texts)
    event = {"version": "2.0", "rawPath": "/batch", "requestContext": {"http": {"method": "POST"}}, "body": body}
    outcomes = json.loads(_invoke(event, stream, Settings(), record_bytes)["body"])["hits"]
    assert len(outcomes) == len(lines)
    assert stream.refused == refuse & set(range(len(lines))) or record_bytes > 1
    stored = {record["event_id"]: record["context"]["client_id"] for record in stream.kept}
    for number, (line, outcome) in enumerate(zip(lines, outcomes, strict=True)):
        if number in stream.refused:
            assert outcome["status"] == 503
        elif line[0]:
            assert outcome["status"] == 200 and stored[outcome["event_id"]] == f"line-{number}"
        else:
            assert outcome["status"] == 400
    assert len(stored) == len(lines) - len(stream.refused)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.recursive(st.none() | st.booleans() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)))
def test_no_event_is_an_exception(event: Any) -> None:
    """Events of other triggers, or none at all, get an answer too."""
    assert _invoke(event, FlakyStream(set()), Settings())["statusCode"] == 404


@pytest.mark.parametrize(
    ("behind_cloudfront", "body", "stored"),
    [
        (True, "t=event&cid=1", "198.51.100.0"),
        (True, "t=event", "198.51.100.0"),
        (False, "t=event&cid=1", "203.0.113.0"),
    ],
)
def test_the_visitors_address_behind_cloudfront_is_kept_cut(behind_cloudfront: bool, body: str, stored: str) -> None:
    """In accepted and in refused hits; without the setting the header is what any client can write, and leaves no trace."""
    stream, http = FlakyStream(set()), {"method": "POST", "sourceIp": "203.0.113.77"}
    event = {
        "version": "2.0",
        "rawPath": "/collect",
        "headers": {"cloudfront-viewer-address": "198.51.100.9:46532"},
        "requestContext": {"http": http},
        "body": body,
    }
    _invoke(event, stream, Settings(), behind_cloudfront=behind_cloudfront)
    (record,) = stream.kept
    assert record["context"]["user_ip"] == stored
    assert "198.51.100.9" not in json.dumps(record) and "203.0.113.77" not in json.dumps(record)


def test_the_log_tells_counts_and_nothing_of_the_visitor(capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON line in CloudWatch's embedded metric format; payloads, addresses and ids have no place in logs."""
    body = "t=event&cid=visitor-77&dt=secret\nt=event\n{broken-secret"
    http = {"method": "POST", "sourceIp": "203.0.113.77"}
    event = {"version": "2.0", "rawPath": "/batch", "requestContext": {"http": http}, "body": body}
    _invoke(event, FlakyStream({0}), Settings(), record_bytes=1)
    (line,) = capsys.readouterr().out.splitlines()
    logged = json.loads(line)
    assert (logged["Accepted"], logged["Rejected"], logged["Undelivered"], logged["status"]) == (1, 2, 1, 503)
    assert logged["reasons"] == {"missing_client_id": 1, "malformed_json": 1}
    directive = logged["_aws"]["CloudWatchMetrics"][0]
    assert all(metric["Name"] in logged for metric in directive["Metrics"])
    assert all(name in logged for name in directive["Dimensions"][0])
    assert not any(word in line for word in ("secret", "visitor-77", "203.0.113"))


def test_a_failing_entry_answers_500_without_a_trace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing setting or a defect: the client gets JSON, the log the place, neither the message."""

    def broken() -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(entry, "runtime", broken)
    answer = entry.handler({}, None)
    assert answer["statusCode"] == 500 and "Traceback" not in answer["body"]
    line = capsys.readouterr().out
    assert json.loads(line)["error"] == "RuntimeError" and "secret" not in line


def test_lambda_needs_nothing_but_its_runtime() -> None:
    """The package zips without dependencies, and a cold start loads hardly more than boto3 does anyway: its own modules and very few
    of the standard library's."""
    code = (
        "import boto3, json, sys; before = set(sys.modules); import collector.handler, collector.redrive;"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    root = Path(entry.__file__).parents[1]
    output = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    loaded = json.loads(output)
    foreign = (
        {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) - {"collector", "botocore", "boto3"}
    )
    assert foreign == set()
    assert len([name for name in loaded if not name.startswith("collector")]) <= 5


@pytest.mark.parametrize(("environment", "made"), [({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9"}, 1), ({}, 0)])
def test_clients_are_made_while_lambda_starts(environment: dict[str, str], made: int) -> None:
    """The first client of a new process once waited for them; elsewhere importing the module makes nothing."""
    program = "from collector import handler; print(handler.runtime.cache_info().currsize)"
    settings = {"DELIVERY_STREAM": "hits", "AWS_DEFAULT_REGION": "eu-west-1", "PATH": os.environ["PATH"]}
    started = subprocess.run(
        [sys.executable, "-c", program], env={**settings, **environment}, capture_output=True, text=True, check=True
    )
    assert started.stdout.strip() == str(made)


def test_a_setting_that_is_missing_does_not_keep_lambda_from_answering() -> None:
    """An import that fails would be a 502 without a word; the request says what is wrong."""
    program = "from collector import handler; print(handler.handler({}, None)['statusCode'])"
    environment = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9", "PATH": os.environ["PATH"]}
    started = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert started.stdout.splitlines()[-1] == "500"
