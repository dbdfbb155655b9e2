"""What a replay would do, before it does it: which dates and why, how much it reads, and how long that will take. Nothing is changed.

Seconds are told from what earlier runs took (`measured`): loading by compressed bytes, building by hits, and the rest of a run, which
every run has. Without an earlier run there are none to tell.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import NamedTuple

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from ingestion_platform.assets.manifest import Models
from ingestion_platform.dates import ONE_DAY, Window, chunks, load_window, today
from ingestion_platform.measures import BUILD_TAG, LOAD_TAG, Measure
from ingestion_platform.resources.archive import Archive
from ingestion_platform.resources.load_plan import missing_objects
from ingestion_platform.resources.warehouse import LEDGER, Warehouse
from ingestion_platform.settings import Settings
from ingestion_platform.versions import input_versions

_RUNS = 50
_BYTES_A_HIT = 200
"""Compressed, where nothing is loaded yet to tell."""

_BUILT_SQL = (
    "select model, event_date, code_version, inputs from raw.build_history where event_date >= ? and event_date < ?"
)
_ROWS_SQL = "select event_date, count(*) from raw.logs where event_date >= ? and event_date < ? group by event_date"
_SIZES_SQL = "select sum(size_bytes), sum(row_count) from raw.load_history"


class Earlier(NamedTuple):
    """One run that went through: its load, its build, and the seconds of the rest."""

    load: Measure
    build: Measure
    rest: float


@dataclass(frozen=True)
class DatePlan:
    """One date: why it would change (nothing: it would not), the objects that arrived on it and are not loaded, its hits, about."""

    day: date
    reasons: tuple[str, ...]
    objects: int
    hits: int


@dataclass(frozen=True)
class Plan:
    """A replay of `dates`; `seconds` is None where no run has been measured yet. Objects and bytes are those that are to be loaded;
    `bytes_read` those of RAW.LOGS that its models read, margins included, where the warehouse is paid by what it reads."""

    dates: list[DatePlan]
    objects: int
    bytes: int
    hits: int
    runs: int
    seconds: float | None
    bytes_read: int | None = None


def plan(
    settings: Settings,
    instance: DagsterInstance,
    archive: Archive,
    warehouse: Warehouse,
    models: Models,
    window: Window,
) -> Plan:
    """What a replay of `window` would do. Raises ArchiveError and WarehouseError where one cannot be read."""
    around = load_window(window)
    margins = Window(max(around.start, settings.partitions_start), min(around.end, today() + ONE_DAY))
    objects = archive.objects(*margins)
    reachable = settings.may_have_warehouse and LEDGER in warehouse.relations()
    held = warehouse.held_objects(*margins) if reachable else []
    missing = missing_objects(objects, held)
    size = sum(item.size for item in missing.add)
    size_of_a_hit = _BYTES_A_HIT
    rows: dict[date, int] = {}
    bytes_read = None
    if reachable:
        with warehouse.reading():
            rows = dict(warehouse.query(_ROWS_SQL, list(window)))
            stored, loaded = warehouse.query(_SIZES_SQL)[0]
            size_of_a_hit = max(1, int(stored) // int(loaded)) if loaded else _BYTES_A_HIT
            known_bytes = warehouse.stored_bytes(*margins)
            bytes_read = known_bytes + size if known_bytes is not None else None
    arriving, coming = Counter[date](), Counter[date]()
    for item in missing.add:
        arriving[item.arrival_date] += 1
        coming[item.arrival_date] += item.size
    reasons = _reasons(settings, warehouse, models, window) if reachable else {}
    late = {item.arrival_date for item in [*missing.add, *missing.remove]}
    dates = [
        DatePlan(
            day,
            (
                *reasons.get(day, ("never built",)),
                *(["new objects"] if late.intersection(load_window(Window(day, day + ONE_DAY)).days) else []),
            ),
            arriving[day],
            rows.get(day, 0) + coming[day] // size_of_a_hit,
        )
        for day in window.days
    ]
    parts = chunks(window, settings.partitions_per_run)
    hits = {of_date.day: of_date.hits for of_date in dates}
    known = earlier_runs(instance)
    seconds = None
    if known:
        # The first run loads what its own dates read, and with the margins of two months that is next to all of it.
        loads = [size, *(0 for _ in parts[1:])]
        seconds = sum(
            expected(known, load, sum(hits[day] for day in part.days)) for load, part in zip(loads, parts, strict=True)
        )
    return Plan(dates, len(missing.add), size, sum(hits.values()), len(parts), seconds, bytes_read)


def _reasons(
    settings: Settings, warehouse: Warehouse, models: Models, window: Window
) -> Mapping[date, tuple[str, ...]]:
    """By date, why it would be built otherwise than it was: other code, other objects that are loaded already."""
    inputs = input_versions(warehouse, window, settings.partitions_start)
    codes = models.codes(models.names_of(models.partitioned))
    built: dict[date, dict[str, tuple[str, str]]] = defaultdict(dict)
    for model, day, code, read in warehouse.query(_BUILT_SQL, list(window)):
        built[day][model] = (code, read)
    reasons: dict[date, tuple[str, ...]] = {}
    for day in window.days:
        known = built.get(day, {})
        if not known:
            reasons[day] = ("never built",)
            continue
        other = [model for model, code in codes.items() if model not in known or known[model][0] != code]
        said = (
            [f"new code ({', '.join(other[:3])}{f' and {len(other) - 3} more' if len(other) > 3 else ''})"]
            if other
            else []
        )
        if any(read != inputs[day] for _, read in known.values()):
            said.append("objects loaded since")
        reasons[day] = tuple(said)
    return reasons


def earlier_runs(instance: DagsterInstance) -> list[Earlier]:
    """The newest runs that went through and were measured, newest first."""
    known = []
    for record in instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.SUCCESS]), limit=_RUNS):
        tags = record.dagster_run.tags
        if LOAD_TAG in tags and BUILD_TAG in tags and record.start_time and record.end_time:
            load, build = (Measure(**json.loads(tags[name])) for name in (LOAD_TAG, BUILD_TAG))
            rest = record.end_time - record.start_time - load.seconds - build.seconds
            known.append(Earlier(load, build, max(0.0, rest)))
    return known


def expected(known: Sequence[Earlier], load: int, hits: int) -> float:
    """The seconds of a run that loads `load` bytes and builds `hits` hits, from runs that were measured, newest first."""
    return (
        median(run.rest for run in known[:5])
        + _along([run.load for run in known], load)
        + _along([run.build for run in known], hits)
    )


def _along(measures: Sequence[Measure], size: int) -> float:
    """What a part of that size takes: along the line through the measures where they are of several sizes, else in proportion."""
    sizes = [measure.size for measure in measures]
    if len(measures) > 1 and max(sizes) > 1.5 * max(1, min(sizes)):
        x, y = sum(sizes) / len(sizes), sum(measure.seconds for measure in measures) / len(measures)
        spread = sum((measure.size - x) ** 2 for measure in measures)
        slope = max(0.0, sum((m.size - x) * (m.seconds - y) for m in measures) / spread)
        if y - slope * x >= 0:
            return y + slope * (size - x)
        # A line that begins below nothing: through it, then.
        return size * sum(m.size * m.seconds for m in measures) / sum(m.size**2 for m in measures)
    newest = measures[0]
    if not newest.size:
        return newest.seconds
    return newest.fixed + (newest.seconds - newest.fixed) * size / newest.size
