"""How hits are read from a request: its body, unpacked, or its query string; one hit, or one a line.

What cannot be read raises the rejection that it earns. A refused request's payload is read here as well.
"""

from __future__ import annotations

import re

from collector.gzip_bodies import MalformedGzip, unpack
from collector.outcomes import Rejection
from collector.settings import Settings
from collector.texts import BLANKS, storable
from collector.web import Request

MAX_QUERY_BYTES = 8000
# Of a refused request no more than this is kept: the record has to fit into Firehose's 1,000 KiB however it escapes.
MAX_REJECTED_PAYLOAD = 65_536
# How much longer than its content a gzip body may be: its header and its checksum.
GZIP_OVERHEAD = 1024

_LINE_ENDS = re.compile(r"\r\n|\r")


def one_hit(request: Request, settings: Settings) -> list[str]:
    """Where the hit is: in the body, else in the query string (pixels, beacons without a body)."""
    if request.method == "POST" and request.body:
        return [text_of(unpacked(request, settings.max_hit_bytes))]
    return [query_of(request)]


def query_of(request: Request) -> str:
    """The query string, unless it is too long."""
    if len(request.query) > MAX_QUERY_BYTES:
        raise Rejection(413, "too_large", f"the query string is longer than {MAX_QUERY_BYTES} bytes")
    return storable(request.query)


def hits_by_line(request: Request, settings: Settings) -> list[str]:
    """A hit a line; a line ends as on any system: LF, CR LF or CR."""
    lines = lines_of(text_of(unpacked(request, settings.max_batch_bytes)))
    if not lines:
        raise Rejection(400, "empty_batch", "there is no hit: send one a line")
    if len(lines) > settings.max_batch_hits:
        raise Rejection(
            413, "too_many_hits", f"a batch takes {settings.max_batch_hits} hits, this one has {len(lines)}"
        )
    return lines


def lines_of(text: str) -> list[str]:
    """The lines of a text that hold anything; a line ends with LF, CR LF or CR."""
    if "\r" in text:
        text = _LINE_ENDS.sub("\n", text)
    return [line for line in text.split("\n") if line and line.strip(BLANKS)]


def unpacked(request: Request, limit: int) -> bytes:
    """The body without its gzip. Never unpacks more than `limit` bytes and one."""
    body = request.body
    coding = _coding(request)
    if coding == "gzip" and len(body) <= limit + GZIP_OVERHEAD:
        try:
            body = unpack(body, limit)
        except MalformedGzip as error:
            raise Rejection(400, "malformed_gzip", str(error)) from None
    elif coding not in ("gzip", "identity"):
        raise Rejection(415, "unknown_encoding", "a body may be gzip-encoded or plain")
    if len(body) > limit:
        raise Rejection(413, "too_large", f"the body is longer than {limit} bytes")
    return body


def _coding(request: Request) -> str:
    coding = request.headers.get("content-encoding")
    if coding is None:
        return "identity"
    coding = coding.strip(BLANKS).lower() or "identity"
    return "gzip" if coding == "x-gzip" else coding


def text_of(body: bytes) -> str:
    """UTF-8, with or without a byte order mark; what is no UTF-8 shows as replacement characters."""
    return body.decode("utf-8", "replace").removeprefix("\ufeff")


def payload_of(request: Request) -> str:
    """What a refused request carried, unpacked if that works, a little longer than what may be kept of it."""
    if not request.body:
        return storable(request.query)
    body = request.body
    if _coding(request) == "gzip":
        try:
            body = unpack(body, MAX_REJECTED_PAYLOAD)
        except MalformedGzip as error:
            body = error.unpacked or body
    return text_of(body[: MAX_REJECTED_PAYLOAD + 1])
