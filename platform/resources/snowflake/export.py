"""What Snowflake publishes: a relation is fetched once, and written by date."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingestion_platform.resources.published_files import DateWriter
from ingestion_platform.resources.snowflake.session import Session


def date_writer(session: Session, relation: str, start: date, end: date) -> DateWriter:
    """Writes one event date of `relation`, out of [start, end), to a file."""
    table = session.table(
        f"select * from {relation} where event_date >= ? and event_date < ? order by 1, 2, 3, 4", [start, end]
    )

    def write(day: date, path: Path) -> None:
        pq.write_table(table.filter(pc.equal(table["event_date"], pa.scalar(day))), path)

    return write
