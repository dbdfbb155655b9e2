"""Readers beside what is at work: eight processes look at the warehouse again and again while backfills and hourly refreshes follow one another.

Backfills are `python -m ingestion_platform replay` of the older dates, refreshes are benchmarks/tick.py; they follow one another without a pause.
Before each of them an object arrives that it has to load, so that every one publishes other figures. The readers are those of the tests: each
look opens the warehouse and holds sums of several tables against one another, twice on one connection.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.measure import PROJECT_DIR, BenchmarkError, run_module
from benchmarks.replay import FIRST
from collector.archive_keys import parse_key
from ingestion_platform.resources.duckdb.warehouse import DuckDBWarehouse
from ingestion_platform.resources.folder_archive import FolderArchive
from simulations.config import TrafficConfig
from simulations.history import write_day

READERS, PAUSE = 8, 0.5
"""Processes, and seconds between two looks of one: without, they take all of a small machine, and what is measured is its scheduler."""

_READER = PROJECT_DIR / "tests" / "models" / "reader.py"
_DATES, _HELD_FROM_HOUR = 10, 12


class _Arrivals:
    """Objects of one date or several that have not arrived yet, an object a time of each hour and date in turn."""

    def __init__(self, folder: Path, days: list[date], hits_per_day: int) -> None:
        shape = TrafficConfig(hits_per_day=hits_per_day, outages=0.0, late_objects=0.0, objects_per_hour=4)
        self._archive = FolderArchive(folder / "archive")
        self._waiting: list[tuple[int, date, str, bytes]] = []
        for day in days:
            made: dict[str, bytes] = {}
            write_day(made.__setitem__, day, shape, folder / "truth")
            for key, content in made.items():
                place = parse_key(key)
                assert place is not None
                if place.arrival_date == day and place.arrival_hour < _HELD_FROM_HOUR:
                    self._archive.put(key, content)
                elif place.arrival_date == day:
                    self._waiting.append((place.arrival_hour, day, key, content))
        self._waiting.sort(reverse=True)

    def next(self) -> None:
        """Let an object arrive; when all have, what follows works on what is there."""
        if self._waiting:
            *_, key, content = self._waiting.pop()
            self._archive.put(key, content)


def run(data_dir: Path, hits_per_day: int, seconds: float) -> dict[str, Any]:
    """What the readers saw in so many seconds: looks, states of the warehouse, torn looks, errors; milliseconds of opening it, the median reader's
    median and the slowest reader's 99th percentile; how many backfills went through, and as many refreshes."""
    days = [FIRST + timedelta(days=n) for n in range(_DATES)]
    old, new = _Arrivals(data_dir, days[:-2], hits_per_day), _Arrivals(data_dir, days[-2:], hits_per_day)
    # Dates of which a part has arrived cannot be held against their truth.
    shutil.rmtree(data_dir / "truth")
    settings = {"DATA_DIR": f"{data_dir}", "PARTITIONS_START": f"{FIRST}"}

    def replay(last: date) -> None:
        dates = ("--from", f"{FIRST}", "--to", f"{last}")
        run_module("ingestion_platform", "replay", *dates, log=data_dir / "backfill.log", **settings)

    def refresh() -> None:
        run_module("benchmarks.tick", log=data_dir / "refresh.log", **settings)

    replay(days[-1])
    warehouse = DuckDBWarehouse(data_dir / "warehouse.duckdb")
    before = len(warehouse.publications())
    stop = data_dir / "stop"
    command = [sys.executable, f"{_READER}", f"{warehouse.path}", f"{stop}", f"{PAUSE}"]
    looking = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(READERS)]
    began, rounds = time.monotonic(), 0
    try:
        while time.monotonic() - began < seconds:
            old.next()
            replay(days[-3])
            new.next()
            refresh()
            rounds += 1
        took = time.monotonic() - began
    finally:
        stop.touch()
        seen = [json.loads(reader.communicate(timeout=120)[0] or b"{}") for reader in looking]
    if not all(seen):
        raise BenchmarkError("a reader died")
    errors = [error for one in seen for error in one["errors"]]
    torn = [look for one in seen for look in one["torn"]]
    return {
        "readers": READERS,
        "seconds": round(took, 1),
        "backfills_and_refreshes": rounds,
        "publications": len(warehouse.publications()) - before,
        "looks": sum(one["looks"] for one in seen),
        "states": max(one["states"] for one in seen),
        "errors": len(errors),
        "torn": len(torn),
        "first_of_these": [*errors, *torn][:3],
        "opening_ms_median": round(1000 * statistics.median(one["opening"][0] for one in seen), 1),
        "opening_ms_p99": round(1000 * max(one["opening"][1] for one in seen), 1),
    }
