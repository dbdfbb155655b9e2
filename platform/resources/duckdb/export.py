"""What the embedded warehouse exports, written by DuckDB itself."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from ingestion_platform.resources.published_files import DateWriter


def date_writer(connection: duckdb.DuckDBPyConnection, relation: str) -> DateWriter:
    """Writes one event date of `relation` to a file."""

    def write(day: date, path: Path) -> None:
        connection.execute(
            f"copy (select * from {relation} where event_date = ? order by all) to '{path}' (format parquet)", [day]
        )

    return write
