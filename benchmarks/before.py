"""A replay beside the same replay by another state of this project: what a change costs or saves.

The other state is a checkout with a .venv of its own, made ready by `make setup` (a `git worktree` of its commit). Both replay the same objects
into nothing, one after the other and several times in turn, so that whatever else the machine does meets both. Medians are of processor time.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.measure import PROJECT_DIR, BenchmarkError, Cost, disk_mb, run_command
from benchmarks.replay import Traffic

TIMES = 3
_TABLES = ("raw.logs", "events.logs", "events.sessions", "events.purchases", "stats.overview_1h", "stats.revenue_1h")


@dataclass(frozen=True)
class _Replayed:
    cost: Cost
    disk_mb: float
    rows: dict[str, int]


def run(traffic: Traffic, checkout: Path, times: int = TIMES) -> dict[str, Any]:
    """Median costs and disk of `times` replays by each state, and ours as a multiple of the other's."""
    python = checkout / ".venv" / "bin" / "python"
    if not python.exists():
        raise BenchmarkError(f"{checkout} has no .venv: it takes a checkout in which `make setup` ran")
    theirs, ours = [], []
    for _ in range(times):
        theirs.append(_replay(traffic, f"{python}", checkout))
        ours.append(_replay(traffic, sys.executable, PROJECT_DIR))
    counted = {tuple(replayed.rows.items()) for replayed in (*theirs, *ours)}
    if len(counted) != 1:
        raise BenchmarkError(f"the two states do not come to the same rows: {ours[0].rows}, before {theirs[0].rows}")
    old, new = _figures(theirs, traffic.hits), _figures(ours, traffic.hits)
    return {
        "hits": traffic.hits,
        "dates": (traffic.end - traffic.start).days,
        "times": times,
        "commit": _commit(checkout),
        "before": old,
        "now": new,
        "against_before": {
            "cpu": round(new["cpu_seconds"] / old["cpu_seconds"], 3),
            "wall": round(new["seconds"] / old["seconds"], 3),
            "disk": round(new["disk_mb"] / old["disk_mb"], 3),
        },
    }


def _replay(traffic: Traffic, python: str, checkout: Path) -> _Replayed:
    command = [python, "-m", "ingestion_platform", "replay"]
    dates = ["--from", f"{traffic.start}", "--to", f"{traffic.end - timedelta(days=1)}"]
    with traffic.data_dir("before") as root:
        settings = {"DATA_DIR": f"{root}", "PARTITIONS_START": f"{traffic.start}"}
        cost = run_command([*command, *dates], settings, root / "replay.log", folder=checkout)
        warehouse = root / "warehouse.duckdb"
        # A native file is all of it; a lake lies beside the views over it.
        used = disk_mb(warehouse) + disk_mb(root / "lake")
        with duckdb.connect(f"{warehouse}", read_only=True) as connection:
            rows = {name: connection.execute(f"select count(*) from {name}").fetchall()[0][0] for name in _TABLES}
        return _Replayed(cost, used, rows)


def _figures(replayed: list[_Replayed], hits: int) -> dict[str, Any]:
    """The replay of median processor time, its disk, and the processor times of all."""
    ordered = sorted(replayed, key=lambda one: one.cost.cpu_seconds)
    middle = ordered[statistics.median_low(range(len(ordered)))]
    spread = [round(one.cost.cpu_seconds, 1) for one in ordered]
    return middle.cost.as_dict(hits) | {"disk_mb": middle.disk_mb, "cpu_seconds_of_each": spread}


def _commit(checkout: Path) -> str:
    answer = subprocess.run(
        ["git", "-C", f"{checkout}", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or "unknown"
