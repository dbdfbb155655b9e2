"""How fast past dates are written and live hits are sent, each beside what it is to be compared with.

    python -m benchmarks.simulation [seconds]

History: hits a second of the writer over two processes and over one, at many and at few hits a date, into a folder with
every fsync; and beside it the plain way of making the same lines, the collector's `build_record` and `encode` for each
hit. Pumper: hits a second to a local collector that acknowledges durably, hit by hit and in batches, against one request
after the other with `requests`, as the seed sends them (a connection a hit), and with a session kept open.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import requests

from collector.local_process import running_collector
from collector.records import Source, build_record, encode
from simulations.config import TrafficConfig
from simulations.generate import plan_day
from simulations.history import write_history
from simulations.lines import Lines
from simulations.pump import pump
from simulations.sources import source

FIRST = date(2026, 1, 5)
SEQUENTIAL_SECONDS = 3.0


def run(seconds: float = 30.0) -> dict[str, Any]:
    """Measure all of it within about `seconds`; rates in hits (lines) a second."""
    busy = max(20_000, int(seconds * 12_000))
    report: dict[str, Any] = {
        **_history("history_2_processes", dates=6, hits=busy // 3, processes=2),
        **_history("history_1_process", dates=2, hits=busy // 3, processes=1),
        **_history("history_2_processes_20k_a_date", dates=6, hits=20_000, processes=2),
        **_lines(min(busy // 4, 40_000)),
    }
    report["lines_against_build_record"] = round(report["lines_rendered"] / report["lines_by_build_record"], 2)
    report |= _pumpers(int(seconds * 1_500))
    report["pump_against_requests_post"] = round(report["pump"] / report["requests_post"], 1)
    report["pump_batches_against_requests_post"] = round(report["pump_batches"] / report["requests_post"], 1)
    report["pump_against_requests_session"] = round(report["pump"] / report["requests_session"], 1)
    return report


def _history(name: str, dates: int, hits: int, processes: int) -> dict[str, float]:
    """Lines a second of the history writer, its start included, and CPU µs a line (which a busy machine leaves alone)."""
    days = [FIRST + timedelta(days=n) for n in range(dates)]
    with tempfile.TemporaryDirectory(dir=_disk()) as folder:
        started, spent = time.perf_counter(), _cpu_seconds()
        reports = list(write_history(Path(folder) / "archive", days, TrafficConfig(hits_per_day=hits), processes))
        elapsed, spent = time.perf_counter() - started, _cpu_seconds() - spent
    lines = sum(written.lines for written in reports)
    return {name: round(lines / elapsed), f"{name}_cpu_us": round(spent / lines * 1e6, 1)}


def _cpu_seconds() -> float:
    """Of this process and those it has waited for."""
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, _WHO))


_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def _lines(hits: int) -> dict[str, int]:
    """Lines a second of one process, as text and through the collector's dictionaries."""
    plan = plan_day(FIRST, TrafficConfig(hits_per_day=hits))
    rows = np.arange(len(plan.hits.visit))
    rendered, seconds = _timed(lambda: "".join(Lines(plan).accepted(rows)).encode())
    records = [json.loads(line) for line in rendered.splitlines()]

    def plainly() -> bytes:
        return b"".join(encode(_rebuilt(record)) for record in records)

    again, plain_seconds = _timed(plainly)
    assert again == rendered
    return {"lines_rendered": round(len(rows) / seconds), "lines_by_build_record": round(len(rows) / plain_seconds)}


def _rebuilt(record: dict[str, Any]) -> dict[str, Any]:
    request = record["request"]
    return build_record(
        request["body"],
        Source(
            request["method"], request["path"], request["hostname"], record["context"]["user_ip"], request["headers"]
        ),
        event_id=record["event_id"],
        received_at=request["timestamp"],
        responded_at=record["response"]["timestamp"],
    )


def _pumpers(hits: int) -> dict[str, Any]:
    """Hits a second to one collector: the pumper in both its ways, and `requests` with and without a session."""
    with tempfile.TemporaryDirectory(dir=_disk()) as folder, running_collector(Path(folder)) as collector:
        url = f"{collector.url}/collect"
        bodies = [hit.body for visit in source(None, 5_000)[1] for hit in visit]
        post = _sequential(lambda body: requests.post(url, data=body, headers=_JSON, timeout=10), bodies)
        with requests.Session() as session:
            kept = _sequential(lambda body: session.post(url, data=body, headers=_JSON, timeout=10), bodies)
        pumped = {}
        for name, path, number in (("pump", "/collect", hits), ("pump_batches", "/batch", 4 * hits)):
            account = pump(source(None, number)[1], collector.url + path, number)
            assert account.exit_code() == 0, account
            pumped[name] = round(account.accepted / account.seconds)
    return {
        **pumped,
        "requests_post": round(post),
        "requests_session": round(kept),
    }


_JSON = {"Content-Type": "application/json"}


def _sequential(send: Callable[[str], requests.Response], bodies: list[str]) -> float:
    started, sent = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < SEQUENTIAL_SECONDS:
        send(bodies[sent % len(bodies)]).raise_for_status()
        sent += 1
    return sent / elapsed


def _timed(work: Callable[[], bytes]) -> tuple[bytes, float]:
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def _disk() -> Path:
    """A folder on the checkout's disk: /tmp may be memory, where a sync costs nothing."""
    folder = Path(__file__).parents[1] / "build"
    folder.mkdir(exist_ok=True)
    return folder


def main() -> int:
    """Print the figures as a table."""
    report = run(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0)
    for name, value in report.items():
        print(f"{name:<34} {value:>12,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
