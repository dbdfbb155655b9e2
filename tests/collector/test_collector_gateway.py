"""API Gateway's two payload formats are one request to the handler, and no event makes it fall over."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.gateway import answer_of, request_of
from collector.privacy import storable_address, storable_headers
from collector.settings import IpMode
from collector.web import Response, pixel


def _v1(**fields: Any) -> dict[str, Any]:
    return {
        "version": "1.0",
        "httpMethod": "GET",
        "path": "/collect",
        "headers": {"User-Agent": "Mozilla/5.0", "Host": "abc.execute-api.example"},
        "multiValueHeaders": {"User-Agent": ["Mozilla/5.0"], "Accept-Language": ["en", "de"]},
        "queryStringParameters": {"t": "pageview", "dt": "a b&c"},
        "multiValueQueryStringParameters": {"t": ["event", "pageview"], "dt": ["a b&c"]},
        "requestContext": {
            "identity": {"sourceIp": "203.0.113.77"},
            "domainName": "collect.example",
            "requestTimeEpoch": 1772323200000,
            "stage": "prod",
        },
        "body": None,
        "isBase64Encoded": False,
        **fields,
    }


def _v2(**fields: Any) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": "/collect",
        "rawQueryString": "t=pageview&dt=a+b%26c",
        "headers": {"user-agent": "Mozilla/5.0", "accept-language": "de", "host": "abc.execute-api.example"},
        "requestContext": {
            "http": {"method": "GET", "path": "/collect", "sourceIp": "203.0.113.77"},
            "domainName": "collect.example",
            "timeEpoch": 1772323200000,
            "stage": "$default",
        },
        "isBase64Encoded": False,
        **fields,
    }


def test_both_formats_give_the_same_request() -> None:
    """A stack that moves from a REST API to an HTTP API must go on archiving the same records."""
    assert request_of(_v1()) == request_of(_v2())
    request, received_at = request_of(_v2())
    assert (request.method, request.path, request.query) == ("GET", "/collect", "t=pageview&dt=a+b%26c")
    assert (request.hostname, request.address) == ("collect.example", "203.0.113.77")
    assert received_at == 1772323200000


def test_the_callers_address_is_the_gateways() -> None:
    """The first X-Forwarded-For entry is chosen by the client."""
    forged = {"X-Forwarded-For": "6.6.6.6, 203.0.113.77", "CloudFront-Viewer-Address": "6.6.6.6:443"}
    assert request_of(_v1(headers=forged))[0].address == "203.0.113.77"
    assert request_of(_v2(headers=forged))[0].address == "203.0.113.77"


@pytest.mark.parametrize("event", [_v1, _v2])
@pytest.mark.parametrize(
    ("named", "stored"),
    [
        ("198.51.100.9:46532", "198.51.100.0"),
        ("2001:db8:85a3::8a2e:370:7334:46532", "2001:db8:85a3::"),
        ("[2001:db8:85a3::8a2e:370:7334]:46532", "2001:db8:85a3::"),
        ("198.51.100.9:1,6.6.6.6:2", None),
        ("shop.example:443", None),
        ("198.51.100.9", None),
        ("", None),
    ],
)
def test_behind_cloudfront_the_address_is_the_one_that_it_names(event: Any, named: str, stored: str | None) -> None:
    """The gateway's own caller is one of CloudFront's machines there: its address would stand for everybody's. It is not
    kept in place of one that is missing or unreadable; and what is named is cut like any other.
    """
    request, _ = request_of(event(headers={"CloudFront-Viewer-Address": named}), behind_cloudfront=True)
    assert storable_address(request.address, IpMode.TRUNCATE) == stored
    assert storable_address(request.address, IpMode.DROP) is None
    assert "cloudfront-viewer-address" not in storable_headers(request.headers)
    assert storable_address(request_of(event(headers={}), behind_cloudfront=True)[0].address, IpMode.FULL) is None


def test_a_named_stage_is_no_part_of_the_path() -> None:
    """HTTP APIs with a stage put it in front: /prod/collect would be 404 for every hit."""
    context = {"http": {"method": "POST"}, "stage": "prod"}
    assert request_of(_v2(rawPath="/prod/collect", requestContext=context))[0].path == "/collect"
    assert request_of(_v2(rawPath="/collect", requestContext=context))[0].path == "/collect"


@pytest.mark.parametrize("event", [_v1, _v2])
def test_bodies_are_unwrapped(event: Any) -> None:
    """Binary media types arrive as base64; what claims to be base64 and is not is judged as it came."""
    body = "t=event&dt=Käse".encode()
    assert request_of(event(body=b64encode(body).decode(), isBase64Encoded=True))[0].body == body
    assert request_of(event(body="t=event&dt=Käse"))[0].body == body
    assert request_of(event(body="%%%", isBase64Encoded=True))[0].body == b"%%%"


def test_answers_are_binary_where_they_must_be() -> None:
    """A GIF sent as text arrives broken; HEAD has no body."""
    answer = answer_of(pixel({}, "id"), "GET")
    assert answer["isBase64Encoded"] and b64decode(answer["body"]).startswith(b"GIF89a")
    assert answer_of(pixel({}, "id"), "HEAD")["body"] == ""
    assert answer_of(Response(400, {"Content-Type": "application/json"}, b"{}"), "POST")["body"] == "{}"


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)
_fields = [
    "version", "httpMethod", "path", "rawPath", "rawQueryString", "headers", "multiValueHeaders", "body",
    "requestContext", "queryStringParameters", "multiValueQueryStringParameters", "isBase64Encoded",
]  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from(_fields), _json), st.booleans())
def test_no_event_makes_it_fall_over(fields: dict[str, Any], is_v2: bool) -> None:
    """Test events from the console, other triggers, half-filled ones: each is read as some request."""
    for event in (fields, (_v2 if is_v2 else _v1)(**fields)):
        request, received_at = request_of(event)
        assert isinstance(request.body, bytes) and isinstance(request.query, str)
        assert all(isinstance(part, str) for pair in request.headers.items() for part in pair)
        assert received_at is None or received_at > 0
    json.dumps(answer_of(Response(200, {}), ""))
