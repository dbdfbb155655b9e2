"""How a database of DuckDB's shows a snapshot of the lake: a view a table over the files it has, and the ledger's tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path

import duckdb
import pyarrow as pa

from ingestion_platform.resources.duckdb.tables import LEDGER_VIEWS
from ingestion_platform.resources.lake.contents import Column, DataFile, Snapshot, Table
from ingestion_platform.resources.proposals import WarehouseError

PUBLISHED_SCHEMA = "published"
"""Where a run finds what is published of the tables that it replaces: published.events__logs beside events.logs."""

_WHOLE_NUMBERS = {
    "load_id",
    "size_bytes",
    "row_count",
    "bad_lines",
    "publication_id",
    "snapshot_id",
    "before_publication",
}


def literal(text: object) -> str:
    """A text as SQL has it."""
    return "'" + f"{text}".replace("'", "''") + "'"


def read_files(paths: Sequence[Path | str], partition_column: str | None) -> str:
    """The call that reads Parquet files; those whose folder is another date than a query's are not even opened."""
    files = ", ".join(map(literal, paths))
    hive = (
        f"hive_partitioning = true, hive_types = {{{partition_column}: date}}"
        if partition_column
        else "hive_partitioning = false"
    )
    return f"read_parquet([{files}], {hive})"


def select_files(table: Table, files: Sequence[DataFile], folder: Path) -> str:
    """The SELECT that a table of `files` is. What an older file lacks of the table's columns is null."""
    parts = [
        f"select {_columns(table, columns)} from {read_files([f'{folder}/{file.path}' for file in group], table.partition_column)}"
        for columns, group in groupby(
            sorted(files, key=lambda file: (file.columns, file.path)), lambda file: file.columns
        )
    ]
    return " union all ".join(parts) or f"select {_columns(table, ())} where false"


def _columns(table: Table, held: Iterable[Column]) -> str:
    types = {column.name: column.type for column in held}
    return ", ".join(
        f'"{name}"' if types.get(name) == wanted else f'cast({_held(name, types)} as {wanted}) as "{name}"'
        for name, wanted in table.columns
    )


def _held(name: str, types: Collection[str]) -> str:
    return f'"{name}"' if name in types else "null"


def show_tables(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, folder: Path) -> None:
    """A view a table of `snapshot`, under its own name."""
    for name, table in snapshot.tables.items():
        show(connection, name, select_files(table, snapshot.files.get(name, ()), folder))


def show_published(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, folder: Path) -> None:
    """As `show_tables`, by way of `published_name`, which stays what it is when a run gives its own rows the name of a table."""
    for name, table in snapshot.tables.items():
        show(connection, published_name(name), select_files(table, snapshot.files.get(name, ()), folder))
        show(connection, name, f"select * from {published_name(name)}")


def published_name(relation: str) -> str:
    """published.events__logs for events.logs."""
    return f"{PUBLISHED_SCHEMA}.{relation.replace('.', '__')}"


def show(connection: duckdb.DuckDBPyConnection, name: str, select: str) -> None:
    """A view, its schema included, in place of what had its name."""
    connection.execute(f"create schema if not exists {name.partition('.')[0]}")
    connection.execute(f"create or replace view {name} as {select}")


def show_views(connection: duckdb.DuckDBPyConnection, views: Mapping[str, str]) -> None:
    """Views may read each other: those whose own are not there yet wait for them."""
    while views:
        waiting, failure = {}, None
        for name, sql in views.items():
            try:
                show(connection, name, sql)
            except duckdb.CatalogException as error:
                waiting[name], failure = sql, error
        if len(waiting) == len(views):
            raise WarehouseError(f"{min(waiting)} cannot be shown: {f'{failure}'.splitlines()[0]}")
        views = waiting


def show_live_views(connection: duckdb.DuckDBPyConnection, views: Mapping[str, str]) -> None:
    """Views and the first date that the live ones among them work out, as the ledger in `connection` has it: a macro, which is a constant to
    the planner, so that what lies before is not read (dbt_models/macros/windows.sql)."""
    _say_first_live_date(connection, None)
    show_views(connection, views)
    known = "select 1 from duckdb_views() where schema_name = 'events_live' and view_name = 'live_dates'"
    if connection.execute(known).fetchone():
        ((first,),) = connection.execute("select min(event_date) from events_live.live_dates").fetchall()
        _say_first_live_date(connection, first)


def _say_first_live_date(connection: duckdb.DuckDBPyConnection, first: date | None) -> None:
    text = "null" if first is None else literal(first)
    connection.execute("create schema if not exists events_live")
    connection.execute(f"create or replace macro events_live.first_live_date() as cast({text} as date)")


def show_ledger(
    connection: duckdb.DuckDBPyConnection, ledger: sqlite3.Connection, tables: Collection[str] = LEDGER_VIEWS.keys()
) -> None:
    """The ledger's `tables` as they are now, copied: readers of the warehouse open one file, and need no SQLite."""
    connection.execute("create schema if not exists raw")
    for name in tables:
        connection.register("ledger_rows", arrow(ledger, f"clickstream_{name}"))
        connection.execute(f"create or replace table raw.{name} as {LEDGER_VIEWS[name]} from ledger_rows")
        connection.unregister("ledger_rows")


def arrow(ledger: sqlite3.Connection, table: str) -> pa.Table:
    """A table of the ledger; SQLite gives no types for a table without rows."""
    cursor = ledger.execute(f"select * from {table}")
    names = [column[0] for column in cursor.description]
    schema = pa.schema([(name, pa.int64() if name in _WHOLE_NUMBERS else pa.string()) for name in names])
    columns = [list(values) for values in zip(*cursor.fetchall(), strict=True)] or [[] for _ in names]
    return pa.table(columns, schema=schema)
