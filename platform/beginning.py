"""Where the data begin: the first date that Dagster shows, so that a week of data does not stand behind a year of empty dates.

Models and commands know dates from PARTITIONS_START on in any case. It is read when the code location loads: older objects that
come later show after it was loaded again.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

from collector.archive_keys import DATA_PREFIX
from collector.errors import ExpectedError
from ingestion_platform.dates import ARRIVAL_MARGIN, today
from ingestion_platform.resources.lake.catalog import Catalog
from ingestion_platform.settings import Environment, Settings


def first_partition(settings: Settings) -> date:
    """PARTITIONS_START where it is given; else, on a laptop, ARRIVAL_MARGIN dates before the first object that the archive holds or the
    warehouse has loaded: its hits may have been held back that long."""
    start = settings.partitions_start
    if settings.environment is not Environment.LOCAL or "partitions_start" in settings.model_fields_set:
        return start
    known = [day for day in (_first_arrival(settings.archive_folder / DATA_PREFIX), _first_loaded(settings)) if day]
    if not known:
        return start
    return min(max(start, min(known) - timedelta(days=ARRIVAL_MARGIN)), today())


def _first_arrival(folder: Path) -> date | None:
    """The first YYYY/MM/DD below a folder."""
    for year in _names(folder):
        for month in _names(folder / year):
            for day in _names(folder / year / month):
                with suppress(ValueError):
                    return date.fromisoformat(f"{year}-{month}-{day}")
    return None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []


def _first_loaded(settings: Settings) -> date | None:
    """Nothing where there is no lake, or none that can be read: whoever needs it says why, which loading the code location need not."""
    catalog = Catalog(settings.lake_catalog.parent)
    with suppress(sqlite3.Error, ExpectedError, OSError), catalog.reading() as connection:
        ((first,),) = connection.execute("select min(arrival_date) from clickstream_load_history").fetchall()
        return date.fromisoformat(first) if first is not None else None
    return None
