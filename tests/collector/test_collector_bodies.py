"""What a body may look like and must not lose: gzip of several members, any line end, analytics.js, names, blanks."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from typing import Any

import pytest

from collector.fast_json import encode
from collector.gzip_bodies import MalformedGzip, unpack
from collector.intake import process_request
from collector.settings import Settings
from collector.web import GIF, Request

HITS = [f"t=pageview&cid=m{number}".encode() for number in range(5)]
GZIP = {"content-encoding": "gzip"}


def _process(
    body: bytes | str,
    path: str = "/collect",
    *,
    method: str = "POST",
    query: str = "",
    headers: dict[str, str] | None = None,
) -> tuple[Any, list[dict[str, Any]]]:
    body = body if isinstance(body, bytes) else body.encode()
    outcome = process_request(
        Request(method, path, query, headers or {}, body, "collect.example", None), Settings(), 1, 2
    )
    return outcome.answer(), [json.loads(record) for record in outcome.records]


def _members(*contents: bytes) -> bytes:
    return b"".join(gzip.compress(content, mtime=0) for content in contents)


def _clients(records: list[dict[str, Any]]) -> list[str]:
    return [record["request"]["body"]["cid"] for record in records]


def test_all_members_of_a_gzip_body_are_read() -> None:
    """The second member's hit once vanished behind a 200. Members are one text: a line may span two of them."""
    response, records = _process(_members(HITS[0] + b"\n", HITS[1]), "/batch", headers=GZIP)
    assert json.loads(response.body)["accepted"] == 2
    assert _clients(records) == ["m0", "m1"]
    response, records = _process(
        _members(HITS[0][:5], b"", HITS[0][5:]) + b"\0" * 600, headers={"content-encoding": "x-gzip"}
    )
    assert response.status == 200 and _clients(records) == ["m0"]


@pytest.mark.parametrize("path", ["/collect", "/batch"])
@pytest.mark.parametrize("garbage", [b"t=pageview&cid=m1", b"\0\0x", b"\x1f\x8b", b"\x1f\x8b\x08garbage", b"\x1f"])
def test_what_follows_a_gzip_body_is_told_and_recorded(path: str, garbage: bytes) -> None:
    """Neither half of such a body is taken in silence: the request is refused, and what could be read of it is kept."""
    response, (record,) = _process(_members(HITS[0]) + garbage, path, headers=GZIP)
    assert response.status == 400 and json.loads(response.body)["error"] == "malformed_gzip"
    assert record["rejected"]["reason"] == "malformed_gzip"
    assert record["rejected"]["payload"] == HITS[0].decode()


def test_gzip_that_is_none_is_kept_as_it_came() -> None:
    """A proxy that unpacks a body and leaves its header: the hit can be replayed from the record."""
    response, (record,) = _process(HITS[0], headers=GZIP)
    assert response.status == 400 and record["rejected"]["payload"] == HITS[0].decode()


def test_members_unpack_within_one_limit() -> None:
    """Bombs in several members, and many tiny members, cost no more than the limit allows, nor time with their square."""
    bomb = _members(b"x" * 5_000_000, b"x" * 5_000_000)
    assert len(unpack(bomb, 8192)) == 8193
    assert _process(bomb, headers=GZIP)[0].status == 413
    assert unpack(_members(b"x" * 4096, b"y" * 4096), 8192) == b"x" * 4096 + b"y" * 4096
    started = time.process_time()
    assert unpack(_members(b"") * 40_000, 8192) == b""
    few = time.process_time() - started
    started = time.process_time()
    unpack(_members(b"") * 160_000, 8192)
    assert time.process_time() - started < 4 * few * 3 + 0.5
    # A body longer than what it may unpack to is refused before it is unpacked at all.
    assert _process(_members(b"") * 160_000, headers=GZIP)[0].status == 413


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_cut_gzip_body_is_malformed(cut: int) -> None:
    """At whatever byte the connection broke."""
    body = _members(HITS[0], HITS[1])
    if len(body) - cut == len(_members(HITS[0])):
        assert unpack(body[:-cut], 8192) == HITS[0]
        return
    with pytest.raises(MalformedGzip):
        unpack(body[:-cut], 8192)


def test_unpacking_agrees_with_the_standard_library() -> None:
    """Headers with names and comments, stored blocks, members longer than a piece."""
    noise = bytes(range(256)) * 300
    named = b"\x1f\x8b\x08\x18\0\0\0\0\0\xffname\0comment\0" + zlib.compressobj(wbits=-15).flush() + b"\0" * 8
    body = gzip.compress(noise, 0) + named + gzip.compress(noise, 9)
    assert unpack(body, 1_000_000) == gzip.decompress(body) == noise * 2


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\r\r\n\n", " \t\n"])
def test_a_line_of_a_batch_ends_as_on_any_system(end: str) -> None:
    """A bare CR once made one hit of two, the second of them a part of the first one's last value."""
    response, records = _process(end.join(hit.decode() for hit in HITS) + end, "/batch")
    assert json.loads(response.body)["accepted"] == 5
    assert _clients(records) == [f"m{number}" for number in range(5)]


def test_other_separators_are_a_values_own() -> None:
    """What Unicode and Python count as line ends and blanks beyond ASCII are letters of a value."""
    for letter in "\u2028\x85\x0b\x0c\x1c":
        _, (record,) = _process(f"t=event&cid=a{letter}b", "/batch")
        assert record["request"]["body"]["cid"] == f"a{letter}b"


@pytest.mark.parametrize("path", ["/j/collect", "/r/collect", "/collect", "/j/collect/"])
@pytest.mark.parametrize("method", ["POST", "GET", "HEAD"])
def test_analytics_js_is_served(path: str, method: str) -> None:
    """analytics.js sends to /j/collect and /r/collect where a property has advertising features: hits were 404 and lost."""
    hit = HITS[0].decode() + "&_v=j101&a=1&jid=1&gjid=2&_gid=1.2&_u=IEBAAEABAAAAAC~&z=9"
    response, (record,) = _process(
        *((hit, path) if method == "POST" else ("", path)), method=method, query="" if method == "POST" else hit
    )
    assert response.status == 200
    assert record["request"]["path"] == path.rstrip("/")
    assert record["request"]["body"]["jid"] == "1"
    if path.startswith("/j/") and method == "POST":  # it reads the answer: 1 asks nothing more of it
        assert (response.headers["Content-Type"], response.body) == ("text/plain", b"1")
    else:
        assert response.body == GIF
    assert record["response"]["headers"]["Content-Type"] == response.headers["Content-Type"]


def test_analytics_js_may_ask_first() -> None:
    """It sends with credentials from the site's own origin."""
    response, _ = _process("", "/j/collect", method="OPTIONS", headers={"origin": "https://shop.example"})
    assert response.status == 204 and response.headers["Access-Control-Allow-Credentials"] == "true"
    response, _ = _process(HITS[0], "/j/collect", headers={"origin": "https://shop.example"})
    assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert response.headers["Access-Control-Expose-Headers"] == "X-Event-Id, Retry-After"


@pytest.mark.parametrize("path", ["/collect", "/batch"])
@pytest.mark.parametrize(
    ("members", "body"),
    [
        (r'"\ud800": "1", "\ud801": "2"', {"?": "2"}),
        (r'"?": "1", "\uDFFF": "2"', {"?": "2"}),
        (r'"\ud800x": "1", "x": {"\ud800": 1, "\udc00": [{"\ud83d": 1, "?": 2}]}', {"?x": "1", "x": {"?": [{"?": 2}]}}),
        (r'"\ud83d\ude00": "1", "😀": "2"', {"😀": "2"}),
        ('"a": "1", "\\u0061": "2"', {"a": "2"}),
    ],
)
def test_no_name_is_written_twice(path: str, members: str, body: dict[str, Any]) -> None:
    """Two lone surrogates became two names `?`, and the hit's products vanished; the last value counts, on any path."""
    text = f'{{"t": "event", "cid": "1", {members}}}'.encode()
    for encoder in (None, encode):
        request = Request("POST", path, "", {}, text, "collect.example", None)
        (record,) = process_request(request, Settings(), 1, 2, *([encoder] if encoder else [])).records
        written = json.loads(record, object_pairs_hook=_once)["request"]["body"]
        assert written == {"t": "event", "cid": "1", **body}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({name for name, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


def test_a_query_string_is_stored_as_utf_8_can_hold_it() -> None:
    """Lambda's event may bring half a pair in a query string, too."""
    _, (record,) = _process("", method="GET", query="t=event&cid=1&\ud800=1&\ud801=2&?=3")
    assert record["request"]["body"] == {"t": "event", "cid": "1", "?": "3"}


@pytest.mark.parametrize("blank", [" ", "\t", "\r", "\n", "\f", "\v"])
def test_ascii_blanks_are_trimmed(blank: str) -> None:
    """At both ends of a body, of a line; a value of nothing else is none."""
    _, (record,) = _process(f'{blank}{{"t": "event", "cid": "1"}}{blank}')
    assert record["request"]["body"]["cid"] == "1"
    encoded = f"%{ord(blank):02x}"
    assert _process(f"t=event&cid={encoded}{encoded}")[0].status == 400


@pytest.mark.parametrize("letter", ["\u00a0", "\u2003", "\u3000", "\x1c", "\x85", "\ufeff"])
def test_other_blanks_are_letters(letter: str) -> None:
    """What the warehouses do not trim the collector does not either."""
    for body in (f"t=event&cid={letter}", json.dumps({"t": "event", "cid": letter})):
        response, (record,) = _process(body)
        assert response.status == 200 and record["request"]["body"]["cid"] == letter
    assert _process(f'{letter}{letter}{{"t": "event", "cid": "1"}}')[0].status == 400


@pytest.mark.parametrize(
    "body",
    [
        '{"t": "event", "cid": "1", "ev": NaN}',
        '{"t": "event", "cid": "1", "ev": -Infinity}',
        '{"t": "event", "cid": "1", "x": {"y": [NaN]}}',
        '{"t": "event", "cid": "1", "x": ' + "[" * 4000 + "]" * 4000 + "}",
        '{"t": "event", "cid": "1", "x": ' + '{"a":' * 1100 + "1" + "}" * 1100 + "}",
        '{"t": "event", "cid": "1",}',
    ],
)
def test_what_is_no_strict_json_is_refused_and_kept(body: str) -> None:
    """NaN, trailing commas and bottomless nesting end as a reason and a text, never in the archive's own JSON."""
    response, (record,) = _process(body)
    assert response.status == 400
    assert record["rejected"]["reason"] == "malformed_json" and record["rejected"]["payload"] == body


def test_numbers_of_any_size_stay_text() -> None:
    """Whatever a reader's numbers can hold."""
    huge = "9" * 3500
    _, (record,) = _process(f'{{"t": "event", "cid": "1", "a": {huge}, "b": -1e999999, "x": [{huge}, 1e999]}}')
    body = record["request"]["body"]
    assert (body["a"], body["b"], body["x"]) == (huge, "-1e999999", [huge, "1e999"])


def test_who_asks_not_to_be_tracked_leaves_nothing_whatever_else_is_wrong() -> None:
    """A method that is not taken once kept the payload of a visitor who had said no."""
    from collector.settings import PrivacySignals

    settings = Settings(privacy_signals=PrivacySignals.HONOUR)
    request = Request("PUT", "/collect", "", {"dnt": "1"}, b"t=event&cid=secret", "collect.example", "203.0.113.77")
    (record,) = process_request(request, settings, 1, 2).records
    assert json.loads(record)["rejected"]["reason"] == "do_not_track" and b"secret" not in record
