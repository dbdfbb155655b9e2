"""One load into the lake: what it removes, adds and notes.

Loading goes by portions of whole objects. The rows of a portion are written first, a file a date of arrival; then one transaction of
the catalog makes them part of RAW.LOGS, together with their ledger rows: killed at any instant, the lake holds whole objects that the
ledger knows, and files that nobody knows. A full reload is one portion.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from collector.contract import MAX_QUEUE_TIME_MS
from ingestion_platform.resources.archive import Archive, ArchiveObject
from ingestion_platform.resources.duckdb.lake import Lake
from ingestion_platform.resources.duckdb.ledger import LakeLedger
from ingestion_platform.resources.duckdb.sql import BAD_LINES, LOGS
from ingestion_platform.resources.duckdb.tables import BAD_LINES as BAD_LINES_TABLE
from ingestion_platform.resources.duckdb.tables import RAW_LOGS
from ingestion_platform.resources.duckdb.views import read_files, select_files
from ingestion_platform.resources.lake.contents import NewFile, Snapshot
from ingestion_platform.resources.ledger import changed_dates, ledger_rows
from ingestion_platform.resources.line_reader import LINE_SCHEMA, LineStream, unreadable
from ingestion_platform.resources.load_plan import LoadedObjects, LoadTally, Missing, portions
from ingestion_platform.resources.proposals import WarehouseError

# Compressed, a transaction: about 1.3 million hits and half a minute, of which a killed run does again what was not committed.
_PORTION_BYTES = 256 * 1024 * 1024

# Objects of one date are written as they are read. Those of several dates are read together, typed into memory and written from there,
# a file a date: for a few of them planning the query once is what counts, and for many their rows would not fit.
_TOGETHER_BYTES = 8 * 1024 * 1024

# What a revision corrects lies on its own date, or on that of its receipt, or on the one that the longest queue time gives.
_ROWS = f"""
select
    log_filename, count(*), list(distinct event_date),
    list(distinct request_timestamp::date) filter (where revision is not null)
        || list(distinct (request_timestamp - interval {MAX_QUEUE_TIME_MS} millisecond)::date) filter (where revision is not null)
from {{source}} group by log_filename
"""


@dataclass
class _Portion:
    """What has been done of a portion, to be committed."""

    removed: list[ArchiveObject] = field(default_factory=list)
    files: list[NewFile] = field(default_factory=list)
    ledger: list[dict[str, Any]] = field(default_factory=list)


class Load:
    """One load of `archive`; what it did goes into `tally`. `on_object` is called after each object that was read."""

    def __init__(
        self,
        lake: Lake,
        connection: duckdb.DuckDBPyConnection,
        archive: Archive,
        tally: LoadTally,
        on_object: Callable[[], object],
    ) -> None:
        self._lake = lake
        self._connection = connection
        self._archive = archive
        self._tally = tally
        self._on_object = on_object

    def run(self, missing: Missing, *, whole: bool) -> None:
        """Remove and add what is missing; in one transaction when `whole`."""
        again = {item.key for item in missing.add}
        gone = [item for item in missing.remove if item.key not in again]
        # Rows of a replaced object go when its successor has been read, so that an unreadable one costs nothing.
        replaced = {item.key: item for item in missing.remove if item.key in again}
        done = _Portion(removed=gone)
        for objects in _portions(missing.add):
            if not whole:
                self._commit(done)
                done = _Portion()
            try:
                self._add(objects, replaced, done)
            except BaseException:
                self._lake.remove(done.files)
                raise
        self._commit(done)

    def _add(self, objects: Sequence[ArchiveObject], replaced: Mapping[str, ArchiveObject], done: _Portion) -> None:
        """Write the rows of whole `objects`. Those that cannot be read are named in the tally and cost nothing."""
        # A successor is read to its end before what it replaces is removed.
        successors = [item for item in objects if item.key in replaced]
        errors = unreadable(self._archive, successors)
        unread = {item.key for item, _ in errors}
        done.removed += [replaced[item.key] for item in successors if item.key not in unread]
        stream = LineStream(self._archive, [item for item in objects if item.key not in unread], self._on_object)
        written = self._write(stream, {item.arrival_date for item in objects})
        done.files += written
        if any(item.key in replaced for item, _ in stream.errors):
            raise WarehouseError("an object was replaced while it was loaded; run again")
        row_counts, event_dates = self._rows(written)
        read = stream.objects
        lost = {
            key: count - row_counts.get(key, 0)
            for key, count in stream.counts.items()
            if count != row_counts.get(key, 0)
        }
        if lost:
            done.files += self._write_bad_lines(stream, lost)
        rows = ledger_rows(read, row_counts, event_dates, lost)
        done.ledger += rows
        self._tally.loaded(LoadedObjects(read, [*errors, *stream.errors]), rows)

    def _write(self, stream: LineStream, days: set[date]) -> list[NewFile]:
        """Write the rows of the lines of `stream`, whose objects arrived on `days`."""
        self._connection.register("lines", stream.reader())
        try:
            if len(days) == 1:
                written = [self._lake.write(self._connection, LOGS, RAW_LOGS, *days)]
            else:
                self._connection.execute(f"create or replace temp table typed as {LOGS}")
                written = [
                    self._lake.write(self._connection, f"from typed where arrival_date = date '{day}'", RAW_LOGS, day)
                    for day in sorted(days)
                ]
                self._connection.execute("drop table typed")
        except duckdb.Error:
            if stream.failure is not None:
                raise stream.failure from None
            raise
        finally:
            self._connection.unregister("lines")
        return [file for file in written if file is not None]

    def _rows(self, files: Sequence[NewFile]) -> tuple[dict[str, int], dict[str, list[date]]]:
        """Rows and the event dates that they touch by object, of `files`."""
        if not files:
            return {}, {}
        source = read_files([self._lake.folder / file.path for file in files], None)
        rows = self._connection.execute(_ROWS.format(source=source)).fetchall()
        dates = {key: sorted({*days, *(corrected or ())} - {None}) for key, _, days, corrected in rows}
        return {key: count for key, count, *_ in rows}, dates

    def _write_bad_lines(self, stream: LineStream, lost: Mapping[str, int]) -> list[NewFile]:
        """Quarantine the lines of a used-up stream that became no rows: `lost` of each object."""
        self._connection.register("lines", pa.Table.from_batches(stream.suspects, LINE_SCHEMA))
        bad = self._connection.sql("from lines where not json_valid(line)").to_arrow_table()
        keys = bad.column("object_key").cast(pa.string())
        bad_by_key = Counter(keys.to_pylist())
        complete = [key for key, count in lost.items() if bad_by_key[key] == count]
        # Where a line looks like a record and is none, the object is read again.
        others = [item for item in stream.objects if item.key in lost.keys() - set(complete)]
        self._connection.execute(f"create or replace temp table bad as select * from ({BAD_LINES}) where false")
        for source in (
            bad.filter(pc.is_in(keys, pa.array(complete, pa.string()))),
            LineStream(self._archive, others).reader(),
        ):
            self._connection.register("lines", source)
            self._connection.execute(f"insert into bad {BAD_LINES}")
        days = self._connection.execute("select arrival_date, count(*) from bad group by arrival_date").fetchall()
        if sum(count for _, count in days) != sum(lost.values()):
            raise WarehouseError("an object changed while it was loaded; run again")
        written = [
            self._lake.write(self._connection, f"from bad where arrival_date = date '{day}'", BAD_LINES_TABLE, day)
            for day, _ in sorted(days)
        ]
        return [file for file in written if file is not None]

    def _commit(self, done: _Portion) -> None:
        """Make a portion part of the lake."""
        if not done.removed and not done.ledger:
            return
        rewritten = self._without(done.removed)
        # Files of a change that failed are left to housekeeping: only the catalog can say whether it failed.
        with self._lake.catalog.change(_said(done)) as change:
            ledger = LakeLedger(change.connection)
            if done.removed:
                touched = ledger.remove([item.key for item in done.removed])
                self._tally.removed(touched)
                ledger.note_changes(touched)
                for table in (RAW_LOGS, BAD_LINES_TABLE):
                    files = [file for file in rewritten if file.relation == table.name]
                    change.replace(table.name, {item.arrival_date for item in done.removed}, files)
            change.add(done.files)
            ledger.note_objects(ledger.note_changes(changed_dates(done.ledger)), done.ledger)

    def _without(self, objects: Sequence[ArchiveObject]) -> list[NewFile]:
        """The dates of `objects` written anew, without their rows."""
        if not objects:
            return []
        snapshot = self._lake.catalog.snapshot()
        keys: dict[date, set[str]] = defaultdict(set)
        for item in objects:
            keys[item.arrival_date].add(item.key)
        return [
            file
            for day, gone in sorted(keys.items())
            for table in (RAW_LOGS.name, BAD_LINES_TABLE.name)
            if (file := self._without_keys(snapshot, table, day, gone)) is not None
        ]

    def _without_keys(self, snapshot: Snapshot, name: str, day: date, gone: set[str]) -> NewFile | None:
        table = snapshot.tables[name]
        files = [file for file in snapshot.files.get(name, ()) if file.day == day]
        if not files:
            return None
        self._connection.register("gone", pa.table({"object_key": pa.array(sorted(gone), pa.string())}))
        select = select_files(table, files, self._lake.folder)
        return self._lake.write(
            self._connection,
            f"select * from ({select}) where log_filename not in (select object_key from gone)",
            table,
            day,
        )


def _portions(objects: Sequence[ArchiveObject]) -> Iterator[list[ArchiveObject]]:
    """`objects` in their order: those of a date, cut at the size of a transaction; of successive dates together while they are few."""
    by_day: dict[date, list[ArchiveObject]] = defaultdict(list)
    for item in objects:
        by_day[item.arrival_date].append(item)
    few: list[ArchiveObject] = []
    for _, of_day in sorted(by_day.items()):
        size = sum(item.size for item in of_day)
        if few and sum(item.size for item in few) + size > _TOGETHER_BYTES:
            yield few
            few = []
        if size > _TOGETHER_BYTES:
            yield from portions(of_day, _PORTION_BYTES)
        else:
            few += of_day
    if few:
        yield few


def _said(done: _Portion) -> str:
    """What a portion is, for the history of the lake."""
    return f"load: {len(done.ledger)} objects added, {len(done.removed)} removed"
