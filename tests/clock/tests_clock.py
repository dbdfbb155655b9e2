"""The clock of the tests: a fixed day, for pytest's own processes and for every Python process that a test starts.

Tests that count back from the day of their run meet other dates each time, and what the simulator draws for those: a suite that was
green for a month was red on 2026-11-25. So all of Python's clocks are moved to NOW and go on from there, except the monotonic one,
by which everything waits. Processes that tests start find this folder on their PYTHONPATH, whose `sitecustomize` moves theirs alike.
SQLite's, DuckDB's and PostgreSQL's own clocks stay as they are: nothing of the platform compares them with Python's, and Dagster does for
a run that never starts.

Tests that are marked `dates` run under EVERY clock with `--every-clock`.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import time_machine

import grpc_deadlines

FOLDER = Path(__file__).parent
OFFSET = "TESTS_CLOCK_OFFSET"

# A Wednesday in the middle of a month, at noon, unless told otherwise: TESTS_NOW=2028-02-29T12:00 make test
NOW = datetime.fromisoformat(os.environ.get("TESTS_NOW") or "2026-06-17T12:00").replace(tzinfo=UTC)

EVERY = {
    "sunday": datetime(2026, 8, 16, 12, tzinfo=UTC),
    "month-end-before-midnight": datetime(2026, 9, 30, 23, 59, tzinfo=UTC),
    "after-midnight": datetime(2026, 11, 26, 0, 1, tzinfo=UTC),
    "year-end": datetime(2026, 12, 31, 12, tzinfo=UTC),
    "leap-day": datetime(2028, 2, 29, 12, tzinfo=UTC),
}

_moved: list[time_machine.travel] = []


def _true_time() -> float:
    """Seconds since 1970 by the machine's clock."""
    there = time_machine.escape_hatch
    return there.time.time() if there.is_travelling() else time.time()


def start(offset: float) -> None:
    """Let this process's clock go `offset` seconds off the true time."""
    for before in _moved:
        before.stop()
    _moved[:] = [time_machine.travel(_true_time() + offset, tick=True)]
    _moved[0].start()
    grpc_deadlines.keep_true(_true_time)


def move_to(now: datetime) -> None:
    """Let it be `now` here and in every process that is started from here."""
    offset = now.timestamp() - _true_time()
    os.environ[OFFSET] = f"{offset}"
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [f"{FOLDER}", *(path for path in paths if path not in ("", f"{FOLDER}"))]
    )
    start(offset)


def environment() -> dict[str, str]:
    """What a process needs of the environment to have this clock, for tests that hand on nothing else."""
    return {name: os.environ[name] for name in (OFFSET, "PYTHONPATH")}
