"""The other protocols beside v1: GA4's `/g/collect` against `/collect`, Segment's batch against `/batch`; and v1 against another commit.

    python -m benchmarks.protocols [seconds]                     the same hit in each protocol's words, to one local server with one worker
    python -m benchmarks.protocols --against d6cbc21 [seconds]   v1 and Lambda's cold import, this checkout and that commit

The ways take turns, a second or so each, so that a busy machine is as busy for one as for the other; a ratio is the median of the rounds'
own. Processor time is the server's for `hits`, and the Lambda entry's in this process for `handler` (collector.py). A cold import is
processor time of `import collector.handler` in a new interpreter, our modules compiled anew as in Lambda, boto3 from its bytecode.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

from benchmarks.collector import BATCH_HITS, CONNECTIONS, HIT, disk, handler_cost
from benchmarks.collector_load import post, run_load
from benchmarks.measure import PROJECT_DIR
from collector.local_process import CollectorProcess, running_collector
from simulations.ga4_requests import gtag
from simulations.protocols import Moment
from simulations.segment_requests import segment

ROUNDS = 7
COLD_IMPORTS = 21
# What a way is held against: one hit a request, and many.
AGAINST = {"gtag": "collect_json", "segment_batch": "batch_json"}

_TICK = os.sysconf("SC_CLK_TCK")
_NOW = 1_772_323_200_000
_COLD = "import time; started = time.process_time(); import collector.handler; print(time.process_time() - started)"


@dataclass(frozen=True)
class Way:
    """A request to send over and over: what follows the address, its body and type, how many hits it has, and its answer's status."""

    target: str
    body: bytes
    content_type: str
    hits: int
    status: int = 200

    @property
    def request(self) -> bytes:
        return post(self.target, self.body, self.content_type)

    @property
    def event(self) -> dict[str, Any]:
        """The same as API Gateway hands it to Lambda."""
        path, _, query = self.target.partition("?")
        return {"rawPath": path, "rawQueryString": query, "body": self.body.decode()}


def ways() -> dict[str, Way]:
    """One hit in each protocol's words."""
    moment = Moment(_NOW, _NOW, "Mozilla/5.0", "203.0.113.0", _NOW // 1000)
    beacon, message = gtag(HIT, moment), segment(HIT, moment)
    assert beacon is not None and message is not None
    hit, form = json.dumps(HIT).encode(), urlencode(HIT).encode()
    batch = json.dumps({"batch": [{"type": "track", **json.loads(message.body)}] * BATCH_HITS, "writeKey": "shop"})
    return {
        "collect_json": Way("/collect", hit, "application/json", 1),
        "collect_form": Way("/collect", form, "application/x-www-form-urlencoded", 1),
        "gtag": Way(f"{beacon.path}?{beacon.query}", beacon.body.encode(), beacon.content_type, 1, 204),
        "batch_json": Way("/batch", b"\n".join([hit] * BATCH_HITS), "text/plain", BATCH_HITS),
        "segment_batch": Way("/v1/batch", batch.encode(), "application/json", BATCH_HITS),
    }


def run(seconds: float = 35.0) -> dict[str, Any]:
    """Measure all ways within about `seconds`: hits a second, processor time in µs a hit, and ratios to v1 (1: the same)."""
    tried = ways()
    rounds = max(1, min(ROUNDS, int(seconds / 5)))
    each = seconds / len(tried) / rounds
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in tried}
    with _server() as collector:
        for _ in range(rounds):
            for name, way in tried.items():
                found[name].append(_load(collector, way, each))
    report: dict[str, Any] = {}
    for name, loads in found.items():
        report[name] = {
            "hits_per_s": round(median(rate for rate, _ in loads)),
            "cpu_us": round(median(cpu for _, cpu in loads), 1),
            "handler_us": handler_cost(tried[name].event, tried[name].hits, each),
        }
    for name, others in AGAINST.items():
        report[f"{name}_of_v1"] = _ratio(found[name], found[others], 0)
        report[f"{name}_of_v1_cpu"] = _ratio(found[name], found[others], 1)
    return report


def _ratio(one: list[tuple[float, float]], other: list[tuple[float, float]], which: int) -> float:
    return round(median(a[which] / b[which] for a, b in zip(one, other, strict=True)), 3)


def _load(collector: CollectorProcess, way: Way, seconds: float) -> tuple[float, float]:
    """Hits a second, and the server's processor time in µs a hit."""
    before = _cpu_seconds(collector.process.pid)
    load = run_load(collector.url, way.request, connections=CONNECTIONS, seconds=seconds, status=way.status)
    assert not load.failures, f"{load.failures} answers to {way.target[:20]} are not {way.status}"
    # The first fifth, which warms up, is not in the latencies, but in the server's time.
    hits = len(load.latencies) * way.hits
    spent = _cpu_seconds(collector.process.pid) - before
    return hits / load.seconds, spent / (hits / load.seconds * seconds) * 1e6


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


@contextmanager
def _server(tree: Path | None = None) -> Iterator[CollectorProcess]:
    """A collector with one worker, of this checkout or of another one's files."""
    own = {"ROTATE_BYTES": "67108864"}
    other = {} if tree is None else {"PYTHONSAFEPATH": "1", "PYTHONPATH": f"{tree}"}
    with (
        tempfile.TemporaryDirectory(dir=disk()) as folder,
        running_collector(Path(folder), environment=own | other) as collector,
    ):
        yield collector


# ---------------------------------------------------------------------------------------------------------------------
# Against another commit
# ---------------------------------------------------------------------------------------------------------------------
def against(commit: str, seconds: float = 35.0) -> dict[str, Any]:
    """v1's speed and Lambda's cold import, here and at `commit`, by turns; ratios above 1 are a gain of ours."""
    tried = {name: way for name, way in ways().items() if name.startswith(("collect", "batch"))}
    each = seconds / len(tried) / ROUNDS / 2
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=disk()) as folder, ExitStack() as servers:
        trees = {"here": Path(folder) / "here", commit: Path(folder) / "there"}
        shutil.copytree(
            PROJECT_DIR / "collector", trees["here"] / "collector", ignore=shutil.ignore_patterns("__pycache__")
        )
        trees[commit].mkdir()
        packed = subprocess.run(
            ["git", "archive", commit, "collector"], cwd=PROJECT_DIR, capture_output=True, check=True
        )
        subprocess.run(["tar", "-x", "-C", f"{trees[commit]}"], input=packed.stdout, check=True)
        cold = _cold_imports(trees)
        report |= {f"cold_import_cpu_ms_{name}": round(median(found) * 1000, 1) for name, found in cold.items()}
        here, there = (servers.enter_context(_server(tree)) for tree in trees.values())
        for name, way in tried.items():
            rounds = [(_load(here, way, each), _load(there, way, each)) for _ in range(ROUNDS)]
            report[f"{name}_against_{commit}"] = _ratio(*zip(*rounds, strict=True), 0)  # type: ignore[arg-type]
            report[f"{name}_cpu_against_{commit}"] = _ratio(*zip(*rounds, strict=True), 1)  # type: ignore[arg-type]
    return report


def _cold_imports(trees: Mapping[str, Path]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in trees}
    for _ in range(COLD_IMPORTS):
        for name, tree in trees.items():
            environment = {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": f"{tree}"}
            done = subprocess.run(
                [sys.executable, "-B", "-c", _COLD], env=environment, capture_output=True, text=True, check=True
            )
            found[name].append(float(done.stdout))
    return found


def main() -> None:
    """Print the figures as a table."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.protocols", description=__doc__)
    options.add_argument("seconds", nargs="?", type=float, default=35.0)
    options.add_argument("--against", metavar="COMMIT")
    chosen = options.parse_args()
    measure: Callable[[float], dict[str, Any]] = run
    if chosen.against:
        measure = lambda seconds: against(chosen.against, seconds)  # noqa: E731
    for name, figures in measure(chosen.seconds).items():
        text = (
            "".join(f"{key} {value:>10,}   " for key, value in figures.items())
            if isinstance(figures, dict)
            else figures
        )
        print(f"{name:32}{text}")


if __name__ == "__main__":
    main()
