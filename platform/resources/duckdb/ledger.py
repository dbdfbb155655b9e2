"""The ledger of the embedded warehouse: which objects RAW.LOGS holds, what they changed, and what was built from them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from ingestion_platform.dates import Window
from ingestion_platform.resources.archive import ArchiveObject
from ingestion_platform.resources.duckdb.tables import TABLES
from ingestion_platform.resources.transaction import transaction
from ingestion_platform.resources.warehouse import STALE_DATES_SQL

_KNOWN_ARCHIVE = """
select (select max(archive_id) from raw.archives), exists (select 1 from raw.load_history)
"""

_LEDGER_SCHEMA = pa.schema(
    [
        ("load_id", pa.int64()),
        ("object_key", pa.string()),
        ("arrival_date", pa.date32()),
        ("etag", pa.string()),
        ("size_bytes", pa.int64()),
        ("row_count", pa.int64()),
        ("bad_lines", pa.int64()),
        ("event_dates", pa.list_(pa.date32())),
    ]
)


class DuckDBLedger:
    """The ledger in an open file; see `ingestion_platform.resources.ledger.Ledger`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def create_tables(self) -> None:
        """Create what is missing of schemas, raw tables and the ledger."""
        self._connection.execute(TABLES)

    def known_archive(self) -> tuple[str | None, bool]:
        # A file that is older than markers, opened for reading, has no such table; it held objects, or it would be of no use.
        if not self._run("from duckdb_tables() where schema_name = 'raw' and table_name = 'archives'"):
            return None, True
        ((archive_id, holds_objects),) = self._run(_KNOWN_ARCHIVE)
        return archive_id, holds_objects

    def note_archive(self, archive_id: str) -> None:
        with transaction(self._connection.execute):
            self._run("delete from raw.archives")
            self._run("insert into raw.archives values (?)", [archive_id])

    def held(self, start: date, end: date) -> list[ArchiveObject]:
        rows = self._run(
            "select object_key, size_bytes, etag from raw.load_history where arrival_date >= ? and arrival_date < ?",
            [start, end],
        )
        return [ArchiveObject(*row) for row in rows]

    def totals(self, start: date, end: date) -> dict[date, tuple[int, int]]:
        rows = self._run(
            "select arrival_date, sum(row_count), sum(bad_lines) from raw.load_history "
            "where arrival_date >= ? and arrival_date < ? group by arrival_date",
            [start, end],
        )
        return {day: (int(count), int(bad)) for day, count, bad in rows}

    def remove(self, keys: Sequence[str]) -> list[date]:
        """Forget these objects, and what RAW holds of them; returns the event dates that they had."""
        self._connection.register("removed", pa.table({"object_key": list(keys)}))
        touched = self._run(
            "select distinct unnest(event_dates) from raw.load_history where object_key in (select object_key from removed)"
        )
        for table, column in (("logs", "log_filename"), ("bad_lines", "log_filename"), ("load_history", "object_key")):
            self._run(f"delete from raw.{table} where {column} in (select object_key from removed)")
        return [row[0] for row in touched]

    def note_changes(self, event_dates: Collection[date]) -> int:
        """Give this load its number and note the event dates it changed; returns the number."""
        latest = self._run(
            "select greatest((select coalesce(max(load_id), 0) from raw.event_date_changes), "
            "(select coalesce(max(load_id), 0) from raw.load_history))"
        )
        load_id = int(latest[0][0]) + 1
        if event_dates:
            self._connection.executemany(
                "insert or replace into raw.event_date_changes values (?, ?)", [(day, load_id) for day in event_dates]
            )
        return load_id

    def note_objects(self, load_id: int, rows: Sequence[dict[str, Any]]) -> None:
        """Note what load `load_id` brought."""
        if rows:
            numbered = [{**row, "load_id": load_id} for row in rows]
            self._connection.register("ledger", pa.Table.from_pylist(numbered, _LEDGER_SCHEMA))
            self._run("insert into raw.load_history select *, current_localtimestamp() from ledger")

    def latest_load_id(self) -> int:
        return int(self._run("select coalesce(max(load_id), 0) from raw.event_date_changes")[0][0])

    def record_build(self, models: Sequence[str], start: date, end: date, latest_load_id: int) -> None:
        rows = [(model, day, latest_load_id) for model in models for day in Window(start, end).days]
        with transaction(self._connection.execute):
            self._connection.executemany("insert or replace into raw.build_history values (?, ?, ?)", rows)

    def stale_dates(self, models: Sequence[str], start: date, end: date, first: date) -> list[date]:
        self._connection.register("days", pa.table({"day": pa.array(Window(start, end).days, pa.date32())}))
        self._connection.register("models", pa.table({"model": pa.array(list(models), pa.string())}))
        self._connection.register("first_partition", pa.table({"day": pa.array([first], pa.date32())}))
        return [row[0] for row in self._run(f"with {STALE_DATES_SQL}")]

    def _run(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, list(parameters)).fetchall()
