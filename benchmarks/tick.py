"""The hourly refresh: one more hour of hits on top of a short and of a long history, and nothing new at all.

Each history ends today, so that an hour affects what it affects in life: today, and yesterday's last sessions. Every refresh is
a process of its own, as a schedule's run is. What it takes must follow from the dates that are behind, and not from how many
dates there are.

    python -m benchmarks.tick     executes one refresh on DATA_DIR in this process
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.measure import Cost, run_module
from collector.archive_keys import parse_key
from ingestion_platform import settings as environment
from ingestion_platform.commands.runs import Work, console, execute
from ingestion_platform.dates import today
from ingestion_platform.instance import open_instance
from ingestion_platform.resources.folder_archive import FolderArchive
from simulations.config import TrafficConfig
from simulations.history import write_day, write_history

_HOUR = 12


def run(folder: Path, hits_per_day: int, histories: Sequence[int] = (0, 10, 90)) -> dict[str, Any]:
    """Seconds of a refresh with an hour's hits after so many days of history, and of one with nothing new after that."""
    found: dict[str, Any] = {"hits_per_day": hits_per_day, "hour": {}, "nothing_new": {}}
    for days in histories:
        hour, nothing = _refreshes(folder / f"history-{days}", hits_per_day, days)
        found["hour"][str(days)] = _figures(hour)
        found["nothing_new"][str(days)] = _figures(nothing)
    shortest, longest = (found["hour"][str(days)] for days in (min(histories), max(histories)))
    found["longest_against_shortest"] = {
        "wall": round(longest["seconds"] / shortest["seconds"], 2),
        "cpu": round(longest["cpu_seconds"] / shortest["cpu_seconds"], 2),
    }
    return found


def _refreshes(data_dir: Path, hits_per_day: int, days: int) -> tuple[Cost, Cost]:
    now = today()
    shape = replace(TrafficConfig(hits_per_day=hits_per_day), outages=0.0, late_objects=0.0)
    history = [now - timedelta(days=n) for n in range(days, 0, -1)]
    for _ in write_history(data_dir / "archive", history, shape):
        pass
    arriving: dict[str, bytes] = {}
    write_day(arriving.__setitem__, now, shape, data_dir / "truth")
    # Today is not whole here, so it cannot be held against the truth.
    shutil.rmtree(data_dir / "truth")
    _deliver(data_dir, arriving, now, range(_HOUR))
    _refresh(data_dir, history)
    _deliver(data_dir, arriving, now, range(_HOUR, _HOUR + 1))
    return _refresh(data_dir, history), _refresh(data_dir, history)


def _deliver(data_dir: Path, objects: dict[str, bytes], day: date, hours: range) -> None:
    """Put those of `objects` into the archive that arrive in these hours of `day`, or before it."""
    archive = FolderArchive(data_dir / "archive")
    for key in sorted(objects):
        place = parse_key(key)
        assert place is not None
        if place.arrival_date == day and place.arrival_hour in hours:
            archive.put(key, objects[key])


def _refresh(data_dir: Path, history: Sequence[date]) -> Cost:
    start = min(history, default=today())
    return run_module(
        "benchmarks.tick", log=data_dir / "refresh.log", DATA_DIR=f"{data_dir}", PARTITIONS_START=f"{start}"
    )


def _figures(cost: Cost) -> dict[str, float]:
    return {"seconds": round(cost.seconds, 2), "cpu_seconds": round(cost.cpu_seconds, 2), "peak_mb": cost.peak_mb}


def main() -> int:
    """Execute one hourly refresh, as the command line of the platform executes its runs."""
    settings = environment.read()
    with open_instance(settings) as instance:
        execute(instance, [Work("hourly_refresh", None, "Refresh")], console())
    return 0


if __name__ == "__main__":
    sys.exit(main())
