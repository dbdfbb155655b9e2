"""API Gateway's two payload formats (1.0 of REST APIs, 2.0 of HTTP APIs) to a `Request`, and a `Response` back.

Made to swallow anything: a field that is missing or of the wrong type reads as empty, so that a strange event gets an
answer of 4xx instead of an exception.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from collector.web import Request, Response, hostname_of

Event = Mapping[str, Any]

MAX_METHOD_LENGTH = 32
# What CloudFront adds to a request, in place of whatever the client sent under this name.
VIEWER_ADDRESS = "cloudfront-viewer-address"
# Epoch milliseconds that a warehouse's timestamps take: below the year 10000.
MAX_RECEIVED_AT = 253_402_300_800_000


def request_of(event: Any, *, behind_cloudfront: bool = False) -> tuple[Request, int | None]:
    """The request in a Lambda event, and when the gateway received it (epoch ms; None where it does not say).

    The caller's address is the gateway's own word, never a header, but behind CloudFront: there the gateway sees
    CloudFront's, so that what CloudFront does not name is not known.
    """
    event = _mapping(event)
    context = _mapping(event.get("requestContext"))
    headers = _headers(event)
    if event.get("version") == "2.0":
        http = _mapping(context.get("http"))
        method, path, address = http.get("method"), event.get("rawPath"), http.get("sourceIp")
        query, received_at = _string(event.get("rawQueryString")), context.get("timeEpoch")
    else:
        method, path = event.get("httpMethod"), event.get("path")
        address = _mapping(context.get("identity")).get("sourceIp")
        query, received_at = _query(event), context.get("requestTimeEpoch")
    if behind_cloudfront:
        address = _viewer_address(headers.get(VIEWER_ADDRESS, ""))
    host = _string(context.get("domainName")) or headers.get("host", "")
    request = Request(
        method=_string(method).upper()[:MAX_METHOD_LENGTH],
        path=_without_stage(_string(path), context.get("stage")),
        query=query,
        headers=headers,
        body=_body(event),
        hostname=hostname_of(host),
        address=_string(address) or None,
    )
    if type(received_at) is not int or not 0 < received_at < MAX_RECEIVED_AT:
        received_at = None
    return request, received_at


def answer_of(response: Response, method: str) -> dict[str, Any]:
    """The answer in the shape that both formats take; to HEAD without its body."""
    is_text = response.headers.get("Content-Type", "").startswith(("application/json", "text/"))
    body = b"" if method == "HEAD" else response.body
    return {
        "statusCode": response.status,
        "headers": response.headers,
        "body": body.decode() if is_text else b64encode(body).decode(),
        "isBase64Encoded": not is_text,
    }


def _viewer_address(value: str) -> str:
    """CloudFront writes the port behind the address: 203.0.113.77:46532, IPv6 alike, with or without brackets."""
    return value.rpartition(":")[0].removeprefix("[").removesuffix("]")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _headers(event: Event) -> dict[str, str]:
    """Names in lower case; of a header given several times the last value counts, as in the gateway's own `headers`."""
    headers: dict[str, str] = {}
    for name, values in _mapping(event.get("multiValueHeaders")).items():
        if isinstance(name, str) and isinstance(values, list) and values:
            headers[name.lower()] = _string(values[-1])
    for name, value in _mapping(event.get("headers")).items():
        if isinstance(name, str) and isinstance(value, str):
            headers[name.lower()] = value
    cookies = event.get("cookies")  # format 2.0 has them apart
    if isinstance(cookies, list):
        headers["cookie"] = "; ".join(map(_string, cookies))
    return headers


def _query(event: Event) -> str:
    """Format 1.0 has the query string decoded and taken apart only; put together again it reads like any other."""
    values: dict[str, Any] = dict(_mapping(event.get("queryStringParameters")))
    values.update(_mapping(event.get("multiValueQueryStringParameters")))
    pairs = []
    for name, value in values.items():
        last = value[-1] if isinstance(value, list) and value else value
        pairs.append((str(name), _string(last)))
    return urlencode(pairs, errors="replace")


def _without_stage(path: str, stage: Any) -> str:
    """Format 2.0 puts a named stage in front of the path: /prod/collect."""
    prefix = f"/{stage}/"
    return path[len(prefix) - 1 :] if isinstance(stage, str) and path.startswith(prefix) else path


def _body(event: Event) -> bytes:
    """The body's bytes. What says it is base64 and is not stays as it came, to be judged like any body."""
    body = _string(event.get("body")).encode("utf-8", "replace")
    if event.get("isBase64Encoded") is True:
        try:
            return b64decode(body, validate=True)
        except ValueError:
            return body
    return body
