"""The lake with years of dates: what a reader waits for, and how long a publication takes to be seen.

The dates are copies of a few that were built: what counts here is how many files there are, not what is in them.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.measure import run_module
from benchmarks.replay import simulate
from ingestion_platform.changes import Cell, Fingerprint, everything
from ingestion_platform.dates import Window
from ingestion_platform.resources.duckdb.lake import Lake
from ingestion_platform.resources.duckdb.publications import LakePublications
from ingestion_platform.resources.duckdb.warehouse import DuckDBWarehouse
from ingestion_platform.resources.lake.contents import DataFile, NewFile
from ingestion_platform.resources.proposals import PublicationKind

_HITS, _DATES, _PUBLISHED_DATES, _TIMES = 600, 2, 31, 7


def run(folder: Path, dates: int) -> dict[str, Any]:
    """Seconds, medians of several, on a lake with so many dates of every table."""
    traffic = simulate(folder, _HITS, _DATES)
    last = traffic.end - timedelta(days=1)
    run_module(
        "ingestion_platform", "replay", "--from", f"{traffic.start}", "--to", f"{last}",
        log=folder / "replay.log", DATA_DIR=f"{folder}", PARTITIONS_START=f"{traffic.start}",
    )  # fmt: skip
    warehouse = DuckDBWarehouse(folder / "warehouse.duckdb")
    built = traffic.start
    days = [built + timedelta(days=n) for n in range(dates)]
    with warehouse.lake.catalog.change("years of dates") as change:
        for relation, files in warehouse.lake.catalog.snapshot().files.items():
            models = [file for file in files if file.day == built]
            change.replace(relation, days, [_copy(warehouse.lake, file, day) for file in models for day in days])
    one_date = f"select count(*), sum(hits) from events.sessions where event_date = date '{days[dates // 2]}'"
    path = f"{warehouse.path}"
    warehouse.path.unlink()
    return {
        "dates": dates,
        "files": sum(map(len, warehouse.lake.catalog.snapshot().files.values())),
        "warehouse_file_from_nothing_seconds": _timed(lambda: warehouse.query("select 1"), 1),
        "opening_seconds": _timed(lambda: _read(path, "select 1 from events.logs limit 1")),
        "opening_and_one_date_seconds": _timed(lambda: _read(path, one_date)),
        "publication_seconds": _publication(warehouse, Window(days[0], days[min(dates, _PUBLISHED_DATES) - 1])),
        "roll_back_seconds": _roll_back(warehouse),
    }


def _copy(lake: Lake, file: DataFile, day: date) -> NewFile:
    """One more name for a file, as that of another date: the date of its folder is the one that counts."""
    held = Path(file.path)
    target = held.parent.parent / f"{held.parent.name.partition('=')[0]}={day}" / held.name
    (lake.folder / target).parent.mkdir(parents=True, exist_ok=True)
    if not (lake.folder / target).exists():
        os.link(lake.folder / file.path, lake.folder / target)
    return NewFile(file.relation, day, target.as_posix(), file.rows, file.size, file.footer_size)


def _read(path: str, sql: str) -> None:
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute(sql).fetchall()


def _publication(warehouse: DuckDBWarehouse, window: Window) -> float:
    """From the last staged row to the moment at which whoever opens the warehouse sees it."""
    snapshot = warehouse.lake.catalog.snapshot()
    relations = {
        name.partition(".")[2]: name
        for name, table in snapshot.tables.items()
        if table.partition_column == "event_date"
    }
    first = {name: files[0] for name, files in snapshot.files.items() if files}
    relations = {name: relation for name, relation in relations.items() if relation in first}

    def publish() -> float:
        with warehouse.propose(relations, window) as proposal:
            staged = Path(proposal.environment["LAKE_STAGED"])
            for relation in relations.values():
                content = (warehouse.lake.folder / first[relation].path).read_bytes()
                for day in window.days:
                    staged.joinpath(*relation.split("."), f"event_date={day}", "rows.parquet").write_bytes(content)
            made = f"{time.time_ns()}"
            staged_rows = {
                Cell(name, day): Fingerprint(first[relation].rows, {"any": made}, "benchmark")
                for name, relation in relations.items()
                for day in window.days
            }
            with warehouse.lake.catalog.reading() as connection:
                published = LakePublications(connection).current(relations, window)
            changes = everything(staged_rows, published, 0)
            began = time.perf_counter()
            proposal.publish(changes)
            return time.perf_counter() - began

    return round(statistics.median(publish() for _ in range(3)), 3)


def _roll_back(warehouse: DuckDBWarehouse) -> float:
    """Taking back the newest publications, of as many dates, until that is seen."""

    def take_back() -> float:
        number = next(
            one.number
            for one in warehouse.publications()
            if one.kind is PublicationKind.RUN and one.number not in taken
        )
        taken.add(number)
        began = time.perf_counter()
        warehouse.roll_back(number)
        return time.perf_counter() - began

    taken: set[int] = set()
    return round(statistics.median(take_back() for _ in range(2)), 3)


def _timed(work: Callable[[], object], times: int = _TIMES) -> float:
    """The median seconds of `times` runs."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return round(statistics.median(seconds), 4)
