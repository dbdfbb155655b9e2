"""The truth files: what the simulated dates have to come out as, and the sum over all that was generated.

One file a generation, `YYYY-MM-DD.json` in a folder beside the archive (`DATA_DIR/truth`). A generation touches more
event dates than its own, so a date's figures are the sum over all generations in the folder; they add up because the
generations are independent of each other. `expected` does that and says which dates can be held against the models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from collector.durable import make_folder, staged, sync_folder
from collector.errors import ExpectedError
from simulations.config import DATES_AFTER, DATES_BEFORE
from simulations.expectation import Figures
from simulations.figures_by_hour import newcomers

# Beside the truth of a date while its objects are being written, and left behind when that was interrupted.
_UNFINISHED = ".unfinished"

LOOKBACK_DAYS = 30
"""How long somebody stays known (dbt var `lookback_days`)."""


class TruthError(ExpectedError):
    """A truth file that cannot be used, in one line that says what to do."""


@dataclass(frozen=True)
class ExpectedDate:
    """What the models hold of simulated traffic for an event date.

    `complete` is false while objects that hold some of it are missing: a generation is unfinished, or `arrives_until`
    (the last arrival date of its records, None where nothing was generated) lies beyond what was loaded.
    `statistics` are the figures of statistics by tracking id and period (simulations/figures_by_hour.py); None where a generation
    was written before they were. They say who is new only where `lookback_complete`: all dates of the lookback are complete, too.
    """

    day: date
    complete: bool
    arrives_until: date | None
    total: Figures
    bots: Figures
    by_tracking_id: dict[str, Figures]
    rejected: int
    statistics: dict[str, dict[str, Figures]] | None = None
    lookback_complete: bool = False


@dataclass(frozen=True)
class Expected:
    """The sums over all generations: by event date, and the books by arrival date (objects, lines, accepted, ...)."""

    dates: dict[date, ExpectedDate]
    arrivals: dict[date, dict[str, int]]


def path_of(folder: Path, day: date) -> Path:
    """The truth file of a generation."""
    return folder / f"{day.isoformat()}.json"


def begin(folder: Path, day: date, config: Mapping[str, Any]) -> None:
    """Note that the objects of a generation are about to be written. Raises TruthError where the archive already has
    that date's traffic from another configuration: both together would be no date's truth."""
    file = path_of(folder, day)
    if file.exists():
        known = read(file)["config"]
        if known != config:
            changed = ", ".join(sorted(name for name in {*known, *config} if known.get(name) != config.get(name)))
            raise TruthError(
                f"{day} has been generated with another {changed} (see {file}): "
                "use the same again, or start with an empty DATA_DIR"
            )
    make_folder(folder)
    file.with_suffix(_UNFINISHED).touch()
    # The note has to outlive the objects.
    sync_folder(folder)


def finish(folder: Path, day: date, content: Mapping[str, Any]) -> None:
    """Write a generation's truth, once all of its objects lie in the archive."""
    path = path_of(folder, day)
    with staged(path, "tmp") as file:
        file.write(f"{json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True)}\n".encode())
        file.appear()
    path.with_suffix(_UNFINISHED).unlink(missing_ok=True)


def read(file: Path) -> dict[str, Any]:
    """A generation's truth. Raises TruthError for a file that is none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not {"config", "dates", "arrivals"} <= content.keys():
            raise ValueError("it is no truth file")
    except ValueError as error:
        raise TruthError(f"{file} cannot be read ({error}): remove it and generate its date again") from None
    return content


def expected(folder: Path, start: date, end: date, loaded_before: date | None = None) -> Expected:
    """What event dates in [start, end) have to hold, over all generations in `folder`.

    A generation that is not in the folder does not exist: nothing else can have written its objects. With
    `loaded_before`, only arrival dates before it count as loaded, and a date with later ones is not complete.
    Raises TruthError for an unreadable file.
    """
    dates: dict[date, dict[str, Any]] = {}
    arrivals: dict[date, dict[str, int]] = {}
    unfinished: set[date] = set()
    silent: set[date] = set()
    day = start - timedelta(days=LOOKBACK_DAYS + DATES_AFTER)
    while day < end + timedelta(days=DATES_BEFORE):
        file = path_of(folder, day)
        if file.with_suffix(_UNFINISHED).exists():
            unfinished.update(day + timedelta(days=offset) for offset in range(-DATES_BEFORE, DATES_AFTER + 1))
        if file.exists():
            for text, figures in read(file)["dates"].items():
                event_date = date.fromisoformat(text)
                dates[event_date] = _sum(dates.get(event_date, {}), figures)
                if "statistics" not in figures:
                    silent.add(event_date)
        day += timedelta(days=1)
    # Books reach as far as objects can be late: every generation counts.
    for file in sorted(folder.glob("????-??-??.json")):
        for text, books in read(file)["arrivals"].items():
            arrival = date.fromisoformat(text)
            if start <= arrival < end:
                arrivals[arrival] = _sum(arrivals.get(arrival, {}), books)
    made = {
        day: _expected_date(day, dates.get(day), day in unfinished, loaded_before, day in silent)
        for day in (start + timedelta(days=n) for n in range(-LOOKBACK_DAYS, (end - start).days))
    }
    for day in (start + timedelta(days=n) for n in range((end - start).days)):
        before = [day - timedelta(days=n) for n in range(1, LOOKBACK_DAYS + 1)]
        if made[day].statistics is not None and all(made[one].complete and one not in silent for one in (day, *before)):
            new = newcomers(dates[day]["seen"], [dates[one]["seen"] for one in before if one in dates])
            statistics = _sum(made[day].statistics, new)
            made[day] = replace(made[day], statistics=statistics, lookback_complete=True)
    return Expected({day: whole for day, whole in made.items() if day >= start}, dict(sorted(arrivals.items())))


def _expected_date(
    day: date, written: Mapping[str, Any] | None, unfinished: bool, loaded_before: date | None, silent: bool
) -> ExpectedDate:
    if written is None:
        return ExpectedDate(day, not unfinished, None, {}, {}, {}, 0)
    until = date.fromisoformat(written["arrives_until"])
    complete = not unfinished and (loaded_before is None or until < loaded_before)
    statistics = None if silent else written["statistics"]
    figures = (written["total"], written["bots"], written["by_tracking_id"], written["rejected"], statistics)
    return ExpectedDate(day, complete, until, *figures)


def _sum(left: Any, right: Any) -> Any:
    """Add figures: numbers and decimal texts by value, mappings by key; of two dates the later one."""
    if isinstance(right, Mapping):
        return {
            key: _sum(left[key], right[key]) if key in left and key in right else left.get(key, right.get(key))
            for key in (*left, *(key for key in right if key not in left))
        }
    if isinstance(right, str):
        return max(left, right) if right.count("-") == 2 else str(Decimal(left) + Decimal(right))
    return left + right
