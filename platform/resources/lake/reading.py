"""What an open catalog says: the newest snapshot, and all that a snapshot holds. Nothing here writes."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC, date, datetime

from ingestion_platform.resources.lake.columns import Node, tree, type_text
from ingestion_platform.resources.lake.contents import CatalogError, Column, DataFile, Snapshot, SnapshotInfo, Table

_VALID = "begin_snapshot <= :at and (end_snapshot is null or end_snapshot > :at)"


def head(connection: sqlite3.Connection) -> int:
    """The newest snapshot."""
    found: tuple[int] = connection.execute("select max(snapshot_id) from ducklake_snapshot").fetchone()
    return found[0]


def snapshots_of(connection: sqlite3.Connection) -> list[SnapshotInfo]:
    """Those that are kept, oldest first."""
    rows = connection.execute(
        """
        select snapshot_id, snapshot_time, coalesce(commit_message, '')
        from ducklake_snapshot
        left join ducklake_snapshot_changes using (snapshot_id)
        order by snapshot_id
        """
    )
    return [SnapshotInfo(number, datetime.fromisoformat(at).astimezone(UTC), said) for number, at, said in rows]


def snapshot_of(connection: sqlite3.Connection, at: int | None = None) -> Snapshot:
    """The snapshot `at`, the newest by default. Raises CatalogError for one that is not kept."""
    newest = head(connection)
    chosen = newest if at is None else at
    if not connection.execute("select 1 from ducklake_snapshot where snapshot_id = ?", [chosen]).fetchone():
        oldest = connection.execute("select min(snapshot_id) from ducklake_snapshot").fetchone()[0]
        raise CatalogError(f"snapshot {chosen} is not kept; those from {oldest} to {newest} may be")
    names = _names(connection, chosen)
    partitions = _partition_columns(connection, chosen)
    shapes = {table_id: Shapes(connection, table_id) for table_id in names}
    tables = {
        name: Table(name, shapes[table_id].at(chosen), partitions.get(table_id)) for table_id, name in names.items()
    }
    return Snapshot(chosen, tables, _files(connection, chosen, names, shapes), _views(connection, chosen))


class Shapes:
    """The columns of one table through time."""

    def __init__(self, connection: sqlite3.Connection, table_id: int) -> None:
        self._rows = connection.execute(
            """
            select begin_snapshot, end_snapshot, column_id, column_name, column_type, parent_column
            from ducklake_column
            where table_id = ?
            order by column_order
            """,
            [table_id],
        ).fetchall()
        self._changes = sorted({number for row in self._rows for number in row[:2] if number is not None})
        self._known: dict[int, tuple[Column, ...]] = {}

    def nodes(self, at: int) -> tuple[Node, ...]:
        """Those of a snapshot as trees."""
        return tree(row[2:] for row in self._rows if row[0] <= at and (row[1] is None or row[1] > at))

    def at(self, snapshot_id: int) -> tuple[Column, ...]:
        """Those of a snapshot. Snapshots between two changes of the table share one tuple."""
        period = bisect_right(self._changes, snapshot_id)
        if period not in self._known:
            self._known[period] = tuple(Column(node.name, type_text(node)) for node in self.nodes(snapshot_id))
        return self._known[period]


def _names(connection: sqlite3.Connection, at: int) -> dict[int, str]:
    rows = connection.execute(
        f"""
        select t.table_id, s.schema_name || '.' || t.table_name as name
        from (select * from ducklake_table where {_VALID}) as t
        join ducklake_schema as s using (schema_id)
        order by name
        """,
        {"at": at},
    )
    return dict(rows.fetchall())


def _partition_columns(connection: sqlite3.Connection, at: int) -> dict[int, str]:
    rows = connection.execute(
        f"""
        select p.table_id, c.column_name
        from (select * from ducklake_partition_info where {_VALID}) as p
        join ducklake_partition_column as k using (partition_id)
        join (select * from ducklake_column where {_VALID}) as c on c.table_id = p.table_id and c.column_id = k.column_id
        """,
        {"at": at},
    )
    return dict(rows.fetchall())


def _files(
    connection: sqlite3.Connection, at: int, names: Mapping[int, str], shapes: Mapping[int, Shapes]
) -> dict[str, tuple[DataFile, ...]]:
    # The current ones through the index: those that were replaced may be many times as many.
    valid = "end_snapshot is null and begin_snapshot <= :at" if at == head(connection) else _VALID
    rows = connection.execute(
        f"""
        select f.table_id, p.partition_value, s.path || t.path || f.path, f.record_count, f.file_size_bytes, f.footer_size,
            f.begin_snapshot, f.data_file_id
        from (select * from ducklake_data_file where {valid}) as f
        join ducklake_table as t using (table_id)
        join ducklake_schema as s using (schema_id)
        left join ducklake_file_partition_value as p using (data_file_id)
        order by f.table_id, p.partition_value, f.data_file_id
        """,
        {"at": at},
    )
    days: dict[str | None, date | None] = {None: None}
    found: dict[int, list[DataFile]] = {table_id: [] for table_id in names}
    for table_id, value, path, records, size, footer, begun, file_id in rows:
        if value not in days:
            days[value] = date.fromisoformat(value)
        columns = shapes[table_id].at(begun)
        found[table_id].append(DataFile(names[table_id], days[value], path, records, size, footer, columns, file_id))
    return {names[table_id]: tuple(files) for table_id, files in found.items()}


def _views(connection: sqlite3.Connection, at: int) -> dict[str, str]:
    rows = connection.execute(
        f"""
        select s.schema_name || '.' || v.view_name as name, v.sql
        from (select * from ducklake_view where {_VALID}) as v
        join ducklake_schema as s using (schema_id)
        order by name
        """,
        {"at": at},
    )
    return dict(rows.fetchall())
