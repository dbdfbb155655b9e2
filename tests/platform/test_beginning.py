"""Where Dagster's dates begin: with the data on a laptop, wherever PARTITIONS_START says else."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from collector.archive_keys import day_prefix
from ingestion_platform import settings as environment
from ingestion_platform.beginning import first_partition
from ingestion_platform.dates import ONE_DAY, today
from ingestion_platform.resources.duckdb.ledger import LakeLedger
from ingestion_platform.resources.environments import warehouse
from ingestion_platform.resources.lake.catalog import Catalog


def _first(data_dir: Path, **variables: str) -> date:
    return first_partition(environment.read({"DATA_DIR": f"{data_dir}", **variables}))


def _arrived(data_dir: Path, day: date) -> None:
    (data_dir / "archive" / day_prefix(day) / "00").mkdir(parents=True)


def test_without_data_dates_begin_with_the_setting(tmp_path: Path) -> None:
    """Nothing is known yet: history may be simulated for any date of the year."""
    assert _first(tmp_path) == date(2026, 1, 1)


def test_dates_begin_before_the_archive_s_first_object(tmp_path: Path) -> None:
    """A hit of 23:59 that was held back for a minute arrived on the next date."""
    _arrived(tmp_path, date(2026, 2, 3))
    _arrived(tmp_path, date(2026, 1, 17))
    (tmp_path / "archive" / "stream_data" / "2026" / "01" / "notes").mkdir()
    assert _first(tmp_path) == date(2026, 1, 15)


def test_a_given_start_holds(tmp_path: Path) -> None:
    """Also where it is the default's date; production's archive is not looked through."""
    _arrived(tmp_path, date(2026, 1, 17))
    assert _first(tmp_path, PARTITIONS_START="2026-01-01") == date(2026, 1, 1)
    assert _first(tmp_path, INGEST_ENV="production", ARCHIVE_BUCKET="b") == date(2026, 1, 1)


@pytest.mark.parametrize("arrived", [date(2025, 12, 24), date(2026, 1, 1), date(2999, 1, 1)])
def test_dates_begin_within_what_is_modelled(tmp_path: Path, arrived: date) -> None:
    """Objects from before are not modelled, and a clock that is wrong by centuries hides no date."""
    _arrived(tmp_path, arrived)
    assert _first(tmp_path) == min(max(arrived - 2 * ONE_DAY, date(2026, 1, 1)), today())


def test_dates_whose_objects_are_lost_stay_in_sight(tmp_path: Path) -> None:
    """The warehouse holds them still, and they are what somebody looks for then."""
    _arrived(tmp_path, date(2026, 1, 17))
    warehouse(environment.read({"DATA_DIR": f"{tmp_path}"})).create_tables()
    assert _first(tmp_path) == date(2026, 1, 15)
    lost = {
        "object_key": "k",
        "arrival_date": date(2026, 1, 9),
        "etag": "e",
        "size_bytes": 1,
        "row_count": 1,
        "bad_lines": 0,
    }
    with Catalog(tmp_path / "lake").change("load") as change:
        LakeLedger(change.connection).note_objects(1, [{**lost, "event_dates": [date(2026, 1, 9)]}])
    assert _first(tmp_path) == date(2026, 1, 7)
    (tmp_path / "lake" / "catalog.sqlite").write_bytes(b"no catalog")
    assert _first(tmp_path) == date(2026, 1, 15)
