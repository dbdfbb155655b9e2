"""The ledger of the embedded warehouse, in the catalog's file: which objects RAW.LOGS holds, what they changed, what was built from them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pyarrow as pa

from ingestion_platform.dates import Window
from ingestion_platform.resources.archive import ArchiveObject
from ingestion_platform.resources.duckdb.tables import LEDGER, LEDGER_ADDITIONS
from ingestion_platform.resources.duckdb.views import show_ledger
from ingestion_platform.resources.lake.catalog import Catalog
from ingestion_platform.resources.warehouse import STALE_DATES_SQL

_KNOWN_ARCHIVE = (
    "select (select max(archive_id) from clickstream_archives), exists (select 1 from clickstream_load_history)"
)


class LakeLedger:
    """The ledger over an open transaction; see `ingestion_platform.resources.ledger.Ledger`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def create_tables(self) -> None:
        """Create what is missing of the ledger."""
        for statement in LEDGER.split(";"):
            self._connection.execute(statement)
        for table, column, definition in self.missing_columns():
            self._connection.execute(f"alter table {table} add column {column} {definition}")

    def missing_columns(self) -> list[tuple[str, str, str]]:
        """What the ledger of a lake from before lacks: table, column and its definition."""
        return [
            (table, column, definition)
            for table, column, definition in LEDGER_ADDITIONS
            if not self._run("select 1 from pragma_table_info(?) where name = ?", [table, column])
        ]

    def known_archive(self) -> tuple[str | None, bool]:
        ((archive_id, holds_objects),) = self._run(_KNOWN_ARCHIVE)
        return archive_id, bool(holds_objects)

    def note_archive(self, archive_id: str) -> None:
        self._run("delete from clickstream_archives")
        self._run("insert into clickstream_archives values (?)", [archive_id])

    def held(self, start: date, end: date) -> list[ArchiveObject]:
        rows = self._run(
            "select object_key, size_bytes, etag from clickstream_load_history where arrival_date >= ? and arrival_date < ?",
            [f"{start}", f"{end}"],
        )
        return [ArchiveObject(*row) for row in rows]

    def totals(self, start: date, end: date) -> dict[date, tuple[int, int]]:
        rows = self._run(
            "select arrival_date, sum(row_count), sum(bad_lines) from clickstream_load_history "
            "where arrival_date >= ? and arrival_date < ? group by arrival_date",
            [f"{start}", f"{end}"],
        )
        return {date.fromisoformat(day): (count, bad) for day, count, bad in rows}

    def remove(self, keys: Sequence[str]) -> list[date]:
        """Forget these objects; returns the event dates that they had."""
        given = [json.dumps(list(keys))]
        named = "object_key in (select value from json_each(?))"
        rows = self._run(f"select event_dates from clickstream_load_history where {named}", given)
        self._run(f"delete from clickstream_load_history where {named}", given)
        return sorted({date.fromisoformat(day) for (days,) in rows for day in json.loads(days)})

    def note_changes(self, event_dates: Collection[date]) -> int:
        """Give this load its number and note the event dates it changed; returns the number."""
        ((latest,),) = self._run(
            "select max((select coalesce(max(load_id), 0) from clickstream_event_date_changes), "
            "(select coalesce(max(load_id), 0) from clickstream_load_history))"
        )
        self._connection.executemany(
            "insert or replace into clickstream_event_date_changes values (?, ?)",
            [(f"{day}", latest + 1) for day in event_dates],
        )
        return int(latest) + 1

    def note_objects(self, load_id: int, rows: Sequence[dict[str, Any]]) -> None:
        """Note what load `load_id` brought."""
        self._connection.executemany(
            "insert into clickstream_load_history values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    load_id,
                    row["object_key"],
                    f"{row['arrival_date']}",
                    row["etag"],
                    row["size_bytes"],
                    row["row_count"],
                    row["bad_lines"],
                    json.dumps([f"{day}" for day in row["event_dates"]]),
                    _now(),
                )
                for row in rows
            ],
        )

    def latest_load_id(self) -> int:
        return int(self._run("select coalesce(max(load_id), 0) from clickstream_event_date_changes")[0][0])

    def stale_dates(self, models: Sequence[str], start: date, end: date, first: date) -> list[date]:
        # The rule is written once, for DuckDB and Snowflake; SQLite has no intervals.
        with duckdb.connect() as connection:
            show_ledger(connection, self._connection, ("event_date_changes", "build_history"))
            connection.register("days", pa.table({"day": pa.array(Window(start, end).days, pa.date32())}))
            connection.register("models", pa.table({"model": pa.array(list(models), pa.string())}))
            connection.register("first_partition", pa.table({"day": pa.array([first], pa.date32())}))
            return [row[0] for row in connection.execute(f"with {STALE_DATES_SQL}").fetchall()]

    def _run(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, list(parameters)).fetchall()


class ReadingLedger(LakeLedger):
    """The ledger while a load looks around, which may take long: what it notes is a transaction of its own."""

    def __init__(self, catalog: Catalog, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._catalog = catalog

    def note_archive(self, archive_id: str) -> None:
        with self._catalog.change("archive") as change:
            LakeLedger(change.connection).note_archive(archive_id)


def _now() -> str:
    """The moment, UTC, as the ledger has it."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ")
