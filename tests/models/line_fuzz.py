"""Archive lines, legal, illegal and mutated: an endless, seeded supply.

A line is a record as a collector writes it, with values that a client may send, and then, more often than not, something done to it:
another type in some place, a strange number, a name twice, brackets without end, bytes changed at random. Nothing says here what has
to become of a line: that is what two parsers, and the books, have to agree on (test_line_fuzz.py).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from collector.parameters import PARAMETERS

_TYPES = (
    "pageview",
    "screenview",
    "event",
    "transaction",
    "item",
    "social",
    "exception",
    "timing",
    "Pageview",
    " event ",
    "?",
)
_ACTIONS = ("detail", "click", "add", "remove", "checkout", "purchase", "refund", "PURCHASE", "none", "")
_TEXTS = (
    "", " ", "\t", "\x0b", "\u00a0", "\u3000a", "(all)", "(not set)", "a|b", "'", '"', "\\", "%", "%00", "%zz", "\x00", "a\x00b", "é€😀",
    "\u2028", "null", "NaN", "{{ this }}", "$1", "x" * 300, "https://shop.example/?utm_source=a%20b&gclid=1", "https://[::1", "//", "http://",
    "android-app://a.b", "2026-01-10", "undefined", "[object Object]", "\ufffd", "\ufeff", "a\nb", "in", "nan, inf",
)  # fmt: skip
_NUMBERS = (
    "0", "-0", "1", "-1", "2.5", "1e3", "1E-9", "1e400", "-1e400", "9" * 15, "9" * 16, "9" * 38, "9" * 39, "9" * 5000, "0." + "9" * 40,
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1,000.00", "٣", "0x10", "1_000", "+5", ".5", "5.", "Infinity",
)  # fmt: skip
_RAW_VALUES = (
    "NaN", "nan", "-NaN", "Infinity", "-Infinity", "inf", "INF", "iNfInItY", "+1", "01", "1.", ".5", "0x1", "1e400", "-1e400", "1e-400",
    "-9223372036854775808", "9223372036854775807", "18446744073709551616", "9" * 400, "9" * 5000, "1.5e3", "1772323200000.5", "-0", "true",
    "null", "True", "None", "undefined", '""', '"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\\x"', '"\\u12"', '"\x01"', "'a'",
    "{}", "[]", "[1,]", '{"a":1,}', "[1, ]", "[ NaN]", "[[[[]]]]", "[" * 350 + "]" * 350, "[" * 450 + "]" * 450, '{"a":' * 500 + "1" + "}" * 500, "",
    "1/**/", "1//", '{"a":1,"a":2}', '" inf"', '" ,}"', '",]"', '"Infinity"', "1 2", ",", ":", "]",
)  # fmt: skip
_WHOLE_LINES = (
    b"{}", b"[]", b"null", b"7", b"NaN", b"-inf", b'"a"', b"[1,]", b"{", b"}", b"{}{}", b"{} {}", b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"\xc0\x80",
    b"\xed\xa0\x80", b"\x00", b"{}\x00", b"\x0c{}", b"{}\x0b", b"\xc2\xa0{}", b'{"a":1}//', b"/* */{}", b"'a'", b"\xef\xbf\xbd{}", b"\x1f\x8b", b"True", b"[" * 100_000,
    b"[" * 100_000 + b"]" * 100_000, b'{"":' * 5_000 + b"1" + b"}" * 5_000, b'"' * 30_000, b'"\\"' * 10_000, b"{" + b'"a":1,' * 3_000 + b'"a":2}',
    b'{"request":' * 100 + b"1" + b"}" * 100, b"9" * 10_000, b"-", b'{"service":{"id":"api.collect"}}', b'{"a":"' + b"x" * 200_000 + b'"}',
)  # fmt: skip


def lines(seed: int, count: int, day_ms: int) -> Iterator[bytes]:
    """`count` lines, without their newlines, around the day that begins at `day_ms` (epoch, milliseconds)."""
    rng = random.Random(seed)
    for number in range(count):
        record = _record(rng, number, day_ms)
        change = rng.choice(_CHANGES)
        yield change(rng, record).replace(b"\n", b" ")


def _record(rng: random.Random, number: int, day_ms: int) -> dict[str, Any]:
    received = day_ms + rng.randrange(-86_400_000, 2 * 86_400_000)
    # Some ids are met again, on other dates, too.
    event_id = f"{rng.randrange(number + 1) if rng.random() < 0.1 else number:032x}"
    client = f"c{rng.randrange(40)}"
    body = {
        "v": "1",
        "t": rng.choice(_TYPES[:3]),
        "cid": client,
        "tid": rng.choice(("UA-1", "UA-2", "(all)")),
        "dl": "https://shop.example/",
    }
    for _ in range(rng.randrange(6)):
        body[_name(rng)] = rng.choice((*_TEXTS, *_NUMBERS))
    if rng.random() < 0.4:
        body |= {
            "pa": rng.choice(_ACTIONS),
            "ti": f"T{rng.randrange(20)}",
            "tr": rng.choice(_NUMBERS),
            "cu": rng.choice(("EUR", "usd", "?")),
        }
        for product in range(1, rng.randrange(1, 4)):
            body |= {
                f"pr{product}id": "A",
                f"pr{product}pr": rng.choice(_NUMBERS),
                f"pr{product}qt": rng.choice(_NUMBERS),
            }
    if rng.random() < 0.2:
        body["qt"] = rng.choice((*_NUMBERS, "5", "14400001"))
    if rng.random() < 0.1:
        body["uid"] = f"u{rng.randrange(2000)}"
    made = {
        "schema_version": 1, "event_id": event_id, "service": {"id": "api.collect"},
        "context": {"user_ip": "203.0.113.0", "user_agent": rng.choice(("Mozilla/5.0", "curl/8", "")), "client_id": client,
                    "tracking_id": body["tid"], "document_location": rng.choice(_TEXTS)},
        "request": {"id": event_id, "timestamp": received, "hostname": "127.0.0.1", "path": "/collect", "method": "POST", "headers": {}, "body": body},
        "response": {"id": event_id, "timestamp": received + 3, "statusCode": 200},
    }  # fmt: skip
    if rng.random() < 0.05:
        made["rejected"] = {"reason": rng.choice(("missing_client_id", "", "?")), "payload": rng.choice(_TEXTS)}
        made["request"]["body"] = None
    return made


def _name(rng: random.Random) -> str:
    name = rng.choice(PARAMETERS).name
    while "_" in name:
        name = name.replace("_", rng.choice(("1", "2", "200", "201", "0", "")), 1)
    return rng.choice((name, name, name, name.upper(), "", "unknown", " tid", "ti "))


def _text(record: Any, rng: random.Random) -> str:
    return json.dumps(
        record, ensure_ascii=rng.random() < 0.3, separators=rng.choice(((",", ":"), (", ", ": "), (" , ", " : ")))
    )


def _as_it_is(rng: random.Random, record: dict[str, Any]) -> bytes:
    return _text(record, rng).encode()


def _whole_line(rng: random.Random, record: dict[str, Any]) -> bytes:
    return rng.choice(_WHOLE_LINES)


def _place(rng: random.Random, record: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Some object of the record, and a name in it."""
    found = [(record, name) for name in record]
    for part in (
        record["service"],
        record["context"],
        record["request"],
        record["response"],
        record["request"]["body"] or {},
    ):
        found += [(part, name) for name in part]
    return rng.choice(found)


def _raw_value(rng: random.Random, record: dict[str, Any]) -> bytes:
    """A value written as no encoder would, in some place."""
    part, name = _place(rng, record)
    part[name] = "@raw@"
    return _text(record, rng).replace('"@raw@"', rng.choice(_RAW_VALUES), 1).encode(errors="surrogatepass")


def _timestamp(rng: random.Random, record: dict[str, Any]) -> bytes:
    part = record[rng.choice(("request", "response"))]
    part["timestamp"] = "@raw@"
    return _text(record, rng).replace('"@raw@"', rng.choice((*_RAW_VALUES, *(f'"{n}"' for n in _NUMBERS))), 1).encode()


def _other_type(rng: random.Random, record: dict[str, Any]) -> bytes:
    part, name = _place(rng, record)
    part[name] = rng.choice((None, True, 0, 1.5, "", "x", [], ["x"], [1, [2]], {}, {"id": "x"}, {"a": None}))
    return _text(record, rng).encode()


def _left_out(rng: random.Random, record: dict[str, Any]) -> bytes:
    part, name = _place(rng, record)
    del part[name]
    return _text(record, rng).encode()


def _name_twice(rng: random.Random, record: dict[str, Any]) -> bytes:
    """A name of the body again, at its end or its beginning."""
    body = record["request"]["body"] or {"a": "1"}
    name = rng.choice(list(body))
    twice = json.dumps({name: rng.choice((*_TEXTS, *_NUMBERS, None, 7))})[1:-1]
    text = _text({**record, "request": {**record["request"], "body": "@raw@"}}, rng)
    inside = json.dumps(body)[1:-1]
    return text.replace(
        '"@raw@"', "{" + (f"{inside}, {twice}" if rng.random() < 0.7 else f"{twice}, {inside}") + "}"
    ).encode()


def _bytes_changed(rng: random.Random, record: dict[str, Any]) -> bytes:
    data = bytearray(_text(record, rng).encode())
    for _ in range(rng.choice((1, 1, 1, 5))):
        at = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                data.insert(at, rng.choice(b'\x00"\\,]}[{:\xff\t '))
            case 2:
                del data[at]
            case _:
                data[at:at] = data[at : at + rng.randrange(20)]
    return bytes(data)


def _cut_off(rng: random.Random, record: dict[str, Any]) -> bytes:
    data = _text(record, rng).encode()
    return data[: rng.randrange(len(data))] or b"{"


def _long(rng: random.Random, record: dict[str, Any]) -> bytes:
    """More than the load's SQL looks into by itself; sometimes with a name twice."""
    body = {f"cd{n}": "y" * 100 for n in range(200)} | (record["request"]["body"] or {})
    record["request"]["body"] = body
    return _name_twice(rng, record) if rng.random() < 0.5 else _as_it_is(rng, record)


_CHANGES: tuple[Callable[[random.Random, dict[str, Any]], bytes], ...] = (
    *[_as_it_is] * 6, _whole_line, *[_raw_value] * 3, *[_timestamp] * 2, *[_other_type] * 3, _left_out, *[_name_twice] * 2,
    *[_bytes_changed] * 3, _cut_off, _long,
)  # fmt: skip
