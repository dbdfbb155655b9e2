"""One load on DuckDB: what it removes, inserts and notes.

Loading goes by portions of whole objects, each in a transaction of its own together with its ledger rows: killed at any instant, the
file holds whole objects that the ledger knows. A full reload is one transaction. A portion is large, because rows of a transaction
that do not fill DuckDB's row groups are written twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ingestion_platform.resources.archive import Archive, ArchiveObject
from ingestion_platform.resources.duckdb.ledger import DuckDBLedger
from ingestion_platform.resources.duckdb.sql import INSERT_BAD_LINES, INSERT_LOGS
from ingestion_platform.resources.ledger import changed_dates, ledger_rows
from ingestion_platform.resources.line_reader import LINE_SCHEMA, LineStream, unreadable
from ingestion_platform.resources.load_plan import LoadedObjects, LoadTally, Missing, portions
from ingestion_platform.resources.transaction import transaction
from ingestion_platform.resources.warehouse import WarehouseError

# Compressed, a transaction: about 1.3 million hits and half a minute, of which a killed run does again what was not committed.
_PORTION_BYTES = 256 * 1024 * 1024

_ROWS_BY_OBJECT = """
select log_filename, count(*), list_sort(list(distinct event_date))
from raw.logs
where arrival_date between $first and $last
  and log_filename in (select object_key from objects)
group by log_filename
"""
"""Reads a relation that the caller supplies: objects(object_key). The dates are literals, by which DuckDB skips the other rows."""


class Load:
    """One load of `archive`; what it did goes into `tally`. `on_object` is called after each object that was read."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        archive: Archive,
        tally: LoadTally,
        on_object: Callable[[], object],
    ) -> None:
        self._connection = connection
        self._ledger = DuckDBLedger(connection)
        self._archive = archive
        self._tally = tally
        self._on_object = on_object

    def run(self, missing: Missing, *, whole: bool) -> None:
        """Remove and add what is missing; in one transaction when `whole`."""
        again = {item.key for item in missing.add}
        gone = [item.key for item in missing.remove if item.key not in again]
        # Rows of a replaced object go when its successor has been read, so that an unreadable one costs nothing.
        replaced = {item.key for item in missing.remove} & again
        with self._transaction(whole):
            if gone:
                with self._transaction(not whole):
                    self._remove(gone)
            for portion in portions(missing.add, _PORTION_BYTES):
                with self._transaction(not whole):
                    self._add(portion, replaced)

    def _transaction(self, wanted: bool) -> AbstractContextManager[None]:
        return transaction(self._connection.execute, wanted)

    def _remove(self, keys: Sequence[str]) -> None:
        """Delete what the removed objects brought, and note the dates that this changes."""
        touched = self._ledger.remove(keys)
        self._tally.removed(touched)
        self._ledger.note_changes(touched)

    def _add(self, objects: Sequence[ArchiveObject], replaced: set[str]) -> None:
        """Load whole `objects` and note them. Those that cannot be read are named in the tally and cost nothing."""
        # A successor is read to its end before what it replaces is deleted.
        successors = [item for item in objects if item.key in replaced]
        errors = unreadable(self._archive, successors)
        unread = {item.key for item, _ in errors}
        if before := [item.key for item in successors if item.key not in unread]:
            self._remove(before)
        stream = LineStream(self._archive, [item for item in objects if item.key not in unread], self._on_object)
        self._insert(stream)
        if any(item.key in replaced for item, _ in stream.errors):
            raise WarehouseError("an object was replaced while it was loaded; run again")
        read = stream.objects
        row_counts, event_dates = self._rows(read)
        lost = {
            key: count - row_counts.get(key, 0)
            for key, count in stream.counts.items()
            if count != row_counts.get(key, 0)
        }
        if lost:
            self._insert_bad_lines(stream, lost)
        rows = ledger_rows(read, row_counts, event_dates, lost)
        self._ledger.note_objects(self._ledger.note_changes(changed_dates(rows)), rows)
        self._tally.loaded(LoadedObjects(read, [*errors, *stream.errors]), rows)

    def _insert(self, stream: LineStream) -> None:
        self._connection.register("lines", stream.reader())
        try:
            self._connection.execute(INSERT_LOGS)
        except duckdb.Error:
            if stream.failure is not None:
                raise stream.failure from None
            raise

    def _rows(self, objects: Sequence[ArchiveObject]) -> tuple[dict[str, int], dict[str, list[date]]]:
        """Rows in RAW.LOGS and their event dates by object, for those of `objects` that have any."""
        keys = pa.array([item.key for item in objects], pa.string())
        self._connection.register("objects", pa.table({"object_key": keys}))
        arrived = [item.arrival_date for item in objects] or [date.min]
        rows = self._connection.execute(_ROWS_BY_OBJECT, {"first": min(arrived), "last": max(arrived)}).fetchall()
        return {key: count for key, count, _ in rows}, {key: days for key, _, days in rows}

    def _insert_bad_lines(self, stream: LineStream, lost: Mapping[str, int]) -> None:
        """Quarantine the lines of a used-up stream that became no rows: `lost` of each object."""
        self._connection.register("lines", pa.Table.from_batches(stream.suspects, LINE_SCHEMA))
        bad = self._connection.sql("from lines where not json_valid(line)").to_arrow_table()
        keys = bad.column("object_key").cast(pa.string())
        bad_by_key = Counter(keys.to_pylist())
        complete = [key for key, count in lost.items() if bad_by_key[key] == count]
        # Where a line looks like a record and is none, the object is read again.
        others = [item for item in stream.objects if item.key in lost.keys() - set(complete)]
        quarantined = 0
        for source in (
            bad.filter(pc.is_in(keys, pa.array(complete, pa.string()))),
            LineStream(self._archive, others).reader(),
        ):
            self._connection.register("lines", source)
            quarantined += self._connection.execute(INSERT_BAD_LINES).fetchall()[0][0]
        if quarantined != sum(lost.values()):
            raise WarehouseError("an object changed while it was loaded; run again")
