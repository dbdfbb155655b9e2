"""The collector's two front doors for a client that speaks HTTP: the local server, and Lambda's entry behind an HTTP API.

API Gateway is not here, so that `HttpApi` stands in for it: it makes payload format 2.0 of each request (cookies apart, bodies in
base64 unless they are plainly text), calls `collector.handler.handler` as Lambda does, and writes its answer to the socket. CORS
is left to the handler, as it is where an HTTP API has no list of its own. Firehose is a list.

    with running_front("lambda", tmp_path) as front:
        ...send to front.url
    front.records
"""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

from collector import handler as entry
from collector.delivery import FirehoseDelivery
from collector.local_process import running_collector
from collector.settings import CloudSettings, Settings

FRONTS = ("local", "lambda")
_TEXT = ("text/", "application/json", "application/x-www-form-urlencoded")


@dataclass
class Front:
    """Where to send, and (once the front is closed) what is archived."""

    url: str
    records: list[dict[str, Any]] = field(default_factory=list)


class _Stream:
    """Firehose's one method that the delivery calls; takes everything."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def put_record_batch(self, *, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803
        for record in Records:
            self.lines += record["Data"].splitlines()
        return {"FailedPutCount": 0, "RequestResponses": [{"RecordId": "r"}] * len(Records)}


def event_of(method: str, target: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """A request as an HTTP API hands it to Lambda. Header names in lower case."""
    path, _, query = target.partition("?")
    is_text = headers.get("content-type", "text/plain").startswith(_TEXT) and "content-encoding" not in headers
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {name: value for name, value in headers.items() if name != "cookie"},
        "requestContext": {
            "domainName": "collect.example",
            "http": {"method": method, "path": path, "sourceIp": "203.0.113.77"},
            "stage": "$default",
            "timeEpoch": time.time_ns() // 1_000_000,
        },
        "body": body.decode() if is_text else b64encode(body).decode(),
        "isBase64Encoded": not is_text,
    }
    if "cookie" in headers:
        event["cookies"] = headers["cookie"].split("; ")
    return event


class _HttpApi(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        answer = entry.handler(event_of(self.command, self.path, headers, body), None)
        content = b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()
        self.send_response(answer["statusCode"])
        for name, value in answer["headers"].items():
            self.send_header(name, value)
        if answer["statusCode"] != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_OPTIONS = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """The test's output is not an access log."""


@contextlib.contextmanager
def running_front(name: str, folder: Path) -> Iterator[Front]:
    """One of FRONTS on a port of 127.0.0.1. `folder` is where the local server keeps its data."""
    with _lambda() if name == "lambda" else _local(folder) as front:
        yield front


@contextlib.contextmanager
def _local(folder: Path) -> Iterator[Front]:
    with running_collector(folder) as collector:
        front = Front(collector.url)
        yield front
    for path in sorted((folder / "archive").rglob("*.gz")):
        front.records += [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


@contextlib.contextmanager
def _lambda() -> Iterator[Front]:
    stream = _Stream()
    runtime = entry.Runtime(Settings(), CloudSettings("hits", None, "Clickstream"), FirehoseDelivery(stream, "hits"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _HttpApi)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    front = Front(f"http://127.0.0.1:{server.server_port}")
    try:
        with mock.patch.object(entry, "runtime", lambda: runtime):
            yield front
    finally:
        server.shutdown()
        server.server_close()
    front.records += [json.loads(line) for line in stream.lines]
