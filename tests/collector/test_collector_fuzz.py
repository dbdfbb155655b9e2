"""The whole collector under generated requests, legal and not: in process as Lambda's entry, and over the local socket.

FUZZ_REQUESTS (3000) says how many requests go through the entry, a fifth as many over the socket; FUZZ_SEED draws others.
A run of 100,000:  FUZZ_REQUESTS=100000 python -m pytest -n 0 tests/collector/test_collector_fuzz.py
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import random
import socket
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from collector import handler as entry
from collector.delivery import FirehoseDelivery
from collector.local_process import running_collector
from collector.settings import CloudSettings, IpMode, Settings
from tests.collector.collector_fuzz import Ledger, Requests, lambda_event, wire

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "3000"))
SEED = int(os.environ.get("FUZZ_SEED", "14"))


class _Stream:
    """Firehose's client: keeps what it takes, and now and then takes nothing."""

    def __init__(self, draw: random.Random) -> None:
        self.lines: list[bytes] = []
        self._draw = draw

    def put_record_batch(self, *, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803
        outcomes: list[dict[str, str]] = []
        for record in Records:
            refused = self._draw.random() < 0.02
            if not refused:
                self.lines += record["Data"].splitlines(keepends=True)
            outcomes.append({"ErrorCode": "AccessDeniedException"} if refused else {"RecordId": "r"})
        return {"FailedPutCount": sum("ErrorCode" in outcome for outcome in outcomes), "RequestResponses": outcomes}


@pytest.mark.parametrize("mode", list(IpMode))
def test_the_entry_keeps_its_promises(mode: IpMode, monkeypatch: pytest.MonkeyPatch) -> None:
    """No exception, no status but the documented ones; what is acknowledged is kept once, what is refused is on record;
    no address whole (but the caller's in `full`), no name twice, strict JSON throughout."""
    draw = random.Random(SEED)
    stream = _Stream(random.Random(SEED))
    delivery = FirehoseDelivery(stream, "hits", sleep=lambda _: None, clock=itertools.count(step=30.0).__next__)
    runtime = entry.Runtime(Settings(ip_mode=mode), CloudSettings("hits", None, "Clickstream"), delivery)
    monkeypatch.setattr(entry, "runtime", lambda: runtime)
    monkeypatch.setattr("collector.telemetry._write", json.dumps)
    requests, ledger = Requests(SEED + list(IpMode).index(mode)), Ledger()
    for _ in range(REQUESTS // 3):
        request = requests.one()
        answer = entry.handler(lambda_event(request, draw), None)
        body = b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        ledger.answered(request, answer["statusCode"], headers, body)
    lines = stream.lines
    if mode is IpMode.FULL:
        lines = [line.replace(b'"user_ip":"203.0.113.77"', b'"user_ip":"203.0.113.0"') for line in lines]
    # What the stream did not take within its time is a 503, and the ledger has not counted it.
    ledger.balance(lines)
    assert {200, 204, 400, 404, 405, 413, 415, 503} <= set(ledger.statuses)
    print(f"{mode}: {sum(ledger.statuses.values())} requests", dict(ledger.statuses), f"{len(lines)} records")


class _Client:
    """A keep-alive connection that reads one answer at a time."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)
        self._socket: socket.socket | None = None
        self._rest = b""

    def send(self, request: bytes, is_head: bool) -> tuple[int, dict[str, str], bytes]:
        if self._socket is None:
            self._socket = socket.create_connection((self._address.hostname or "", self._address.port or 0), timeout=30)
            self._rest = b""
        self._socket.sendall(request)
        while b"\r\n\r\n" not in self._rest:
            self._read()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = 0 if is_head else int(headers.get("content-length", 0))
        while len(self._rest) < length:
            self._read()
        body, self._rest = self._rest[:length], self._rest[length:]
        if headers.get("connection") == "close":
            self.close()
        return int(first.split()[1]), headers, body

    def _read(self) -> None:
        assert self._socket is not None
        received = self._socket.recv(65536)
        assert received, "the server closed a connection without an answer"
        self._rest += received

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def _broken(request: bytes, draw: random.Random) -> Iterator[bytes]:
    """The request as somebody sends it who breaks it off, or HTTP."""
    at = draw.randrange(1, len(request))
    yield request[:at]
    if draw.random() < 0.5:
        yield bytes(draw.randrange(256) for _ in range(draw.randrange(1, 40)))


def test_the_server_keeps_its_promises(tmp_path: Path) -> None:
    """The same over a socket, beside clients that break their requests off or send what is no HTTP."""
    draw = random.Random(SEED)
    requests, ledger = Requests(SEED + 100), Ledger()
    broken = 0
    with running_collector(tmp_path, environment={"ROTATE_SECONDS": "900"}) as server:
        client = _Client(server.url)
        address = urlsplit(server.url)
        for _ in range(REQUESTS // 5):
            request = requests.one()
            sent = wire(request, draw)
            if draw.random() < 0.1:
                broken += 1
                with (
                    contextlib.suppress(ConnectionError),
                    socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as torn,
                ):
                    for part in _broken(sent, draw):
                        torn.sendall(part)
                continue
            ledger.answered(request, *client.send(sent, request.method == "HEAD"))
        client.close()
        server.stop()
        assert server.output.count("\n") == 0, server.output
    lines: list[bytes] = []
    for path in (tmp_path / "archive").rglob("*.gz"):
        with gzip.open(path, "rb") as objects:
            lines += list(objects)
    # What was broken off may have been a whole request already, or leave a record, or nothing.
    _balance_beside(ledger, lines, broken)
    print(
        f"socket: {sum(ledger.statuses.values())} requests",
        dict(ledger.statuses),
        f"{broken} broken, {len(lines)} records",
    )


def _balance_beside(ledger: Ledger, lines: list[bytes], broken: int) -> None:
    """Torn requests whose answer nobody read are on record, too: they are the difference, and not more than that."""
    unheard = [
        line
        for line in lines
        if not any(event_id.encode() in line for event_id in _ids(line) & ledger.acknowledged.keys())
        and b'"protocol":"' not in line
    ]
    heard = [line for line in lines if line not in set(unheard)]
    ledger.balance(heard + [line for line in unheard if b'"rejected"' in line], lambda more: 0 <= more <= 21 * broken)
    assert sum(b'"rejected"' not in line for line in unheard) <= 21 * broken


def _ids(line: bytes) -> set[str]:
    return {line.partition(b'"event_id":"')[2][:36].decode()}
