"""A change of the lake, in a transaction that its catalog holds: tables, files and views, which together become one snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from datetime import date

from ingestion_platform.resources.lake import definitions
from ingestion_platform.resources.lake.contents import CatalogError, DataFile, NewFile, Table
from ingestion_platform.resources.lake.draft import Draft
from ingestion_platform.resources.lake.reading import Shapes

_MERGED = "merge_adjacent"
"""What the specification calls it that a snapshot only merged files: its rows are those of the one before."""

_OF_A_DAY = """
    select f.data_file_id, f.begin_snapshot
    from ducklake_file_partition_value as p
    join ducklake_data_file as f using (data_file_id)
    where p.table_id = ? and p.partition_value = ? and f.end_snapshot is null
"""
_OF_NO_DAY = """
    select data_file_id, begin_snapshot
    from ducklake_data_file
    where table_id = ? and end_snapshot is null and partition_id is null
"""
_FILE = "insert into ducklake_data_file values (?, ?, ?, null, null, ?, 1, 'parquet', ?, ?, ?, ?, ?, null, ?, null)"
_COUNT = """
    update ducklake_table_stats
    set (record_count, file_size_bytes) = (
        select coalesce(sum(record_count), 0), coalesce(sum(file_size_bytes), 0)
        from ducklake_data_file
        where table_id = :table_id and end_snapshot is null
    )
    where table_id = :table_id
"""


class Change:
    """What `Catalog.change` gives. `connection` is for the ledger's statements, `before` the snapshot that the change is based on."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self.connection: sqlite3.Connection = draft.connection
        self.before: int = draft.before

    def define_table(self, table: Table) -> None:
        """Create the table, or bring it to these columns: new ones, and new fields of a struct, at the end, and wider types.

        Nothing happens where it has them. Raises CatalogError for any other change. Files come after it: they have these columns.
        """
        definitions.define_table(self._draft, table)

    def put_view(self, name: str, sql: str) -> None:
        """Create the view (schema.view), or give it another text."""
        definitions.put_view(self._draft, name, sql)

    def drop_view(self, name: str) -> None:
        """Remove the view, if there is one."""
        definitions.drop_view(self._draft, name)

    def replace(self, relation: str, days: Collection[date | None], files: Sequence[NewFile]) -> None:
        """Let these files be all that the relation has of these days; a day may have none. None is the day of a table without dates.

        They may be such as an earlier snapshot had, to publish it again, if the table's columns are those of then.
        """
        for file in files:
            if file.relation != relation or file.day not in days:
                raise CatalogError(f"{file.path} would replace something of {relation} that it was not said to")
        table_id = self._table_id(relation)
        ended = [self._end(table_id, day) for day in sorted(days, key=str)]
        if any(ended):
            self._draft.made(f"deleted_from_table:{table_id}")
            self.connection.execute(_COUNT, {"table_id": table_id})
        self.add(files)

    def add(self, files: Sequence[NewFile]) -> None:
        """Add files to what their tables have."""
        for relation in dict.fromkeys(file.relation for file in files):
            table_id = self._table_id(relation)
            self._add(table_id, relation, [file for file in files if file.relation == relation])
            self._draft.made(f"inserted_into_table:{table_id}")
            self.connection.execute(_COUNT, {"table_id": table_id})

    def merge(self, table: Table, files: Sequence[DataFile], merged: NewFile) -> bool:
        """Let one file with the rows of `files`, which are of one date of `table`, take their place; the only thing that a change does.

        Nothing happens, and the answer is no, where one of them is not current any more, or the table has other columns by now.
        Raises CatalogError for other rows.
        """
        if merged.rows != sum(file.rows for file in files) or {(file.relation, file.day) for file in files} != {
            (merged.relation, merged.day)
        }:
            raise CatalogError(f"{merged.path} has not the rows of what it would replace; nothing was changed")
        table_id = self._table_id(merged.relation)
        if Shapes(self.connection, table_id).at(self.before) != table.columns:
            return False
        ended = [
            self.connection.execute(
                "update ducklake_data_file set end_snapshot = ? where data_file_id = ? and end_snapshot is null",
                [self._draft.number, file.file_id],
            ).rowcount
            for file in files
        ]
        if not all(ended):
            self.connection.execute(
                "update ducklake_data_file set end_snapshot = null where end_snapshot = ?", [self._draft.number]
            )
            return False
        self._add(table_id, merged.relation, [merged])
        self._draft.made(f"{_MERGED}:{table_id}")
        self.connection.execute(_COUNT, {"table_id": table_id})
        return True

    def _table_id(self, relation: str) -> int:
        table_id = definitions.table_id_of(self._draft, relation)
        if table_id is None:
            raise CatalogError(f"the lake has no table {relation} yet; it is made by the first run that builds it")
        return table_id

    def _end(self, table_id: int, day: date | None) -> bool:
        """End what is current of the day; whether there was any."""
        if day is None:
            files = self.connection.execute(_OF_NO_DAY, [table_id]).fetchall()
        else:
            files = self.connection.execute(_OF_A_DAY, [table_id, f"{day}"]).fetchall()
        for file_id, begun in files:
            if begun < self._draft.number:
                self.connection.execute(
                    "update ducklake_data_file set end_snapshot = ? where data_file_id = ?",
                    [self._draft.number, file_id],
                )
                continue
            # Added by this very change: no snapshot ever had it.
            for name in ("data_file", "file_partition_value", "file_column_stats"):
                self.connection.execute(f"delete from ducklake_{name} where data_file_id = ?", [file_id])
        return bool(files)

    def _add(self, table_id: int, relation: str, files: Sequence[NewFile]) -> None:
        (mapping_id,) = self.connection.execute(
            "select max(mapping_id) from ducklake_column_mapping where table_id = ?", [table_id]
        ).fetchone()
        (row_id,) = self.connection.execute(
            "select next_row_id from ducklake_table_stats where table_id = ?", [table_id]
        ).fetchone()
        partition_id, column_id, column = definitions.partition_of(self._draft, table_id)
        folder = relation.replace(".", "/") + "/"
        for file in files:
            inside = f"{folder}{column}={file.day}/" if column else folder
            name = file.path.removeprefix(inside)
            if name == file.path or "/" in name or (column is None) != (file.day is None):
                raise CatalogError(f"{file.path} does not lie in {inside}, where {relation} has its files")
            within = file.path.removeprefix(folder)
            self._publish_again(table_id, within, mapping_id, file)
            file_id = self._draft.file_id()
            self.connection.execute(
                _FILE,
                [
                    file_id,
                    table_id,
                    self._draft.number,
                    within,
                    file.rows,
                    file.size,
                    file.footer_size,
                    row_id,
                    partition_id,
                    mapping_id,
                ],
            )
            row_id += file.rows
            if column:
                self.connection.execute(
                    "insert into ducklake_file_partition_value values (?, ?, 0, ?)", [file_id, table_id, f"{file.day}"]
                )
                self.connection.execute(
                    "insert into ducklake_file_column_stats values (?, ?, ?, 0, ?, 0, ?, ?, null, null)",
                    [file_id, table_id, column_id, file.rows, f"{file.day}", f"{file.day}"],
                )
        self.connection.execute(
            "update ducklake_table_stats set next_row_id = ? where table_id = ?", [row_id, table_id]
        )

    def _publish_again(self, table_id: int, within: str, mapping_id: int, file: NewFile) -> None:
        """A file that the lake had before: nothing deletes it any more. Raises CatalogError where it has not the columns of today."""
        known = self.connection.execute(
            "select mapping_id, end_snapshot from ducklake_data_file where table_id = ? and path = ?",
            [table_id, within],
        ).fetchall()
        if any(end is None or held != mapping_id for held, end in known):
            raise CatalogError(
                f"{file.path} is published already, or was when {file.relation} had other columns: write it anew"
            )
        self.connection.execute("delete from ducklake_files_scheduled_for_deletion where path = ?", [file.path])
