"""The embedded warehouse: one DuckDB file, one writer at a time.

The file is opened for each call and closed after it, so that dbt's process can open it in between; who may write when is the
business of Dagster's pool "warehouse". Loading goes by portions of whole objects, each in a transaction of its own together with
its ledger rows: killed at any instant, the file holds whole objects that the ledger knows. A full reload is one transaction.
A portion is large, because rows of a transaction that do not fill DuckDB's row groups are written twice.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ingestion_platform.dates import REACH_DAYS, Window
from ingestion_platform.resources.archive import Archive, ArchiveError, ArchiveObject, data_version
from ingestion_platform.resources.duckdb import sql as duckdb_sql
from ingestion_platform.resources.guard import blocking_failure, recognise, what_is_safe
from ingestion_platform.resources.line_reader import LINE_SCHEMA, LineStream, unreadable
from ingestion_platform.resources.load_plan import LoadedObjects, LoadTally, missing_objects, portions
from ingestion_platform.resources.published_files import align, put_in_place
from ingestion_platform.resources.warehouse import PUBLISHED, STALE_DATES_SQL, DayLoad, Progress, WarehouseError
from ingestion_platform.user_agents import PARSER_VERSION, parse_all

# Another process may hold the file for the length of a statement (a notebook, a query of the UI).
_LOCK_WAIT_SECONDS = 30.0

# Compressed, a transaction: about 1.3 million hits and half a minute, of which a killed run does again what was not committed.
_PORTION_BYTES = 256 * 1024 * 1024

# Left alone, DuckDB takes four fifths of the machine's memory. Rows that were written need not stay in it: ten million load
# faster with this much, over and over, than with more that is new. Building models is dbt's, with a limit of its own.
MEMORY_LIMIT = "2GB"


class DuckDBWarehouse:
    """A warehouse in the DuckDB file `path`; see `ingestion_platform.resources.warehouse.Warehouse`."""

    def __init__(self, path: Path, lock_wait: float = _LOCK_WAIT_SECONDS, memory_limit: str = MEMORY_LIMIT) -> None:
        self.path = path
        self.lock_wait = lock_wait
        # Rows have no order; to keep one would load them on a single core.
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "preserve_insertion_order": False,
            "memory_limit": memory_limit,
        }

    def create_tables(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connect() as connection:
            connection.execute(duckdb_sql.TABLES)

    def load(
        self,
        archive: Archive,
        start: date,
        end: date,
        *,
        full_reload: Window | None = None,
        remove: Collection[str] = (),
        frozen_before: date = date.min,
        progress: Progress | None = None,
    ) -> list[DayLoad]:
        self.create_tables()
        with self._connect() as connection:
            refused = self._recognise(connection, archive)
            # A listing of another's archive says nothing.
            objects = [] if refused else archive.objects(start, end)
            safe = what_is_safe(
                objects, _held(connection, start, end), named=remove, frozen_before=frozen_before, refused=refused
            )
            if refused and not safe.stopped:
                raise ArchiveError(refused)
            missing = missing_objects(safe.archived, safe.held, full_reload)
            tally = LoadTally(objects, missing, safe.stopped)
            whole = full_reload is not None
            if whole:
                connection.begin()
            again = {item.key for item in missing.add}
            gone = [item.key for item in missing.remove if item.key not in again]
            # Rows of a replaced object go when its successor has been read, so that an unreadable one costs nothing.
            replaced = {item.key for item in missing.remove} & again
            if gone:
                self._in_transaction(connection, whole, lambda: self._remove(connection, gone, tally))
            done = 0

            def one_more() -> None:
                nonlocal done
                done += 1
                if progress is not None:
                    progress(done, len(missing.add))

            for portion in portions(missing.add, _PORTION_BYTES):
                self._in_transaction(
                    connection,
                    whole,
                    lambda portion=portion: self._insert(connection, archive, portion, replaced, tally, one_more),
                )
            if whole:
                connection.commit()
            held_now = connection.execute(
                "select arrival_date, sum(row_count), sum(bad_lines) from raw.load_history "
                "where arrival_date >= ? and arrival_date < ? group by arrival_date",
                [start, end],
            ).fetchall()
        return tally.days(start, end, {day: (int(rows), int(bad)) for day, rows, bad in held_now})

    def stopped(self, archive: Archive, start: date, end: date, *, frozen_before: date = date.min) -> dict[date, str]:
        with self._connect(read_only=True) as connection:
            found, holds = (
                connection.execute(duckdb_sql.KNOWN_ARCHIVE).fetchall()[0]
                if _has_archives(connection)
                else (None, True)
            )
            refused = blocking_failure(archive, found, holds)
            objects = [] if refused else archive.objects(start, end)
            held = _held(connection, start, end)
        return what_is_safe(objects, held, frozen_before=frozen_before, refused=refused).stopped

    def loaded_versions(self, start: date, end: date) -> dict[date, str]:
        rows = self.query(
            "select object_key, size_bytes, etag from raw.load_history where arrival_date >= ? and arrival_date < ?",
            [start, end],
        )
        held: dict[date, list[ArchiveObject]] = {day: [] for day in Window(start, end).days}
        for row in rows:
            item = ArchiveObject(*row)
            held[item.arrival_date].append(item)
        return {day: data_version(objects) for day, objects in held.items()}

    def latest_load_id(self) -> int:
        return int(self.query("select coalesce(max(load_id), 0) from raw.event_date_changes")[0][0])

    def record_build(self, models: Sequence[str], start: date, end: date, latest_load_id: int) -> None:
        rows = [(model, day, latest_load_id) for model in models for day in Window(start, end).days]
        if rows:
            with self._connect() as connection:
                connection.begin()
                connection.executemany("insert or replace into raw.build_history values (?, ?, ?)", rows)
                connection.commit()

    def stale_dates(self, models: Sequence[str], start: date, end: date, first: date = date.min) -> list[date]:
        with self._connect(read_only=True) as connection:
            connection.register("days", pa.table({"day": pa.array(Window(start, end).days, pa.date32())}))
            connection.register("models", pa.table({"model": pa.array(list(models), pa.string())}))
            connection.register("first_partition", pa.table({"day": pa.array([first], pa.date32())}))
            return [row[0] for row in connection.execute(f"with {STALE_DATES_SQL}").fetchall()]

    def parse_user_agents(self, start: date, end: date) -> dict[str, int]:
        with self._connect() as connection:
            rows = connection.execute(
                duckdb_sql.UNPARSED_USER_AGENTS,
                {"start": start, "end": end, "days": REACH_DAYS, "version": PARSER_VERSION},
            ).fetchall()
            parsed = parse_all(row[0] for row in rows)
            if parsed:
                table = pa.Table.from_pylist([agent._asdict() for agent in parsed])
                connection.begin()
                connection.register("parsed", table)
                connection.execute(duckdb_sql.REPLACE_USER_AGENTS)
                connection.commit()
            total, bots = connection.execute("select count(*), count_if(is_bot) from events.user_agents").fetchall()[0]
        return {"parsed": len(parsed), "user_agents": total, "bots": bots}

    def row_counts(self, relation: str, start: date, end: date) -> dict[date, int]:
        counts = dict.fromkeys(Window(start, end).days, 0)
        counts.update(
            self.query(
                f"select event_date, count(*) from {relation} where event_date >= ? and event_date < ? group by event_date",
                [start, end],
            )
        )
        return counts

    @contextmanager
    def reading(self) -> Iterator[None]:
        # Connections of one process share what was read, as long as one of them is open.
        with self._connect(read_only=True):
            yield

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._connect(read_only=True) as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def publish(self, folder: Path, start: date, end: date) -> list[Path]:
        written = []
        with self._connect(read_only=True) as connection:
            for relation in PUBLISHED:
                name = relation.partition(".")[2]
                (folder / name).mkdir(parents=True, exist_ok=True)
                for day in Window(start, end).days:
                    path = folder / name / f"{day}.parquet"
                    temporary = path.with_suffix(".tmp")
                    connection.execute(
                        f"copy (select * from {relation} where event_date = ? order by all) to '{temporary}' (format parquet)",
                        [day],
                    )
                    written.append(put_in_place(temporary))
                written += align(folder / name, path)
        return written

    @staticmethod
    def _recognise(connection: duckdb.DuckDBPyConnection, archive: Archive) -> str:
        """Hold the archive against the one that the ledger knows; the line that says why it is refused, or nothing."""
        known, holds = connection.execute(duckdb_sql.KNOWN_ARCHIVE).fetchall()[0]
        found, refused = recognise(archive, known, holds)
        if found is not None and found != known:
            connection.execute("delete from raw.archives")
            connection.execute("insert into raw.archives values (?)", [found])
        return refused

    def _remove(self, connection: duckdb.DuckDBPyConnection, keys: Sequence[str], tally: LoadTally) -> None:
        """Delete what the removed objects brought, and note the dates that this changes."""
        connection.register("removed", pa.table({"object_key": list(keys)}))
        touched = connection.execute(
            "select distinct unnest(event_dates) from raw.load_history where object_key in (select object_key from removed)"
        ).fetchall()
        tally.removed({row[0] for row in touched})
        for table, column in (("logs", "log_filename"), ("bad_lines", "log_filename"), ("load_history", "object_key")):
            connection.execute(f"delete from raw.{table} where {column} in (select object_key from removed)")
        self._note_changes(connection, [row[0] for row in touched])

    def _insert(
        self,
        connection: duckdb.DuckDBPyConnection,
        archive: Archive,
        objects: Sequence[ArchiveObject],
        replaced: set[str],
        tally: LoadTally,
        on_object: Callable[[], object],
    ) -> None:
        """Load whole `objects` and note them. Those that cannot be read are named in the tally and cost nothing."""
        # A successor is read to its end before what it replaces is deleted.
        successors = [item for item in objects if item.key in replaced]
        errors = unreadable(archive, successors)
        unread = {item.key for item, _ in errors}
        if before := [item.key for item in successors if item.key not in unread]:
            self._remove(connection, before, tally)
        stream = LineStream(archive, [item for item in objects if item.key not in unread], on_object)
        connection.register("lines", stream.reader())
        try:
            connection.execute(duckdb_sql.INSERT_LOGS)
        except duckdb.Error:
            if stream.failure is not None:
                raise stream.failure from None
            raise
        if any(item.key in replaced for item, _ in stream.errors):
            raise WarehouseError("an object was replaced while it was loaded; run again")
        read = stream.objects
        connection.register("objects", pa.table({"object_key": pa.array([item.key for item in read], pa.string())}))
        arrived = [item.arrival_date for item in read] or [date.min]
        rows_by_object = connection.execute(
            duckdb_sql.ROWS_BY_OBJECT, {"first": min(arrived), "last": max(arrived)}
        ).fetchall()
        rows = dict.fromkeys(stream.counts, 0) | {key: count for key, count, _ in rows_by_object}
        dates: dict[str, set[date]] = {key: set() for key in stream.counts}
        dates |= {key: set(found) for key, _, found in rows_by_object}
        lost = {key: count - rows[key] for key, count in stream.counts.items() if count != rows[key]}
        if lost:
            self._insert_bad_lines(connection, archive, stream, lost)
        for item in read:
            if item.key in lost:
                # A bad line is quarantined under its arrival date, so that date's models change too.
                dates[item.key].add(item.arrival_date)
        load_id = self._note_changes(connection, sorted(set().union(*dates.values())))
        ledger = [
            {
                "load_id": load_id,
                "object_key": item.key,
                "arrival_date": item.arrival_date,
                "etag": item.etag,
                "size_bytes": item.size,
                "row_count": rows[item.key],
                "bad_lines": lost.get(item.key, 0),
                "event_dates": sorted(dates[item.key]),
            }
            for item in read
        ]
        if ledger:
            connection.register("ledger", pa.Table.from_pylist(ledger, duckdb_sql.LEDGER_SCHEMA))
            connection.execute("insert into raw.load_history select *, current_localtimestamp() from ledger")
        tally.loaded(LoadedObjects(read, [*errors, *stream.errors]), ledger)

    @staticmethod
    def _insert_bad_lines(
        connection: duckdb.DuckDBPyConnection, archive: Archive, stream: LineStream, lost: Mapping[str, int]
    ) -> None:
        """Quarantine the lines of a used-up stream that became no rows: `lost` of each object."""
        connection.register("lines", pa.Table.from_batches(stream.suspects, LINE_SCHEMA))
        bad = connection.sql("from lines where not json_valid(line)").to_arrow_table()
        keys = bad.column("object_key").cast(pa.string())
        found = Counter(keys.to_pylist())
        told = [key for key, count in lost.items() if found[key] == count]
        # Where a line looks like a record and is none, the object is read again.
        others = [item for item in stream.objects if item.key in lost.keys() - set(told)]
        quarantined = 0
        for source in (bad.filter(pc.is_in(keys, pa.array(told, pa.string()))), LineStream(archive, others).reader()):
            connection.register("lines", source)
            quarantined += connection.execute(duckdb_sql.INSERT_BAD_LINES).fetchall()[0][0]
        if quarantined != sum(lost.values()):
            raise WarehouseError("an object changed while it was loaded; run again")

    @staticmethod
    def _note_changes(connection: duckdb.DuckDBPyConnection, event_dates: Sequence[date]) -> int:
        """Give this load its number and note the event dates it changed; returns the number."""
        latest_load_id = connection.execute(
            "select greatest((select coalesce(max(load_id), 0) from raw.event_date_changes), "
            "(select coalesce(max(load_id), 0) from raw.load_history))"
        ).fetchall()[0][0]
        if event_dates:
            connection.executemany(
                "insert or replace into raw.event_date_changes values (?, ?)",
                [(day, latest_load_id + 1) for day in event_dates],
            )
        return int(latest_load_id) + 1

    @staticmethod
    def _in_transaction(connection: duckdb.DuckDBPyConnection, already: bool, work: Any) -> None:
        if already:
            work()
            return
        connection.begin()
        try:
            work()
        except BaseException:
            connection.rollback()
            raise
        connection.commit()

    @contextmanager
    def _connect(self, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        connection = self._open(read_only)
        try:
            yield connection
        finally:
            connection.close()

    def _open(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        if read_only and not self.path.exists():
            raise WarehouseError(
                f"there is no warehouse at {self.path} yet; materialize raw/logs first (make demo does)"
            )
        give_up = time.monotonic() + self.lock_wait
        while True:
            try:
                return duckdb.connect(str(self.path), read_only=read_only, config=self._config)
            except duckdb.IOException as error:
                if "lock" not in str(error):
                    raise WarehouseError(f"cannot open {self.path}: {str(error).splitlines()[0]}") from error
                if time.monotonic() >= give_up:
                    raise WarehouseError(
                        f"{self.path} is held by another process for more than {self.lock_wait:.0f} s; close it and run again "
                        f"({str(error).splitlines()[0]})"
                    ) from error
            time.sleep(0.2)


def _held(connection: duckdb.DuckDBPyConnection, start: date, end: date) -> list[ArchiveObject]:
    """What the ledger holds of arrival dates [start, end)."""
    rows = connection.execute(
        "select object_key, size_bytes, etag from raw.load_history where arrival_date >= ? and arrival_date < ?",
        [start, end],
    ).fetchall()
    return [ArchiveObject(*row) for row in rows]


def _has_archives(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the warehouse is new enough to know its archive."""
    found = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = 'raw' and table_name = 'archives'"
    ).fetchall()
    return bool(found[0][0])
