"""Requests for the collector, legal and not, drawn from a seed; what each may be answered; what may be on disk after.

A request here is what a client means; `lambda_event` and `wire` put it into API Gateway's formats and on a socket.
Addresses stand in no other place than under some spelling of `uip`, so that none of them may be found on disk whole.
"""

from __future__ import annotations

import gzip
import json
import random
from base64 import b64encode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, quote_from_bytes, urlencode

from collector.spellings import readings

CALLER = "203.0.113.77"
NAMED = ("198.51.100.137", "2001:db8:77:1::dead:beef")
NEEDLES = ("113.77", "100.137", "dead:beef")
ORIGIN = "https://shop.example"

_UIP = [
    "uip",
    "UIP",
    "uip ",
    " uip",
    "\tuip",
    "u\x00ip",
    "uip[]",
    "%75ip",
    "%2575ip",
    "\\u0075ip",
    "\uff55ip",
    "hit[uip]",
]
_NAMES = [
    "v",
    "tid",
    "dl",
    "dt",
    "ev",
    "pr1id",
    "pr1pr",
    "il1pi2nm",
    "promo3id",
    "cd1",
    "qt",
    "z",
    "ti",
    "tr",
    "cu",
    "aip",
    "x y",
    "",
    "?",
    "\ud800",
    "\udfff",
    "é",
    "a" * 300,
]
_VALUES = ["", "1", "-0", "12.50", "1e400", "NaN", "null", "true", "9" * 400, "Käse", "\u2028", "\ud800", "\x00", "\r", "a\nb", "a\rb", "%", "%zz", "+", "&", "=", "{", "[]", "'", '"', "\\", "(all)", "x" * 3000, "\u00a0", "https://shop.example/p?a=1&b=%25#c"]  # fmt: skip
_GTAG, _MP, _SEGMENT = (
    ["/g/collect"],
    ["/mp/collect", "/debug/mp/collect"],
    ["/v1/track", "/v1/page", "/v1/b", "/v1/batch"],
)
_PIXEL = ["/v1/pixel/track", "/v1/pixel/page"]
OTHERS = frozenset(_GTAG + _MP + _SEGMENT + _PIXEL)
_IP = ["ip", "IP", "client_ip", "ipAddress", "x-forwarded-for"]
_PATHS = (
    ["/collect"] * 12
    + ["/batch"] * 6
    + _GTAG * 6
    + [*_MP, "/mp/collect"] * 2
    + _SEGMENT * 2
    + _PIXEL * 2
    + ["/j/collect", "/r/collect", "/collect/", "/health", "/", "/nowhere", "//collect"]
)
_METHODS = ["POST"] * 14 + ["GET"] * 5 + ["HEAD", "OPTIONS", "PUT", "DELETE"]


@dataclass
class Fuzzed:
    """A request as a client means it."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


class Requests:
    """The generator. The same seed gives the same requests."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one(self) -> Fuzzed:
        draw = self._random
        method, path = draw.choice(_METHODS), draw.choice(_PATHS)
        headers = {"user-agent": draw.choice(["Mozilla/5.0", "curl/8", "ü" * 3, ""]), "host": "collect.example"}
        if draw.random() < 0.5:
            headers["origin"] = draw.choice([ORIGIN, "null", "https://a b", "x" * 600])
        if draw.random() < 0.1:
            headers["cookie"] = f"uip={NAMED[0]}"
        query, body = "", b""
        if method in ("GET", "HEAD") or draw.random() < (0.6 if path in _GTAG + _MP else 0.05):
            query = self._pixel() if path in _PIXEL else self._gtag() if path in _GTAG else self._form()
        if method not in ("GET", "HEAD") and draw.random() < 0.95:
            body = self._body(path)
            body = self._spoiled(body)
            if draw.random() < 0.2:
                headers["content-encoding"] = draw.choice(["gzip"] * 8 + ["GZIP", "x-gzip", "br", "identity"])
                if draw.random() < 0.9:
                    body = self._gzip(body)
        return Fuzzed(method, path, query, headers, body)

    def _body(self, path: str) -> bytes:
        draw = self._random
        if path.startswith("/batch"):
            return self._lines()
        if path in _GTAG:
            return "\n".join(self._gtag() for _ in range(draw.choice([1, 2, 3, 26]))).encode("utf-8", "replace")
        if path in _MP:
            return self._mp().encode("utf-8", "replace")
        if path in ("/v1/b", "/v1/batch"):
            messages = ", ".join(self._message() for _ in range(draw.choice([0, 1, 2, 5, 5, 501])))
            return f'{{"batch": [{messages}], "context": {self._json()}, "writeKey": "k"}}'.encode("utf-8", "replace")
        return (self._message() if path in _SEGMENT else self._hit()).encode("utf-8", "replace")

    def _pixel(self) -> str:
        message = self._spoiled(self._message().encode("utf-8", "replace"))
        data = self._random.choice([b64encode, urlsafe_b64encode])(message).decode()
        return "data=" + (data if self._random.random() < 0.9 else data[: self._random.randrange(len(data) + 1)])

    def _gtag(self) -> str:
        draw = self._random
        pairs = [("en", draw.choice(["page_view", "purchase", "view_item_list", "view_promotion", "own", ""]))]
        pairs += [
            (name, draw.choice(_VALUES))
            for name in draw.sample(["tid", "_p", "_s", "sid", "gcs", "ep.x", "epn.value"], 3)
        ]
        pairs += [
            (
                draw.choice(["pr1", "pr0", "pr200", "pr201", "prx"]),
                draw.choice(["idA~~B~pr1.5~qt2", "~~~", "k0~v0x", "k0uip~v0" + NAMED[0], "id"]),
            )
        ]
        if draw.random() < 0.3:
            pairs.append((draw.choice([*_UIP, "_uip", "ep.ip", "ip"]), draw.choice(NAMED)))
        return urlencode(pairs, errors="replace") + "&" + self._form()

    def _mp(self) -> str:
        draw = self._random
        event = draw.choice(
            ['{"name": "purchase", "params": ', '{"name": "own", "params": ', '{"name": 1, "params": ', '{"params": ']
        )
        events = [
            draw.choice(
                [f"{event}{self._json()}}}"] * 8
                + ["7", "null", '{"name": "x", "params": {"items": [[], {"price": 1e400}, 3]}}']
            )
            for _ in range(draw.choice([0, 1, 1, 2, 3, 25, 26]))
        ]
        more = draw.choice(
            [
                "",
                f'"ip_override": "{draw.choice(NAMED)}", ',
                f'"user_properties": {self._json()}, ',
                f'"timestamp_micros": {draw.choice(["1", "1772323190000000", "-5", "1e400"])}, ',
            ]
        )
        return f'{{"client_id": "c", {more}"events": [{", ".join(events)}]}}'

    def _message(self) -> str:
        draw = self._random
        members = [
            draw.choice(['"anonymousId": "a"', '"userId": 7', '"anonymousId": ["a"]', '"userId": ""']),
            draw.choice(['"type": "track"', '"type": "page"', '"type": "identify"', '"type": null', '"type": {}']),
            draw.choice(['"event": "Order Completed"', '"event": "Product List Viewed"', '"event": "Own"', '"event": 3']),
            draw.choice([f'"properties": {self._json()}', '"properties": {"products": [1, {"price": NaN}]}', '"properties": 5', f'"properties": {{"products": [{self._json()}]}}']),
            draw.choice([f'"context": {self._json()}', '"context": []', f'"context": {{"{draw.choice(_IP)}": "{draw.choice(NAMED)}"}}', f'"context": {{"{draw.choice(_IP)}": ["{draw.choice(NAMED)}", {{"a": "{NAMED[0]}, {NAMED[1]}"}}]}}']),
            draw.choice(['"timestamp": "2026-03-01T00:00:00Z"', '"timestamp": "9999-12-31T23:59:59+23:59"', '"timestamp": 5', f'"messageId": "{draw.choice(["", "m"])}"']),
        ]  # fmt: skip
        draw.shuffle(members)
        return f"{{{', '.join(members)}}}"

    def _hit(self) -> str:
        return self._random.choice([self._form, self._json, self._json])()

    def _pairs(self) -> list[tuple[str, Any]]:
        draw = self._random
        pairs: list[tuple[str, Any]] = [(draw.choice(_NAMES), draw.choice(_VALUES)) for _ in range(draw.randrange(8))]
        if draw.random() < 0.8:
            pairs.append(("t", draw.choice(["event", "pageview", "transaction", " "])))
        if draw.random() < 0.8:
            pairs.append((draw.choice(["cid", "uid"]), draw.choice(["c1", "c2", "\t", "ü"])))
        if draw.random() < 0.3:
            pairs.append((draw.choice(_UIP), draw.choice(NAMED)))
        draw.shuffle(pairs)
        return pairs

    def _form(self) -> str:
        text = urlencode(self._pairs(), errors="replace")
        return text.replace("%5Cu0075", "\\u0075") if self._random.random() < 0.5 else text

    def _json(self) -> str:
        draw = self._random
        pairs = self._pairs()
        for position, (name, value) in enumerate(pairs):
            if name not in ("t", "cid", "uid") and draw.random() < 0.3:
                wrapped = draw.choice([[value], {"y": value}, {name: [{name: value}]}, json.dumps({name: value}), f"a=b&{name}={value}", 1.5, None, True, 10**30, -0.0])  # fmt: skip
                pairs[position] = (name, wrapped)
        members = ", ".join(
            f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=draw.random() < 0.7)}" for name, value in pairs
        )
        text = draw.choice([f"{{{members}}}"] * 12 + [f"[{{{members}}}]", f"{{{members}", f"{{{members}}}}}"])
        return draw.choice(["", "", "", "", "", "", "\f ", "\u00a0"]) + text

    def _lines(self) -> bytes:
        draw = self._random
        end = draw.choice(["\n", "\r\n", "\r", "\n\n", " \n"])
        return end.join(self._hit() for _ in range(draw.choice([0, 1, 2, 3, 5, 19, 20, 21]))).encode("utf-8", "replace")

    def _spoiled(self, body: bytes) -> bytes:
        draw = self._random
        if draw.random() < 0.75 or not body:
            return body
        at = draw.randrange(len(body))
        if draw.random() < 0.2:
            # What tears a name off its value leaves an address that nothing calls one: only where there is none.
            if any(address.encode() in body or quote(address).encode() in body for address in NAMED):
                return body
            return draw.choice([body[at:], body[:at] + bytes([draw.randrange(256)]) + body[at + 1 :]])
        return draw.choice(
            [
                lambda: body[:at],
                lambda: body + b"," + body,
                lambda: b"[" + body + b"]",
                lambda: b"[" * 3000 + body,
                lambda: b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + body + b"\r\n--b--",
                lambda: b"&".join([body] * 8),
                lambda: b64encode(body),
                lambda: body.decode("utf-8", "replace").encode("utf-16"),
                lambda: quote_from_bytes(body).encode(),
                lambda: body.replace(b'"', b"'"),
                lambda: body.replace(b"}", b",}"),
                lambda: body.replace(b": 1.5", b": NaN"),
            ]
        )()

    def _gzip(self, body: bytes) -> bytes:
        draw = self._random
        at = draw.randrange(len(body) + 1)
        packed = gzip.compress(body[:at], 1, mtime=0) + gzip.compress(body[at:], 1, mtime=0)
        if draw.random() < 0.2:
            return draw.choice(
                [
                    packed + b"\0" * 9,
                    packed + b"garbage",
                    packed + packed[:9],
                    packed[: len(packed) // 2],
                    b"\x1f\x8b" + packed,
                ]
            )
        return packed


def lambda_event(request: Fuzzed, draw: random.Random) -> dict[str, Any]:
    """The request as API Gateway hands it over: payload format 1.0 or 2.0, the body as base64 or as text."""
    text = None
    if draw.random() < 0.5:
        try:
            text = request.body.decode()
        except UnicodeDecodeError:
            text = None
    body = {"body": text, "isBase64Encoded": False}
    if text is None:
        body = {"body": b64encode(request.body).decode(), "isBase64Encoded": True}
    if draw.random() < 0.5:
        http = {"method": request.method, "path": request.path, "sourceIp": CALLER}
        context = {"http": http, "domainName": "collect.example", "timeEpoch": 1_772_323_200_000, "stage": "$default"}
        shape = {"version": "2.0", "rawPath": request.path, "rawQueryString": request.query, "requestContext": context}
        return {**shape, "headers": request.headers, **body}
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        values.setdefault(name, []).append(value)
    return {
        "version": "1.0",
        "httpMethod": request.method,
        "path": request.path,
        "multiValueQueryStringParameters": values or None,
        "multiValueHeaders": {name: [value] for name, value in request.headers.items()},
        "requestContext": {"identity": {"sourceIp": CALLER}, "requestTimeEpoch": 1_772_323_200_000},
        **body,
    }


def wire(request: Fuzzed, draw: random.Random) -> bytes:
    """The request as a client writes it to a socket, with a length or in chunks."""
    target = quote(request.path, safe="/") + (f"?{quote(request.query, safe='%&=+')}" if request.query else "")
    lines = [f"{request.method} {target} HTTP/1.1".encode()]
    lines += [f"{name}: {value}".encode() for name, value in request.headers.items()]
    body = request.body
    if body and draw.random() < 0.2:
        lines.append(b"transfer-encoding: chunked")
        at = draw.randrange(len(body)) + 1
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:at], body[at:]) if part) + b"0\r\n\r\n"
    elif body or request.method not in ("GET", "HEAD"):
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Ledger:
    """What clients were told, held against what is on disk."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        # Of the other protocols, which answer for many events at once: the first id that was kept, requests that were refused.
        self.first_kept: Counter[str] = Counter()
        self.all_refused = 0
        self.acknowledged: Counter[str] = Counter()
        self.refused = 0

    def answered(self, request: Fuzzed, status: int, headers: dict[str, str], body: bytes) -> None:
        """Note an answer. Names in lower case."""
        assert status in (200, 204, 400, 403, 404, 405, 413, 415, 503), (status, body, request)
        self.statuses[status] += 1
        origin = request.headers.get("origin")
        if origin in (ORIGIN, "null") and request.path not in ("/health",):
            assert headers.get("access-control-allow-origin") == origin, (request, headers)
        path = request.path.rstrip("/")
        if status in (404, 503) or path in ("/health", "") or request.method == "OPTIONS":
            if status == 503 and path == "/batch" and body:
                self._lines(json.loads(body).get("hits", []))
            return
        if path in OTHERS:
            self._other(path, request.method, status, headers, body)
        elif path == "/batch" and body.startswith(b'{"accepted"'):
            self._lines(json.loads(body)["hits"])
        elif status == 200:
            self.acknowledged[headers["x-event-id"]] += 1
        else:
            self.refused += 1
            assert request.method == "HEAD" or json.loads(body)["error"] not in ("internal_error", "not_found")

    def _other(self, path: str, method: str, status: int, headers: dict[str, str], body: bytes) -> None:
        if path == "/debug/mp/collect":
            assert status == 200 or method == "HEAD" or json.loads(body)["error"] != "internal_error"
        elif status in (200, 204):
            assert status == (200 if path in _SEGMENT + _PIXEL else 204)
            self.first_kept[headers["x-event-id"]] += 1
        else:
            self.all_refused += 1
            assert method == "HEAD" or json.loads(body)["error"] not in ("internal_error", "not_found")

    def _lines(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            if line["status"] == 200:
                self.acknowledged[line["event_id"]] += 1
            elif line["status"] != 503:
                self.refused += 1
                assert line["error"] != "internal_error", line

    def balance(self, lines: list[bytes], more_refused: Callable[[int], bool] = lambda count: count == 0) -> None:
        """Every acknowledged hit is there once, every rejection has its record, and each line is fit for any reader."""
        accepted: Counter[str] = Counter()
        others: Counter[str] = Counter()
        refused = refused_of_others = 0
        for line in lines:
            record = strict(line)
            if "protocol" in record["request"]:
                refused_of_others += "rejected" in record
                others[record["event_id"]] += "rejected" not in record
                assert record.get("rejected", {}).get("reason") != "internal_error", record
                original = record["request"].get("original")  # as text where a number would not survive as JSON
                assert "rejected" in record or isinstance(
                    json.loads(original) if isinstance(original, str) else original, dict
                )
            elif "rejected" in record:
                refused += 1
                assert record["request"]["body"] is None and record["rejected"]["reason"]
            else:
                accepted[record["event_id"]] += 1
        assert set(others.values()) <= {0, 1} and all(others[kept] == 1 for kept in self.first_kept)
        assert refused_of_others >= self.all_refused and others.total() >= len(self.first_kept)
        assert accepted == self.acknowledged and set(accepted.values()) <= {1}
        assert more_refused(refused - self.refused), (refused, self.refused)


def strict(line: bytes) -> dict[str, Any]:
    """A line of the archive as the strictest reader takes it. Fails on what another would read differently."""
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    record: dict[str, Any] = json.loads(line.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    text = line.decode().casefold()
    assert not any(needle in text for needle in NEEDLES), line
    if "100" in text or "dead" in text:
        assert not any(needle in reading for reading in readings(text) for needle in NEEDLES), line
    return record


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({name for name, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")
