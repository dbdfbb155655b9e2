"""The local server under clients that break HTTP, never end, or take all that they can get."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from collector import connection, sweep
from collector.local_process import CollectorProcess, running_collector

ORIGIN = "https://shop.example"
HEADERS = b"Host: x\r\nOrigin: https://shop.example\r\n"
HIT = b"t=event&cid=c1"
Reader = Callable[[Path], list[dict[str, Any]]]


@contextlib.contextmanager
def _server(data_dir: Path, **limits: float) -> Iterator[CollectorProcess]:
    """The real server, less patient and narrower than it is by default, so that nobody waits half a minute for it."""
    changes = "; ".join(
        f"{'sweep' if name in vars(sweep) else 'connection'}.{name} = {value}" for name, value in limits.items()
    )
    program = f"import sys; from collector import connection, sweep; {changes}\nfrom collector.__main__ import main; sys.exit(main())"
    output = tempfile.TemporaryFile()  # noqa: SIM115  (read until the process is gone)
    process = subprocess.Popen(
        [sys.executable, "-c", program, "serve", "--port", "0", "--data-dir", str(data_dir)],
        stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    server = CollectorProcess(process, output, "")
    try:
        deadline = time.monotonic() + 30
        while not server.url and time.monotonic() < deadline:
            server.url = server.output.partition("listening on ")[2].partition(" ")[0]
            time.sleep(0.05)
        assert _talk(server, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[0] == 200, server.output
        yield server
        server.stop()
    finally:
        if process.poll() is None:
            server.kill()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A server that waits a second where the real one waits half a minute."""
    with _server(tmp_path_factory.mktemp("impatient"), HEAD_SECONDS=1.0, BODY_SECONDS=1.0, SWEEP_SECONDS=0.2) as server:
        yield server


def _connect(server: CollectorProcess, seconds: float = 20.0) -> socket.socket:
    """A connection on which nothing may take longer than `seconds`, far more than a busy machine needs."""
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=seconds)


def _answer(client: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """What the server says until it closes; status 0 for nothing."""
    content = b""
    while received := client.recv(65536):
        content += received
    head, _, body = content.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return (int(lines[0].split()[1]) if content else 0), headers, body


def _talk(server: CollectorProcess, *parts: bytes) -> tuple[int, dict[str, str], bytes]:
    with _connect(server) as client:
        for part in parts:
            with contextlib.suppress(ConnectionError):
                client.sendall(part)
        return _answer(client)


def _post(*lines: bytes, body: bytes = b"") -> bytes:
    return b"POST /collect HTTP/1.1\r\n" + HEADERS + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def _refused(server: CollectorProcess) -> dict[str, int]:
    _, _, body = _talk(server, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    refused: dict[str, int] = json.loads(body).get("refused", {})
    return refused


MALFORMED = {
    "another version": (b"GET /collect?t=event&cid=1 HTTP/9.9\r\n" + HEADERS + b"\r\n", "t=event&cid=1"),
    "a control in a header": (_post(b"X\x00: 1", body=HIT), HIT.decode()),
    "a length that is none": (_post(b"Content-Length: abc", body=HIT), HIT.decode()),
    "two lengths": (_post(b"Content-Length: 5", b"Content-Length: 6", body=HIT), HIT.decode()),
    "a length and chunks": (_post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=HIT), HIT.decode()),
    "a chunk without length": (_post(b"Transfer-Encoding: chunked", body=b"7\r\nt=event\r\nzz\r\n&cid=1"), "t=event"),
    "letters in a URL": ("GET /collect?t=event&dt=Käse HTTP/1.1\r\n".encode() + HEADERS + b"\r\n", "t=event&dt=Käse"),
}


def test_what_is_no_http_is_answered_counted_and_recorded(tmp_path: Path, archived: Reader) -> None:
    """uvicorn answers in plain text that no page of another origin can read; what came with it was gone."""
    with running_collector(tmp_path) as server:
        for name, (request, _) in MALFORMED.items():
            status, headers, body = _talk(server, request)
            assert status == 400, name
            assert headers["access-control-allow-origin"] == ORIGIN, name
            assert json.loads(body)["error"] == "malformed_request"
        assert _refused(server) == {"malformed_request": len(MALFORMED)}
    records = archived(tmp_path)
    assert [record["rejected"]["payload"] for record in records] == [payload for _, payload in MALFORMED.values()]
    assert {record["rejected"]["reason"] for record in records} == {"malformed_request"}


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x00\xff",
        b"\r\n\r\n\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT a:443 HTTP/1.1\r\n\r\n",
        b"\xff" * 70_000,
    ],
)
def test_garbage_is_counted(impatient: CollectorProcess, garbage: bytes) -> None:
    """TLS on a plain port, HTTP/2, a proxy's requests: nothing to record, and an answer that any page may read."""
    before = _refused(impatient).get("malformed_request", 0)
    status, headers, body = _talk(impatient, garbage)
    assert status == 400 and json.loads(body)["error"] == "malformed_request"
    assert headers["access-control-allow-origin"] == "*"
    assert _refused(impatient)["malformed_request"] == before + 1


STALLED = {
    "within a body": (_post(b"Content-Length: 16", body=b"t=page"), "t=page"),
    "within a chunk": (_post(b"Transfer-Encoding: chunked", body=b"7\r\nt=event\r\n7\r\n&c"), "t=event&c"),
    "within the head": (b"POST /collect?t=half HTTP/1.1\r\n" + HEADERS + b"X-Y", "t=half"),
    "before a body": (_post(b"Content-Length: 16"), None),
}


def test_what_stalls_is_408_and_recorded(tmp_path: Path, archived: Reader) -> None:
    """A body that stalled was a plain 500 after half a minute and left no record; half a head was waited for for ever."""
    with _server(tmp_path, HEAD_SECONDS=1.0, BODY_SECONDS=1.0, SWEEP_SECONDS=0.2) as server:
        for name, (request, _) in STALLED.items():
            status, headers, body = _talk(server, request)
            assert (status, headers["access-control-allow-origin"]) == (408, ORIGIN), name
            assert json.loads(body)["error"] == "request_timeout"
        assert _refused(server) == {"request_timeout": len(STALLED)}
    payloads = [record["rejected"]["payload"] for record in archived(tmp_path)]
    assert payloads == [payload for _, payload in STALLED.values() if payload]
    assert connection.BODY_SECONDS <= 30 and connection.HEAD_SECONDS <= 30


@pytest.mark.parametrize("opening", [_post(b"Content-Length: 99"), b"GET /collect?t=event&x="])
def test_a_trickle_is_no_progress(impatient: CollectorProcess, opening: bytes) -> None:
    """A byte now and then does not buy more time."""
    until = time.monotonic() + 30
    with _connect(impatient) as client:
        client.sendall(opening)
        with pytest.raises(OSError):
            while time.monotonic() < until:
                client.sendall(b"x")
                time.sleep(0.2)
    assert _talk(impatient, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[0] == 200


def test_idle_connections_are_closed(tmp_path: Path) -> None:
    """One that never said anything, one that sends line ends, one that has its answer and one whose body never comes."""
    with _server(tmp_path, HEAD_SECONDS=1.0, BODY_SECONDS=1.0, SWEEP_SECONDS=0.2) as server:
        for opening in (b"", b"\r\n", b"GET /collect?t=event&cid=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"):
            assert _talk(server, opening)[0] in (0, 200)


def test_a_client_that_goes_away_leaves_what_it_sent(tmp_path: Path, archived: Reader) -> None:
    """Nobody hears the answer, and the beginning of the body is on record."""
    with running_collector(tmp_path) as server:
        with _connect(server) as client:
            client.sendall(_post(b"Content-Length: 99", body=HIT))
        deadline = time.monotonic() + 10
        while not _refused(server) and time.monotonic() < deadline:
            time.sleep(0.05)
    (record,) = archived(tmp_path)
    assert record["rejected"]["reason"] == "incomplete_body" and record["rejected"]["payload"] == HIT.decode()


@pytest.mark.parametrize(
    ("opening", "status"),
    [
        (b"GET /collect?t=event HTTP/1.1\r\n" + HEADERS + b"X: ", 431),
        (b"GET /collect?t=event HTTP/1.1\r\n" + HEADERS + b"X", 431),
        (b"GET /collect?t=event&x=", 414),
        (_post(b"Transfer-Encoding: chunked", body=b"7\r\nt=event\r\n0\r\nX: "), 431),
        (_post(b"Transfer-Encoding: chunked", body=b"7\r\nt=event\r\n7;"), 431),
        (_post(b"Content-Length: 999999999", body=b"t=event&x="), 413),
    ],
)
def test_nothing_endless_is_read_to_its_end(impatient: CollectorProcess, opening: bytes, status: int) -> None:
    """A header of 100 MB once kept the loop busy for 24 s; the client gets its answer though it still sends."""
    answered, _, body = _talk(impatient, opening, *[b"a" * 1_000_000] * 100)
    assert answered == status and json.loads(body)["error"] == "too_large"


def test_others_are_served_meanwhile(impatient: CollectorProcess) -> None:
    """While clients stall and flood, a hit gets its answer."""
    with contextlib.ExitStack() as stack:
        for opening in [b"GET /collect?x=", _post(b"Content-Length: 99"), _post() + b"X: ", b""] * 25:
            stack.enter_context(_connect(impatient)).sendall(opening)
        flood = stack.enter_context(_connect(impatient))
        with contextlib.suppress(OSError):
            flood.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000_000)
        assert _talk(impatient, _post(b"Content-Length: 14", b"Connection: close", body=HIT))[0] == 200


def test_more_connections_than_it_takes_are_told_to_come_back(tmp_path: Path) -> None:
    """503 with the headers that clients look for, beyond that no answer; those inside are served, and room comes back."""
    with _server(
        tmp_path, MAX_CONNECTIONS=20, MAX_UNANSWERED_CONNECTIONS=10, HEAD_SECONDS=3.0, SWEEP_SECONDS=0.2
    ) as server:
        request = _post(b"Content-Length: 14", b"Connection: close", body=HIT)
        with contextlib.ExitStack() as stack:
            inside = [stack.enter_context(_connect(server)) for _ in range(20)]
            time.sleep(0.3)
            status, headers, body = _talk(server, request)
            assert (status, headers["retry-after"], headers["access-control-allow-origin"]) == (503, "5", ORIGIN)
            assert json.loads(body)["error"] == "too_many_connections"
            for _ in range(10):
                stack.enter_context(_connect(server))
            time.sleep(0.3)
            with contextlib.suppress(ConnectionError):
                assert _talk(server, request)[0] == 0
            inside[0].sendall(request)
            assert _answer(inside[0])[0] == 200
        time.sleep(0.5)
        assert _talk(server, request)[0] == 200
        assert _refused(server)["too_many_connections"] >= 2


def test_requests_sent_ahead_are_answered_in_order_up_to_a_bound(impatient: CollectorProcess) -> None:
    """A pipeline is served, one without end is not held."""
    requests = [b"GET /collect?t=event&cid=%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(2000)]
    with _connect(impatient) as client:
        client.sendall(b"".join(requests[:30]) + b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        content = b""
        while received := client.recv(65536):
            content += received
    assert content.count(b"HTTP/1.1 200") == 30 and content.count(b"HTTP/1.1 404") == 1
    with _connect(impatient) as client:
        client.sendall(b"".join(requests))
        content = b""
        with contextlib.suppress(ConnectionError):
            while received := client.recv(65536):
                content += received
    assert 1 <= content.count(b"HTTP/1.1 200") <= 200 and content.count(b"HTTP/1.1 503") == 1


def test_who_goes_away_before_the_answers_makes_no_noise(tmp_path: Path, archived: Reader) -> None:
    """Two requests in a packet and a closed connection: an exception once, since only the second was told."""
    with running_collector(tmp_path) as server:
        for number in range(50):
            with _connect(server) as client:
                client.sendall(b"GET /collect?t=event&cid=%d HTTP/1.1\r\nHost: x\r\n\r\n" % number + b"garbage\r\n\r\n")
        time.sleep(0.5)
        server.stop()
        assert server.output.count("\n") == 0
    assert sum("rejected" not in record for record in archived(tmp_path)) == 50


def test_an_upgrade_that_is_not_spoken_loses_no_request(impatient: CollectorProcess) -> None:
    """curl --http2 asks for h2c; what follows in the same packet is HTTP/1.1 like before."""
    upgrade = b"GET /collect?t=event&cid=1 HTTP/1.1\r\n" + HEADERS + b"Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    last = b"GET /collect?t=event&cid=2 HTTP/1.1\r\n" + HEADERS + b"Connection: close\r\n\r\n"
    with _connect(impatient) as client:
        client.sendall(upgrade * 3 + last)
        content = b""
        while received := client.recv(65536):
            content += received
    assert content.count(b"HTTP/1.1 200") == 4


def test_a_fragment_belongs_to_the_hit(tmp_path: Path, archived: Reader) -> None:
    """A `#` that a careless client did not encode once cost everything after it."""
    with running_collector(tmp_path) as server:
        request = b"GET /collect?t=event&cid=1&dl=https://x/#a&z=9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert _talk(server, request)[0] == 200
    (record,) = archived(tmp_path)
    assert record["request"]["body"] == {"t": "event", "cid": "1", "dl": "https://x/#a", "z": "9"}


def _memory(server: CollectorProcess, name: str = "VmHWM") -> int:
    """MB that the server's process holds, or held at most."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) // 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this machine does not tell a process's memory")
def test_memory_is_bounded_whatever_clients_send(tmp_path: Path) -> None:
    """Endless heads, bodies, chunks, trailers and pipelines on 300 connections, and answers that nobody reads."""
    floods: Sequence[bytes] = (
        b"GET /collect?x=",
        b"GET / HTTP/1.1\r\nX: ",
        _post(b"Content-Length: 999999999"),
        _post(b"Transfer-Encoding: chunked", body=b"ffffff\r\n"),
        _post(b"Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\nX: "),
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 5000,
    )
    with _server(tmp_path) as server:
        before = _memory(server, "VmRSS")
        with contextlib.ExitStack() as stack:
            clients = []
            for number in range(300):
                client = stack.enter_context(_connect(server))
                client.setblocking(False)
                clients.append((client, floods[number % len(floods)]))
            for client, opening in clients:
                with contextlib.suppress(OSError):
                    client.send(opening)
            deadline = time.monotonic() + 3
            while time.monotonic() < deadline:
                for client, opening in clients:
                    with contextlib.suppress(OSError):
                        client.send(opening if opening.startswith(b"GET /health") else b"a" * 200_000)
        assert _memory(server) - before < 150
        assert _talk(server, _post(b"Content-Length: 14", b"Connection: close", body=HIT))[0] == 200
