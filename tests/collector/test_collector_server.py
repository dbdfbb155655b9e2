"""The local server as a client meets it: over HTTP, with workers, through SIGTERM, a full disk and bad input."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from collector.local_process import CollectorFailed, CollectorProcess, running_collector, start_collector

HIT = "t=event&cid=c1&tid=UA-1-1"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One server for the tests that only talk to it."""
    with running_collector(tmp_path_factory.mktemp("served")) as collector:
        yield collector


def _send(
    url: str, method: str = "POST", target: str = "/collect", body: bytes | str | None = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, target, body.encode() if isinstance(body, str) else body, named)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def _command(*arguments: str, data_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "collector", *arguments],
        env={**os.environ, "DATA_DIR": str(data_dir), "COLLECTOR_PORT": "0", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_every_transport_over_http(tmp_path: Path, archived: Callable[[Path], list[dict[str, Any]]]) -> None:
    """What the handler promises holds over a socket too, and every hit is in the archive after the drain."""
    with running_collector(tmp_path) as collector:
        url = collector.url
        answers = [
            _send(url, body='{"t": "event", "cid": "json"}', Content_Type="application/json"),
            _send(url, body="t=event&cid=form", Content_Type="application/x-www-form-urlencoded"),
            _send(url, body="t=event&cid=text", Content_Type="text/plain;charset=UTF-8"),
            _send(url, body=gzip.compress(b"t=event&cid=gzip"), Content_Encoding="gzip"),
            _send(url, "GET", "/collect?t=pageview&cid=get&dt=K%C3%A4se", Cookie="session=1"),
            _send(url, "HEAD", "/collect?t=pageview&cid=head"),
            _send(url, target="/batch", body="t=event&cid=b1\n{\nt=event&cid=b2"),
        ]
        assert [response.status for response, _ in answers] == [200] * 7
        assert all(content.startswith(b"GIF89a") for _, content in answers[:5])
        assert answers[5][1] == b"" and answers[5][0].headers["Content-Length"] == "43"
        assert json.loads(answers[6][1])["accepted"] == 2
    records = archived(tmp_path)
    bodies = {record["request"]["body"]["cid"]: record for record in records if "rejected" not in record}
    assert set(bodies) == {"json", "form", "text", "gzip", "get", "head", "b1", "b2"}
    assert bodies["get"]["request"]["body"]["dt"] == "Käse"
    assert bodies["get"]["context"]["user_ip"] == "127.0.0.0"
    assert bodies["get"]["request"]["hostname"] == "127.0.0.1"
    assert "session=1" not in json.dumps(records)
    assert [record["rejected"]["reason"] for record in records if "rejected" in record] == ["malformed_json"]


def test_health_tells_the_spools_age_and_size(tmp_path: Path) -> None:
    """An operator sees how much is acknowledged and not delivered yet, and since when."""
    with running_collector(tmp_path) as collector:
        empty = json.loads(_send(collector.url, "GET", "/health")[1])
        assert empty == {"status": "ok", "spool": {"journals": 0, "bytes": 0, "oldest_undelivered_seconds": 0.0}}
        _send(collector.url, body=HIT)
        time.sleep(0.3)
        spool = json.loads(_send(collector.url, "GET", "/health")[1])["spool"]
        assert spool["journals"] == 1 and spool["bytes"] > 100
        assert 0.3 <= spool["oldest_undelivered_seconds"] < 30


def test_long_bodies_are_refused_without_being_kept(served: CollectorProcess) -> None:
    """A body beyond every limit gets its 413 whether it comes whole or in chunks, and the server lives on."""
    assert _send(served.url, body=b"x" * 3_000_000)[0].status == 413
    address = urlsplit(served.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as client:  # type: ignore[arg-type]
        client.sendall(b"POST /collect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(40):
            client.sendall(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
        client.sendall(b"0\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")
    assert _send(served.url, body=HIT)[0].status == 200


def test_broken_requests_do_not_hurt(served: CollectorProcess) -> None:
    """What is no HTTP, and clients that go away in the middle of a body, end their own connection only."""
    address = urlsplit(served.url)
    for garbage in (
        b"\x16\x03\x01",
        b"GET\r\n\r\n",
        b"POST /collect HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nt=event",
    ):
        with socket.create_connection((address.hostname, address.port), timeout=30) as client:  # type: ignore[arg-type]
            client.sendall(garbage)
    response, _ = _send(served.url, "GET", "/collect?" + "x" * 60_000)
    assert response.status in (400, 413)
    assert _send(served.url, "DELETE", "/collect")[0].status == 405
    assert _send(served.url, body=HIT)[0].status == 200


def test_one_connection_many_hits_then_sigterm(
    tmp_path: Path, archived: Callable[[Path], list[dict[str, Any]]]
) -> None:
    """SIGTERM under load: every request in flight is answered or cut off, and every answered one is in the archive."""
    acknowledged: list[str] = []
    stopped = threading.Event()

    def pump(url: str) -> None:
        address = urlsplit(url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        with pytest.raises(OSError):  # until the server closes the connection and then refuses new ones
            while not stopped.is_set():
                connection.request("POST", "/collect", HIT)
                response = connection.getresponse()
                response.read()
                assert response.status == 200
                acknowledged.append(response.headers["X-Event-Id"])
            raise OSError("the server never ended")

    with running_collector(tmp_path) as collector, ThreadPoolExecutor(8) as pool:
        pumps = [pool.submit(pump, collector.url) for _ in range(8)]
        time.sleep(1.0)
        collector.stop()
        stopped.set()
        for running in pumps:
            running.result(timeout=30)
    assert collector.process.returncode == 0
    assert len(acknowledged) > 100
    assert set(acknowledged) <= {record["event_id"] for record in archived(tmp_path)}
    assert not list((tmp_path / "spool").glob("*-*"))


def test_several_workers_never_share_a_journal(
    tmp_path: Path, archived: Callable[[Path], list[dict[str, Any]]]
) -> None:
    """Each worker journals for itself; the drain of all of them loses nothing and repeats nothing."""
    with running_collector(tmp_path, workers=3) as collector:
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: _send(collector.url, body=HIT)[0], range(600)))
        acknowledged = [answer.headers["X-Event-Id"] for answer in answers]
        journals = json.loads(_send(collector.url, "GET", "/health")[1])["spool"]["journals"]
    assert 1 <= journals <= 3
    assert sorted(record["event_id"] for record in archived(tmp_path)) == sorted(acknowledged)
    assert len(list((tmp_path / "archive").rglob("*.gz"))) == journals


def test_a_dead_worker_is_replaced_and_its_hits_delivered(
    tmp_path: Path, archived: Callable[[Path], list[dict[str, Any]]]
) -> None:
    """One worker killed: the port goes on answering, and what it had acknowledged reaches the archive."""
    with running_collector(tmp_path, workers=2) as collector:
        acknowledged = [_send(collector.url, body=HIT)[0].headers["X-Event-Id"] for _ in range(50)]
        tasks = Path(f"/proc/{collector.process.pid}/task/{collector.process.pid}/children")
        if not tasks.exists():
            pytest.skip("this machine does not list a process's children under /proc")
        workers = [int(pid) for pid in tasks.read_text().split()]
        serving = [pid for pid in workers if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(serving[0], signal.SIGKILL)
        deadline = time.monotonic() + 30
        while len(acknowledged) < 100 and time.monotonic() < deadline:
            try:
                acknowledged.append(_send(collector.url, body=HIT)[0].headers["X-Event-Id"])
            except OSError:  # a connection that the dead worker had accepted
                time.sleep(0.05)
    assert len(acknowledged) == 100
    drained = _command("drain", data_dir=tmp_path)
    assert drained.returncode == 0, drained.stderr
    assert set(acknowledged) <= {record["event_id"] for record in archived(tmp_path)}


def test_a_killed_servers_spool_is_drained_by_hand_or_by_the_next_start(
    tmp_path: Path, archived: Callable[[Path], list[dict[str, Any]]]
) -> None:
    """`drain` delivers what a killed server left; so does the next `serve`; neither needs the other."""
    expected = set()
    for bring_home in ("drain", "serve"):
        collector = start_collector(tmp_path)
        expected |= {_send(collector.url, body=HIT)[0].headers["X-Event-Id"] for _ in range(20)}
        collector.kill()
        assert len({record["event_id"] for record in archived(tmp_path)}) == len(expected) - 20
        if bring_home == "drain":
            drained = _command("drain", data_dir=tmp_path)
            assert (drained.returncode, drained.stdout.split(" to ")[0]) == (0, "delivered 20 records in 1 objects")
        else:
            with running_collector(tmp_path):
                pass
        assert {record["event_id"] for record in archived(tmp_path)} == expected


def test_drain_leaves_a_running_server_alone(tmp_path: Path) -> None:
    """It says whose journals those are, with a code that a script notices."""
    with running_collector(tmp_path) as collector:
        _send(collector.url, body=HIT)
        drained = _command("drain", data_dir=tmp_path)
        assert drained.returncode == 1
        assert "running server" in drained.stderr and drained.stderr.count("\n") == 1


def test_a_full_disk_is_503_and_passes(tmp_path: Path, archived: Callable[[Path], list[dict[str, Any]]]) -> None:
    """A real full file system: 503 with Retry-After, not 200 and not an exception; 200 again once there is space."""
    disk = tmp_path / "spool"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root here")
    try:
        with running_collector(tmp_path, environment={"ROTATE_SECONDS": "900"}) as collector:
            statuses: dict[int, http.client.HTTPResponse] = {}
            acknowledged = []
            for number in range(200):
                response, _ = _send(collector.url, body=HIT + "&dt=" + "x" * 6000)
                statuses.setdefault(response.status, response)
                if response.status == 200:
                    acknowledged.append(response.headers["X-Event-Id"])
                elif number > 100:
                    break
            assert set(statuses) == {200, 503}
            assert statuses[503].headers["Retry-After"] == "5"
            response, content = _send(collector.url, "GET", "/health")
            assert response.status == 503 and json.loads(content)["status"] == "refusing"
            subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
            response, _ = _send(collector.url, body=HIT)
            assert response.status == 200
            acknowledged.append(response.headers["X-Event-Id"])
            assert _send(collector.url, "GET", "/health")[0].status == 200
            assert "No space left" in collector.output and "takes records again" in collector.output
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
    assert sorted(acknowledged) == sorted(record["event_id"] for record in archived(tmp_path))


def _one_line(finished: subprocess.CompletedProcess[str], *words: str) -> None:
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1 and "Traceback" not in finished.stderr
    assert all(word in finished.stderr for word in words), finished.stderr


def test_a_port_in_use_is_one_line(served: CollectorProcess, tmp_path: Path) -> None:
    """The first thing that goes wrong for a newcomer who starts it twice."""
    port = str(urlsplit(served.url).port)
    _one_line(_command("serve", "--port", port, data_dir=tmp_path), port, "COLLECTOR_PORT")
    with pytest.raises(CollectorFailed, match="in use"):
        start_collector(tmp_path, port=int(port))


def test_an_unusable_folder_is_one_line(tmp_path: Path) -> None:
    """A DATA_DIR that is no folder, for both commands."""
    (tmp_path / "file").write_text("")
    for command in ("serve", "drain"):
        _one_line(_command(command, data_dir=tmp_path / "file"), "DATA_DIR", str(tmp_path / "file"))


def test_an_unknown_value_is_one_line(tmp_path: Path) -> None:
    """Settings are refused before anything is touched."""
    _one_line(_command("serve", data_dir=tmp_path / "new", IP_MODE="hash"), "IP_MODE", "truncate")
    _one_line(_command("serve", "--workers", "many", data_dir=tmp_path / "new"), "COLLECTOR_WORKERS")
    _one_line(_command("serve", data_dir=tmp_path / "new", INGEST_ENV="production"), "INGEST_ENV")
    assert not (tmp_path / "new").exists()


def test_a_corrupt_journal_is_one_line_and_can_be_salvaged(
    tmp_path: Path, archived: Callable[[Path], list[dict[str, Any]]]
) -> None:
    """`serve` and `drain` stop before it and say what to do; `drain --salvage` keeps what is whole, and the file."""
    collector = start_collector(tmp_path)
    kept = _send(collector.url, body=HIT)[0].headers["X-Event-Id"]
    lost = _send(collector.url, body=HIT)[0].headers["X-Event-Id"]
    collector.kill()
    (journal,) = (tmp_path / "spool").glob("*.journal")
    content = journal.read_bytes()
    journal.write_bytes(content.replace(lost.encode(), b"?" * len(lost)))
    for command in ("serve", "drain"):
        _one_line(_command(command, data_dir=tmp_path), "damaged", "--salvage")
    assert archived(tmp_path) == []
    salvaged = _command("drain", "--salvage", data_dir=tmp_path)
    assert salvaged.returncode == 0 and "damaged" in salvaged.stdout
    assert [record["event_id"] for record in archived(tmp_path)] == [kept]
    assert len(list((tmp_path / "spool" / "damaged").iterdir())) == 1
    with running_collector(tmp_path):
        pass


def test_the_documented_commands_work(tmp_path: Path, archived: Callable[[Path], list[dict[str, Any]]]) -> None:
    """What a client's author copies out of the documentation is answered with 200."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    documentation = (Path(__file__).parents[2] / "docs" / "collector.md").read_text()
    commands = documentation.split("```sh\n")[1].split("```")[0]
    with running_collector(tmp_path) as collector:
        script = commands.replace("http://127.0.0.1:8080", collector.url)
        output = subprocess.run(
            ["bash", "-euc", script], capture_output=True, text=True, errors="replace", check=True
        ).stdout
    assert output.count("HTTP/1.1 200 OK") == script.count("curl ") == 3
    assert [record["request"]["body"].get("pr1pr") for record in archived(tmp_path)] == [None, "12.50", None, None]
