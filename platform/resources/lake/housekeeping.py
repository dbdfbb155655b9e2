"""Keeping the lake's house: old versions are forgotten, files that nothing needs are deleted, small ones are merged.

A file goes in two steps, so that no reader loses one under its hands. `expire` forgets the snapshots of before a moment and schedules what
no kept one needs; `delete_scheduled` deletes a file when it has been scheduled for a grace period, which is longer than any session.
`remove_orphans` deletes what the catalog never knew: files of runs that were killed, or whose publication was refused, once they have
been where they are for that long. Killed in the middle, each goes on where it was; none holds the catalog while it works on files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

from ingestion_platform.resources.lake.catalog import Catalog
from ingestion_platform.resources.lake.contents import CatalogError, DataFile, NewFile, Table
from ingestion_platform.resources.lake.schema import time_text
from ingestion_platform.resources.lake.workplaces import NOT_DATA, Removed, untouched_since

SMALL_BYTES = 32 << 20
"""A file below this is merged with others of its date; a reader opens one above it for its bytes' sake anyway."""

Writer = Callable[[Table, Sequence[DataFile]], NewFile | None]
"""Writes the rows of files of one date into one, with the table's columns; None when there are none."""

_EXPIRE = (
    "delete from ducklake_snapshot where snapshot_id < :oldest",
    "delete from ducklake_snapshot_changes where snapshot_id < :oldest",
    """
    insert into ducklake_files_scheduled_for_deletion
    select f.data_file_id, s.path || t.path || f.path, 1, :now
    from ducklake_data_file as f
    join ducklake_table as t using (table_id)
    join ducklake_schema as s using (schema_id)
    where f.end_snapshot <= :oldest and not exists (
        -- published again since
        select 1
        from ducklake_data_file as o
        where o.table_id = f.table_id and o.path = f.path and (o.end_snapshot is null or o.end_snapshot > :oldest)
    )
    """,
    "delete from ducklake_data_file where end_snapshot <= :oldest",
    "delete from ducklake_file_partition_value where data_file_id not in (select data_file_id from ducklake_data_file)",
    "delete from ducklake_file_column_stats where data_file_id not in (select data_file_id from ducklake_data_file)",
    "delete from ducklake_view where end_snapshot <= :oldest",
    # What a column was when a file was added tells what the file has, however long ago that was.
    """
    delete from ducklake_column as c
    where c.end_snapshot <= :oldest and not exists (
        select 1
        from ducklake_data_file as f
        where f.table_id = c.table_id and f.begin_snapshot >= c.begin_snapshot and f.begin_snapshot < c.end_snapshot
    )
    """,
    # The newest of a table is for the files to come.
    """
    delete from ducklake_column_mapping as m
    where m.mapping_id not in (select f.mapping_id from ducklake_data_file as f)
      and m.mapping_id < (select max(n.mapping_id) from ducklake_column_mapping as n where n.table_id = m.table_id)
    """,
    "delete from ducklake_name_mapping where mapping_id not in (select mapping_id from ducklake_column_mapping)",
)


def expire(catalog: Catalog, keep: timedelta, now: datetime) -> int:
    """Forget the snapshots that were replaced more than `keep` before `now`; returns how many.

    So whatever was current in that time can still be read, and the newest always. What only the others needed is scheduled to be deleted.
    """
    with catalog.change("expire") as change:
        before = change.connection.execute(
            "select max(snapshot_id) from ducklake_snapshot where snapshot_time <= ?", [time_text(now - keep)]
        ).fetchone()[0]
        if before is None:
            return 0
        told = {"oldest": before, "now": time_text(now)}
        return [change.connection.execute(statement, told).rowcount for statement in _EXPIRE][0]


def delete_scheduled(catalog: Catalog, grace: timedelta, now: datetime) -> Removed:
    """Delete the files that have been scheduled for `grace`."""
    with catalog.reading() as connection:
        due = connection.execute(
            """
            select data_file_id, path
            from ducklake_files_scheduled_for_deletion
            where path_is_relative = 1 and schedule_start <= ?
            """,
            [time_text(now - grace)],
        ).fetchall()
    if not due:
        return Removed()
    removed = _removed(catalog.folder / path for _, path in due)
    # Only now: of a file that is there its catalog has to know, or else it would be an orphan at best.
    with catalog.change("delete") as change:
        change.connection.executemany(
            "delete from ducklake_files_scheduled_for_deletion where data_file_id = ?", [[number] for number, _ in due]
        )
    return removed


def remove_orphans(catalog: Catalog, grace: timedelta, now: datetime) -> Removed:
    """Delete the files below the lake's folder that its catalog does not know, if nothing has happened to them for `grace`.

    What was published while this looked was given its name less long ago than that, so that it is safe.
    """
    with catalog.reading() as connection:
        known = {
            path
            for (path,) in connection.execute(
                """
                select s.path || t.path || f.path
                from ducklake_data_file as f
                join ducklake_table as t using (table_id)
                join ducklake_schema as s using (schema_id)
                union all
                select path from ducklake_files_scheduled_for_deletion
                """
            )
        }
    return _removed(
        path
        for path in _files(catalog.folder)
        if path.relative_to(catalog.folder).as_posix() not in known and untouched_since(path, now - grace)
    )


def merge(catalog: Catalog, write: Writer, small: int = SMALL_BYTES) -> int:
    """Make one file of the several small ones of a date, a snapshot each; returns how many files there are less.

    A date that moves meanwhile is left as it is.
    """
    snapshot = catalog.snapshot()
    fewer = 0
    for relation, files in snapshot.files.items():
        for _, of_day in groupby(files, lambda file: file.day):
            few = [file for file in of_day if file.size < small]
            if len(few) > 1:
                fewer += _merge(catalog, write, snapshot.tables[relation], few)
    return fewer


def _merge(catalog: Catalog, write: Writer, table: Table, files: Sequence[DataFile]) -> int:
    merged = write(table, files)
    if merged is None:
        raise CatalogError(f"{files[0].path} and others are said to have rows and have none; nothing was changed")
    of_day = f" of {merged.day}" if merged.day else ""
    with catalog.change(f"merge {len(files)} files of {table.name}{of_day}") as change:
        done = change.merge(table, files, merged)
    if not done:
        (catalog.folder / merged.path).unlink()
        return 0
    return len(files) - 1


def _files(folder: Path) -> Iterator[Path]:
    """All files below the lake's folder but those that processes are at work on, or that are held; those in it are the catalog's own and locks."""
    for found, folders, names in os.walk(folder):
        if Path(found) == folder:
            folders[:] = [name for name in folders if name not in NOT_DATA]
            continue
        yield from (Path(found, name) for name in names)


def _removed(paths: Iterator[Path]) -> Removed:
    files = size = 0
    for path in paths:
        try:
            size += path.stat().st_size
            path.unlink()
            files += 1
        except FileNotFoundError:
            continue
    return Removed(files, size)
