"""The little of HTTP that the handler deals in: a request, a response, and what browsers of other origins may do.

Nothing here knows how a request arrived: `collector.gateway` makes one from an API Gateway event, `collector.server`
from a socket.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")

# What a client waits before it sends again what the stream did not take.
RETRY_AFTER_SECONDS = "5"

# What a page of another origin may read of an answer beside its body.
_EXPOSED = "X-Event-Id, Retry-After"
# What a page of another origin may send: the last two are those of Segment's and RudderStack's clients.
ALLOWED_HEADERS = "content-type, content-encoding, authorization, anonymousid"
MAX_HOSTNAME = 255

_to_json = json.JSONEncoder(separators=(",", ":")).encode
_ORIGIN = re.compile(r"[!-~]{1,512}")


class Request(NamedTuple):
    """A request. Header names in lower case; `hostname` without its port; `address` is the caller's, as the gateway or
    the socket knows it, never what a client claims in X-Forwarded-For."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    hostname: str
    address: str | None


class Response(NamedTuple):
    """An answer. The body of an answer to HEAD is left out by whoever sends it."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


def hostname_of(host: str) -> str:
    """The name in a Host header, without its port: `[::1]:8080` is `::1`."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name[:MAX_HOSTNAME]


def pixel(cors: Mapping[str, str], event_id: str) -> Response:
    """The 1x1 image that says: kept. `X-Event-Id` tells under which id."""
    return Response(
        200, {"Content-Type": "image/gif", "Cache-Control": "no-store", "X-Event-Id": event_id, **cors}, GIF
    )


def analytics_js(cors: Mapping[str, str], event_id: str) -> Response:
    """What analytics.js waits for when it sends by XMLHttpRequest: `1`, nothing more to do. (What a longer answer would
    ask of it, pixels of advertising services, is nobody's business here.)"""
    return Response(
        200, {"Content-Type": "text/plain", "Cache-Control": "no-store", "X-Event-Id": event_id, **cors}, b"1"
    )


def no_content(cors: Mapping[str, str], event_id: str = "") -> Response:
    """Nothing to say: what GA4's clients expect of a hit that is kept, and anybody of one that is not to be."""
    kept = {"Cache-Control": "no-store", "X-Event-Id": event_id} if event_id else {}
    return Response(204, {**kept, **cors})


def json_response(status: int, content: Mapping[str, Any], cors: Mapping[str, str], **headers: str) -> Response:
    """An answer in JSON; `headers` in Python spelling (`Retry_After`)."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = _to_json(content).encode()
    return Response(status, {"Content-Type": "application/json", "Cache-Control": "no-store", **named, **cors}, body)


def unavailable(cors: Mapping[str, str], content: Mapping[str, Any] | None = None) -> Response:
    """503: what was sent is not durable, wholly or in part; the client should send it again later."""
    error = {"error": "stream_unavailable", "detail": "the hit could not be stored; send it again later"}
    return json_response(503, content or error, cors, Retry_After=RETRY_AFTER_SECONDS)


def is_allowed_origin(origin: str | None, allowed: frozenset[str]) -> bool:
    """Whether a request that names this origin is taken. Requests without one (images, servers) always are."""
    return not allowed or origin is None or origin.lower() in allowed


@lru_cache(maxsize=256)
def cors_headers(origin: str | None, allowed: frozenset[str]) -> dict[str, str]:
    """The headers that let a page of another origin read the answer. Beacons carry credentials, for which browsers do
    not accept `*`: the origin is echoed. The same for each request of an origin: not to be changed."""
    if origin is None:
        return {}
    if not is_allowed_origin(origin, allowed) or _ORIGIN.fullmatch(origin) is None:
        return {"Vary": "Origin"}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": _EXPOSED,
        "Vary": "Origin",
    }


def preflight(cors: Mapping[str, str]) -> Response:
    """The answer to OPTIONS: what a page of an allowed origin may send, to be remembered for a day."""
    if "Access-Control-Allow-Origin" not in cors:
        return Response(204, dict(cors))
    permitted = {
        "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Max-Age": "86400",
    }
    return Response(204, {**permitted, **cors})
