"""An open connection to Snowflake and the statements of the raw layer by their names: what the warehouse and its loads speak through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from ingestion_platform.resources.archive import Archive, ArchiveObject
from ingestion_platform.resources.guard import recognise
from ingestion_platform.resources.snowflake import sql as sql
from ingestion_platform.resources.warehouse import WarehouseError

_ROWS_PER_STATEMENT = 5000
# A pipe that has not taken an object after so long will not.
_RECENT = timedelta(days=2)


def chunks(rows: Sequence[Any]) -> Iterator[str]:
    """The rows as JSON texts, each of what one statement takes."""
    for start in range(0, len(rows), _ROWS_PER_STATEMENT):
        yield sql.as_json(rows[start : start + _ROWS_PER_STATEMENT])


class Session:
    """An open connection and the statements by their names."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened

    def run(self, name: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.execute(sql.statements()[name], parameters)

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._opened.cursor() as cursor:
            cursor.execute(statement, list(parameters) or None)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def table(self, statement: str, parameters: Sequence[Any]) -> pa.Table:
        """The result as an Arrow table with the types that the DuckDB side has, names in lower case."""
        with self._opened.cursor() as cursor:
            cursor.execute(statement, list(parameters))
            schema = pa.schema([(column.name.lower(), _arrow_type(column)) for column in cursor.description])
            rows = cursor.fetchall()
        return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)

    def create_tables(self) -> None:
        """Create what is missing, and ask first: CREATE ... IF NOT EXISTS needs the privilege even when the table is there."""
        schemas = {row[0] for row in self.run("existing_schemas")}
        existing = {row[0] for row in self.run("existing_tables")}
        for schema in ("raw", "events"):
            if schema not in schemas:
                self.execute(f"create schema if not exists {schema}")
        for name, statement in sql.tables().items():
            if name not in existing:
                self.execute(statement)
                if name == "raw.load_counter":
                    self.run("start_counter")

    def held(self, start: date, end: date) -> list[ArchiveObject]:
        """What the ledger holds of arrival dates [start, end)."""
        return [ArchiveObject(*row) for row in self.run("held_objects", start, end)]

    def known_archive(self) -> tuple[str | None, bool]:
        """The id of the archive that the ledger knows, and whether the ledger holds objects."""
        return self.run("known_archive")[0][0], bool(self.run("holds_objects")[0][0])

    def recognise(self, archive: Archive) -> str:
        """Hold the archive against the one that the ledger knows; the line that says why it is refused, or nothing."""
        known, holds = self.known_archive()
        found, refused = recognise(archive, known, holds)
        if found is not None and found != known:
            with self.transaction():
                self.run("forget_archive")
                self.run("note_archive", found)
        return refused

    def row_count_mismatches(self, start: date, end: date) -> set[str]:
        """Keys of lately loaded objects of which RAW.LOGS holds another number of rows than the ledger says."""
        since = (datetime.now(UTC) - _RECENT).replace(tzinfo=None).isoformat(" ")
        return {row[0] for row in self.run("unequal_objects", start, end, since, start, end, since)}

    @contextmanager
    def transaction(self, wanted: bool = True) -> Iterator[None]:
        """One transaction around the block; nothing when it is not `wanted`, since an outer one holds."""
        if not wanted:
            yield
            return
        self.execute("begin")
        try:
            yield
        except BaseException:
            self.execute("rollback")
            raise
        self.execute("commit")


def _arrow_type(column: Any) -> pa.DataType:
    from snowflake.connector.constants import FIELD_ID_TO_NAME

    name = FIELD_ID_TO_NAME[column.type_code]
    if name == "FIXED":
        return pa.decimal128(38, column.scale) if column.scale else pa.int64()
    types = {
        "REAL": pa.float64(),
        "TEXT": pa.string(),
        "DATE": pa.date32(),
        "TIMESTAMP_NTZ": pa.timestamp("us"),
        "BOOLEAN": pa.bool_(),
    }
    if name not in types:
        raise WarehouseError(f"column {column.name} has type {name}, which statistics do not have")
    return types[name]
