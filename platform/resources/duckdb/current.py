"""DATA_DIR/warehouse.duckdb: what a user opens. A small file of views over the newest snapshot of the lake.

It is never changed: each publication writes another and gives it the name. Whoever has it open goes on seeing what it saw, and whoever
opens it sees the newest; nobody waits, and nothing that a reader does keeps anyone from publishing.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

import duckdb

from collector.durable import staged_path
from ingestion_platform.resources.duckdb.lake import Lake
from ingestion_platform.resources.duckdb.views import select_files, show, show_ledger, show_live_views
from ingestion_platform.resources.lake.contents import Snapshot

_SHOWN = "main.shown_snapshot"
_FORMAT = 2

# Whoever opens the file has some version of DuckDB, and those before 2.0 refuse what 2.0 writes unless told so.
_FOR_ANY_DUCKDB: dict[str, str | bool | int | float | list[str]] = {"storage_compatibility_version": "v1.0.0"}


def is_current(connection: duckdb.DuckDBPyConnection, lake: Lake) -> bool:
    """Whether the file that `connection` has open as its default shows the newest snapshot of `lake`, from where the lake lies now."""
    with lake.catalog.reading() as catalog:
        return _shown(connection) == _newest(lake, catalog)


def shows_a_lake(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the file that `connection` has open as its default is one of these, of whatever lake and release."""
    try:
        connection.execute(f"select * from {_SHOWN}")
    except duckdb.CatalogException:
        return False
    return True


class _Shown(NamedTuple):
    """What a file shows. Snapshots have numbers, and a lake that was restored from a copy gives them again: the time tells them apart."""

    snapshot_id: int
    snapshot_time: str
    folder: str
    format: int = _FORMAT


def _newest(lake: Lake, catalog: sqlite3.Connection) -> _Shown:
    newest = "select snapshot_id, snapshot_time from ducklake_snapshot order by snapshot_id desc limit 1"
    snapshot_id, snapshot_time = catalog.execute(newest).fetchone()
    return _Shown(snapshot_id, snapshot_time, f"{lake.folder}")


def _shown(connection: duckdb.DuckDBPyConnection) -> _Shown | None:
    try:
        rows = connection.execute(f"select * from {_SHOWN}").fetchall()
        return _Shown(*rows[0]) if rows else None
    except (duckdb.CatalogException, TypeError):
        return None


def write_current(lake: Lake, path: Path) -> None:
    """Write the file at `path` anew, from what it shows already where that can be."""
    with lake.lock("current"), staged_path(path, "new") as temporary:
        # The last one tells which views are as they were: to make the live views anew costs more than all others together.
        held = _held(lake, path, temporary)
        with (
            lake.catalog.reading() as ledger,
            duckdb.connect(f"{temporary}", config=_FOR_ANY_DUCKDB) as connection,
        ):
            shown = _newest(lake, ledger)
            snapshot = lake.catalog.snapshot(shown.snapshot_id)
            # First: live views read it, and a view is not made before what it reads.
            show_ledger(connection, ledger)
            _show(connection, snapshot, lake, held)
            columns = ", ".join(f"? as {name}" for name in shown._fields)
            connection.execute(f"create or replace table {_SHOWN} as select {columns}", list(shown))


def _held(lake: Lake, path: Path, temporary: Path) -> Snapshot | None:
    """The snapshot that the file at `path` shows, copied to `temporary`; None when it is of no use."""
    # What a killed process left of its own; a log would be taken for the copy's.
    temporary.unlink(missing_ok=True)
    temporary.with_name(f"{temporary.name}.wal").unlink(missing_ok=True)
    if not path.exists():
        return None
    shutil.copyfile(path, temporary)
    try:
        with duckdb.connect(f"{temporary}", read_only=True) as connection:
            shown = _shown(connection)
    except duckdb.Error:
        shown = None
    with lake.catalog.reading() as catalog:
        times = dict(catalog.execute("select snapshot_id, snapshot_time from ducklake_snapshot"))
    if shown is not None and shown == _Shown(shown.snapshot_id, times.get(shown.snapshot_id, ""), f"{lake.folder}"):
        return lake.catalog.snapshot(shown.snapshot_id)
    temporary.unlink()
    return None


def _show(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, lake: Lake, held: Snapshot | None) -> None:
    for name, table in snapshot.tables.items():
        files = snapshot.files.get(name, ())
        if held is None or held.tables.get(name) != table or held.files.get(name, ()) != files:
            show(connection, name, select_files(table, files, lake.folder))
    known = held.views if held is not None else {}
    for name in known.keys() - snapshot.views.keys():
        connection.execute(f"drop view if exists {name}")
    show_live_views(connection, {name: sql for name, sql in snapshot.views.items() if known.get(name) != sql})
