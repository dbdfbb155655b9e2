"""The nightly maintenance of the embedded warehouse, on the files of real runs and beside them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

import tests_clock
from collector.archive_keys import object_key, parse_key
from ingestion_platform.dates import ONE_DAY, Window
from ingestion_platform.resources import environments
from ingestion_platform.resources.duckdb.lake import Lake


def files_of(lake: Lake, relation: str) -> set[str]:
    return {file.path for file in lake.catalog.snapshot().files[relation]}


def on_disk(lake: Lake) -> set[str]:
    return {path.relative_to(lake.folder).as_posix() for path in lake.folder.rglob("*.parquet")}


def another_object(place: Any, days: int, number: int) -> None:
    """An object more under a past date: a copy of one of another date, so that every hit of it is a duplicate."""
    first = place.archive.objects(place.past(days), place.past(days) + ONE_DAY)[0]
    parsed = parse_key(first.key)
    assert parsed is not None
    key = object_key("late", parsed.arrived_at, f"00000000-0000-4000-8000-{number:012}")
    place.archive.put(key, place.archive.read(first.key))


@pytest.fixture
def lake(place: Any) -> Lake:
    return environments.warehouse(place.settings).lake  # type: ignore[attr-defined, no-any-return]


def metadata(result: Any) -> dict[str, int]:
    (output,) = [event.step_output_data for event in result.all_events if event.is_successful_output]
    return {name: value.value for name, value in output.metadata.items()}


def test_files_are_merged_forgotten_and_deleted(place: Any, lake: Lake) -> None:
    """In this order, over a week and a day; who opens the warehouse meanwhile sees the same rows, and a date's objects in one file."""
    window = Window(place.past(3), place.past(2))
    place.simulate(window.start, truth=False)
    assert place.launch("replay", window).success
    another_object(place, 3, 2)
    environments.warehouse(place.settings).load(place.archive, *window)
    another_object(place, 3, 3)
    assert place.launch("replay", window).success
    before, first = place.everything(), files_of(lake, "raw.logs") | files_of(lake, "stats.overview_1d")
    raw = place.rows("select * from raw.logs order by all")
    assert len(files_of(lake, "raw.logs")) == 3

    night = place.launch("lake_maintenance")
    assert night.success
    assert metadata(night)["files fewer by merging"] >= 2 and metadata(night)["files deleted"] == 0
    assert len(files_of(lake, "raw.logs")) == 1 and first <= on_disk(lake)
    with duckdb.connect(f"{place.settings.warehouse_file}", read_only=True) as reader:
        (sql,) = reader.execute(
            "select sql from duckdb_views() where view_name = 'logs' and schema_name = 'raw'"
        ).fetchone()
        assert Path(files_of(lake, "raw.logs").pop()).name in sql, "the file that readers open shows the merged one"
        assert reader.execute("select * from raw.logs order by all").fetchall() == raw
    assert place.everything() == before

    try:
        tests_clock.move_to(tests_clock.NOW + timedelta(days=8))
        assert metadata(place.launch("lake_maintenance"))["snapshots forgotten"] > 3
        assert first <= on_disk(lake), "somebody may have them open"
        tests_clock.move_to(tests_clock.NOW + timedelta(days=9, hours=1))
        done = metadata(place.launch("lake_maintenance"))
    finally:
        tests_clock.move_to(tests_clock.NOW)
    assert done["files deleted"] > 3 and done["bytes deleted"] > 1000
    assert on_disk(lake) == {path for relation in lake.catalog.snapshot().files for path in files_of(lake, relation)}
    assert place.everything() == before and place.rows("select * from raw.logs order by all") == raw
    assert metadata(place.launch("lake_maintenance")) == dict.fromkeys(done, 0)


def test_runs_go_on_beside_it(place: Any, lake: Lake) -> None:
    """While a replay loads, builds and publishes, maintenance merges the very dates it works on again and again: the run succeeds, and its
    rows are those of a run that nobody was beside."""
    window = Window(place.past(3), place.past(2))
    place.simulate(window.start, truth=False)
    assert place.launch("replay", window).success
    for number in (2, 3, 4):
        another_object(place, 3, number)
        environments.warehouse(place.settings).load(place.archive, *window)
    merged, over = [], threading.Event()

    def keep_house() -> None:
        warehouse = environments.warehouse(place.settings)
        while not over.wait(0.3):
            merged.append(warehouse.keep_house(timedelta(days=1), timedelta(hours=1), datetime.now(UTC)).merged)  # type: ignore[attr-defined]

    beside = threading.Thread(target=keep_house)
    beside.start()
    try:
        result = place.launch("replay", window)
        another_object(place, 3, 5)
        again = place.launch("replay", window)
    finally:
        over.set()
        beside.join()
    assert result.success and again.success
    assert len(merged) > 3 and sum(merged) >= 4
    with_it = place.everything()
    full = place.launch("replay", window, run_config={"ops": {"raw__logs": {"config": {"full_reload": True}}}})
    assert full.success and place.everything() == with_it


def test_an_empty_platform_is_kept(place: Any) -> None:
    """The schedule's first night may come before the first hit."""
    assert place.launch("lake_maintenance").success
