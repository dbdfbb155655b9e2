"""Every protocol through both machines: the local server over a socket, and Lambda's entry with API Gateway's events."""

from __future__ import annotations

import gzip
import http.client
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from collector import handler as entry
from collector.delivery import FirehoseDelivery
from collector.local_process import running_collector
from collector.settings import CloudSettings, Settings

ROOT = Path(__file__).parents[2]
MESSAGE = {"type": "track", "event": "Order Completed", "anonymousId": "a", "properties": {"total": 12.5}}
EVENT = {"client_id": "1.2", "events": [{"name": "purchase", "params": {"value": 12.5}}]}
KEY = {"authorization": "Basic " + b64encode(b"key:").decode()}
LONG = {"batch": [{**MESSAGE, "properties": {"a": "a" * 30_000}}] * 16}

# method, target, headers, body; the status, and the records: protocol, client, tracking id.
REQUESTS: list[tuple[str, str, dict[str, str], bytes, int, list[tuple[str, str, str | None]]]] = [
    ("GET", "/g/collect?v=2&tid=G-1&en=page_view", {"cookie": "a=b; _ga=GA1.2.111.222"}, b"", 204, [("ga4", "111.222", "G-1")]),
    ("POST", "/g/collect?v=2&tid=G-1&cid=c", {"content-type": "text/plain"}, b"en=a\nen=b&cid=d", 204, [("ga4", "c", "G-1"), ("ga4", "d", "G-1")]),
    ("POST", "/mp/collect?measurement_id=G-1&api_secret=s", {}, json.dumps(EVENT).encode(), 204, [("ga4_mp", "1.2", "G-1")]),
    ("POST", "/debug/mp/collect", {}, json.dumps(EVENT).encode(), 200, []),
    ("POST", "/v1/track", KEY, json.dumps(MESSAGE).encode(), 200, [("segment", "a", "key")]),
    ("POST", "/v1/batch", {**KEY, "content-encoding": "gzip"}, gzip.compress(json.dumps({"batch": [MESSAGE, MESSAGE]}).encode()), 200, [("segment", "a", "key")] * 2),
    # Longer than a batch of v1 may be, and more of a call of the stream.
    ("POST", "/v1/batch", {}, json.dumps(LONG).encode(), 200, [("segment", "a", None)] * 16),
]  # fmt: skip


def _seen(records: list[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    assert [record["rejected"] for record in records if "rejected" in record] == []
    seen = [
        (record["request"]["protocol"], record["context"]["client_id"], record["context"]["tracking_id"])
        for record in records
    ]
    return sorted(seen, key=str)


EXPECTED = sorted((record for request in REQUESTS for record in request[5]), key=str)


def test_every_protocol_over_http(tmp_path: Path, archived: Callable[[Path], list[dict[str, Any]]]) -> None:
    """What each client sends is in the archive after the drain, cookies and credentials not with it."""
    with running_collector(tmp_path) as collector:
        address = urlsplit(collector.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        for method, target, headers, body, status, _ in REQUESTS:
            connection.request(method, target, body or None, headers)
            response = connection.getresponse()
            response.read()
            assert response.status == status, (target, response.status)
    records = archived(tmp_path)
    assert _seen(records) == EXPECTED
    text = json.dumps(records)
    assert "Basic" not in text and "GA1.2" not in text and "api_secret" not in text


@pytest.mark.parametrize("as_base64", [True, False])
def test_every_protocol_through_the_gateway(as_base64: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Payload format 2.0 has cookies apart from the headers, and bodies as text or in base64."""
    lines: list[bytes] = []

    class Stream:
        def put_record_batch(self, *, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803
            lines.extend(line for record in Records for line in record["Data"].splitlines())
            return {"FailedPutCount": 0, "RequestResponses": [{"RecordId": "r"}] * len(Records)}

    runtime = entry.Runtime(Settings(), CloudSettings("hits", None, "Clickstream"), FirehoseDelivery(Stream(), "hits"))
    monkeypatch.setattr(entry, "runtime", lambda: runtime)
    for method, target, headers, body, status, _ in REQUESTS:
        path, _, query = target.partition("?")
        in_base64 = as_base64 or "content-encoding" in headers
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": query,
            "headers": {name: value for name, value in headers.items() if name != "cookie"},
            "cookies": headers.get("cookie", "").split("; "),
            "requestContext": {"http": {"method": method, "sourceIp": "203.0.113.77"}, "stage": "$default"},
            "body": b64encode(body).decode() if in_base64 else body.decode(),
            "isBase64Encoded": in_base64,
        }
        assert entry.handler(event, None)["statusCode"] == status, target
    assert _seen([json.loads(line) for line in lines]) == EXPECTED


def test_v1_alone_imports_no_other_protocol() -> None:
    """A Lambda compiles what it imports at each cold start; a site that sends v1 only must not wait for GA4's tables."""
    code = (
        "import sys; from collector.intake import process_request; from collector.settings import Settings; from collector.web import Request\n"
        "for path in ('/collect', '/batch', '/health', '/wp-login.php'):\n"
        "    process_request(Request('POST', path, '', {}, b't=event&cid=1', 'h', None), Settings(), 1, 1)\n"
        "print([name for name in sys.modules if name.startswith('collector.protocols')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
