"""How many hits the collector takes, side by side in one run: durable acknowledgement, batches, the bare server.

    python -m benchmarks.collector [seconds]

`/collect` and `/batch` are answered by the real server, each answer after the sync of its group commit, under 64
keep-alive connections; the ceiling is the same uvicorn answering an empty 204. The handler's own cost is CPU time of
the Lambda entry in this process, with a stream that takes everything at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlencode

from benchmarks.collector_load import Load, post, run_load
from collector import handler
from collector.delivery import FirehoseDelivery
from collector.local_process import running_collector
from collector.settings import CloudSettings, Settings

CONNECTIONS = 64
BATCH_HITS = 20

_BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}
HIT = {
    "v": "1", "t": "event", "tid": "UA-10000-1", "cid": "35009a79-1a6d-49d7-b120-2b829d202652", "pa": "add",
    "dl": "https://shop.example/p/4711", "dr": "https://shop.example/", "dt": "Shop: one product", "ul": "en-us",
    "de": "UTF-8", "sd": "24-bit", "sr": "1920x1080", "vp": "1200x800", "ec": "ecommerce", "ea": "add", "cu": "EUR",
    "pr1id": "SKU4711", "pr1nm": "One product", "pr1ca": "a/b/c", "pr1pr": "12.50", "pr1qt": "1",
    "z": "1772323200000123",
}  # fmt: skip


def run(seconds: float = 40.0) -> dict[str, Any]:
    """Measure all of it within about `seconds`; rates in hits a second, latencies in ms, CPU in µs a hit."""
    each = seconds / 10
    json_hit = json.dumps(HIT).encode()
    form_hit = urlencode(HIT).encode()
    requests = {
        "collect_json": (post("/collect", json_hit, "application/json"), 1),
        "collect_form": (post("/collect", form_hit, "application/x-www-form-urlencoded"), 1),
        "batch_json": (post("/batch", b"\n".join([json_hit] * BATCH_HITS), "text/plain"), BATCH_HITS),
        "batch_form": (post("/batch", b"\n".join([form_hit] * BATCH_HITS), "text/plain"), BATCH_HITS),
    }
    report: dict[str, Any] = {"connections": CONNECTIONS, "batch_hits": BATCH_HITS}
    for workers in (1, 2):
        with _ceiling(workers) as url:
            load = run_load(url, requests["collect_json"][0], connections=CONNECTIONS, seconds=each / 2, status=204)
            report[f"ceiling_204_{workers}w"] = _figures(load, 1)
        with (
            tempfile.TemporaryDirectory(dir=disk()) as folder,
            running_collector(Path(folder), workers=workers, environment={"ROTATE_BYTES": "67108864"}) as collector,
        ):
            for name, (request, hits) in requests.items():
                load = run_load(collector.url, request, connections=CONNECTIONS, seconds=each)
                report[f"{name}_{workers}w"] = _figures(load, hits)
    for name, microseconds in _handler_costs(json_hit.decode(), form_hit.decode(), each / 4).items():
        report[name] = microseconds
    return report


def _figures(load: Load, hits: int) -> dict[str, float]:
    return {
        "hits_per_s": round(load.per_second * hits),
        "p50_ms": round(load.percentile(0.5), 2),
        "p99_ms": round(load.percentile(0.99), 2),
        "failures": load.failures,
    }


def disk() -> Path:
    """A folder on the checkout's disk: /tmp may be memory, where a sync costs nothing."""
    folder = Path(__file__).parents[1] / "build"
    folder.mkdir(exist_ok=True)
    return folder


@contextlib.contextmanager
def _ceiling(workers: int) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.collector_ceiling", str(workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        time.sleep(1)  # several workers announce nothing when they are up
        try:
            yield url
        finally:
            process.terminate()


class _NoStream:
    """A Firehose client that takes everything and does nothing."""

    def put_record_batch(self, **_: Any) -> dict[str, int]:
        return {"FailedPutCount": 0}


def _handler_costs(json_hit: str, form_hit: str, seconds: float) -> dict[str, float]:
    """CPU µs a hit of the Lambda entry, its log line included."""
    bodies = {"collect_json": json_hit, "collect_form": form_hit, "batch_json": "\n".join([json_hit] * BATCH_HITS)}
    costs: dict[str, float] = {}
    for name, body in bodies.items():
        path, hits = ("/batch", BATCH_HITS) if name.startswith("batch") else ("/collect", 1)
        costs[f"handler_us_{name}"] = handler_cost({"rawPath": path, "body": body}, hits, seconds)
    return costs


def handler_cost(request: dict[str, Any], hits: int, seconds: float) -> float:
    """CPU µs a hit of the Lambda entry: a POST with `hits` hits, as API Gateway hands it over, for `seconds` of processor time."""
    runtime = handler.Runtime(
        Settings(), CloudSettings("hits", None, "Clickstream"), FirehoseDelivery(_NoStream(), "hits")
    )
    http = {"method": "POST", "path": request["rawPath"], "sourceIp": "203.0.113.77"}
    context = {"http": http, "domainName": "collect.example", "timeEpoch": 1772323200000}
    event = {"version": "2.0", "headers": _BROWSER, "requestContext": context, **request}
    calls = 0
    with (
        mock.patch.object(handler, "runtime", lambda: runtime),
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        assert handler.handler(event, None)["statusCode"] < 300
        started, deadline = time.process_time(), time.process_time() + seconds
        while time.process_time() < deadline:
            handler.handler(event, None)
            calls += 1
        spent = time.process_time() - started
    return round(spent / calls / hits * 1e6, 1)


def main() -> None:
    """Print the figures as a table."""
    report = run(float(sys.argv[1]) if len(sys.argv) > 1 else 40.0)
    print(f"{'':24}{'hits/s':>10}{'p50 ms':>10}{'p99 ms':>10}{'failures':>10}")
    for name, figures in report.items():
        if isinstance(figures, dict):
            print(f"{name:24}" + "".join(f"{value:>10,}" for value in figures.values()))
        else:
            print(f"{name:24}{figures:>10}")


if __name__ == "__main__":
    main()
