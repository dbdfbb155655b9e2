"""The embedded warehouse: one DuckDB file, one writer at a time.

The file is opened for each call and closed after it, so that dbt's process can open it in between; who may write when is the
business of Dagster's pool "warehouse". Loading goes by batches of whole objects, each in a transaction of its own together with
its ledger rows: killed at any instant, the file holds whole objects that the ledger knows. A full reload is one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ingestion_platform.resources import duckdb_sql
from ingestion_platform.resources.archive import Archive, ArchiveObject, data_version, days
from ingestion_platform.resources.archive_lines import LineBatch, line_batches
from ingestion_platform.resources.loading import LoadTally, missing_objects
from ingestion_platform.resources.warehouse import BEHIND_SQL, PUBLISHED, DayLoad, Progress, WarehouseError
from ingestion_platform.user_agents import PARSER_VERSION, parse_all
from ingestion_platform.windows import LOOKBACK_DAYS, DateRange

# Another process may hold the file for the length of a statement (a notebook, a query of the UI).
_LOCK_WAIT_SECONDS = 30.0


class DuckDBWarehouse:
    """A warehouse in the DuckDB file `path`; see `ingestion_platform.resources.warehouse.Warehouse`."""

    def __init__(self, path: Path, lock_wait: float = _LOCK_WAIT_SECONDS) -> None:
        self.path = path
        self.lock_wait = lock_wait

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
        full_reload: DateRange | None = None,
        progress: Progress | None = None,
    ) -> list[DayLoad]:
        objects = archive.objects(start, end)
        self.create_tables()
        with self._connect() as connection:
            held = connection.execute(
                "select object_key, size_bytes, etag from raw.load_history where arrival_date >= ? and arrival_date < ?",
                [start, end],
            ).fetchall()
            missing = missing_objects(objects, [ArchiveObject(*row) for row in held], full_reload)
            tally = LoadTally(objects, missing)
            whole = full_reload is not None
            if whole:
                connection.begin()
            again = {item.key for item in missing.add}
            gone = [item.key for item in missing.remove if item.key not in again]
            # Rows of a replaced object go when its successor has been read, so that an unreadable one costs nothing.
            replaced = {item.key for item in missing.remove} & again
            if gone:
                self._in_transaction(connection, whole, lambda: self._remove(connection, gone, tally))
            for batch in line_batches(archive, missing.add):
                self._in_transaction(
                    connection, whole, lambda batch=batch: self._insert(connection, batch, replaced, tally)
                )
                if progress is not None:
                    progress(tally.done, len(missing.add))
            if whole:
                connection.commit()
            held_now = connection.execute(
                "select arrival_date, sum(row_count), sum(bad_lines) from raw.load_history "
                "where arrival_date >= ? and arrival_date < ? group by arrival_date",
                [start, end],
            ).fetchall()
        return tally.days(start, end, {day: (int(rows), int(bad)) for day, rows, bad in held_now})

    def loaded_versions(self, start: date, end: date) -> dict[date, str]:
        rows = self.query(
            "select object_key, size_bytes, etag from raw.load_history where arrival_date >= ? and arrival_date < ?",
            [start, end],
        )
        held: dict[date, list[ArchiveObject]] = {day: [] for day in days(start, end)}
        for row in rows:
            item = ArchiveObject(*row)
            held[item.arrival_date].append(item)
        return {day: data_version(objects) for day, objects in held.items()}

    def head(self) -> int:
        return int(self.query("select coalesce(max(load_id), 0) from raw.event_date_changes")[0][0])

    def mark_built(self, models: Sequence[str], start: date, end: date, head: int) -> None:
        rows = [(model, day, head) for model in models for day in days(start, end)]
        if rows:
            with self._connect() as connection:
                connection.begin()
                connection.executemany("insert or replace into raw.build_history values (?, ?, ?)", rows)
                connection.commit()

    def behind(self, models: Sequence[str], start: date, end: date) -> list[date]:
        with self._connect(read_only=True) as connection:
            connection.register("days", pa.table({"day": pa.array(list(days(start, end)), pa.date32())}))
            connection.register("models", pa.table({"model": pa.array(list(models), pa.string())}))
            return [row[0] for row in connection.execute(f"with {BEHIND_SQL}").fetchall()]

    def parse_user_agents(self, start: date, end: date) -> dict[str, int]:
        with self._connect() as connection:
            rows = connection.execute(
                duckdb_sql.UNPARSED_USER_AGENTS,
                {"start": start, "end": end, "days": LOOKBACK_DAYS, "version": PARSER_VERSION},
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
        counts = dict.fromkeys(days(start, end), 0)
        counts.update(
            self.query(
                f"select event_date, count(*) from {relation} where event_date >= ? and event_date < ? group by event_date",
                [start, end],
            )
        )
        return counts

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._connect(read_only=True) as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def publish(self, folder: Path, start: date, end: date) -> list[Path]:
        written = []
        with self._connect(read_only=True) as connection:
            for relation in PUBLISHED:
                name = relation.partition(".")[2]
                (folder / name).mkdir(parents=True, exist_ok=True)
                for day in days(start, end):
                    path = folder / name / f"{day}.parquet"
                    temporary = path.with_suffix(".tmp")
                    connection.execute(
                        f"copy (select * from {relation} where event_date = ? order by all) to '{temporary}' (format parquet)",
                        [day],
                    )
                    temporary.replace(path)
                    written.append(path)
        return written

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
        self, connection: duckdb.DuckDBPyConnection, batch: LineBatch, replaced: set[str], tally: LoadTally
    ) -> None:
        before = [item.key for item in batch.objects if item.key in replaced]
        if before:
            self._remove(connection, before, tally)
        connection.register("lines", batch.lines)
        connection.register("objects", batch.object_table)
        inserted = connection.execute(duckdb_sql.INSERT_LOGS).fetchall()[0][0]
        bad: dict[str, int] = {}
        if inserted != sum(batch.counts):
            connection.execute(duckdb_sql.INSERT_BAD_LINES)
            bad = dict(connection.execute(duckdb_sql.BAD_LINES_BY_OBJECT).fetchall())
        dates: dict[str, list[date]] = dict(connection.execute(duckdb_sql.EVENT_DATES_BY_OBJECT).fetchall())
        touched = {day for found in dates.values() for day in found}
        # A bad line is quarantined under its arrival date, so that date's models change too.
        touched |= {item.arrival_date for item in batch.objects if bad.get(item.key)}
        load_id = self._note_changes(connection, sorted(touched))
        ledger = [
            {
                "load_id": load_id,
                "object_key": item.key,
                "arrival_date": item.arrival_date,
                "etag": item.etag,
                "size_bytes": item.size,
                "row_count": count - bad.get(item.key, 0),
                "bad_lines": bad.get(item.key, 0),
                "event_dates": sorted({*dates.get(item.key, []), *([item.arrival_date] if bad.get(item.key) else [])}),
            }
            for item, count in zip(batch.objects, batch.counts, strict=True)
        ]
        if ledger:
            connection.register("ledger", pa.Table.from_pylist(ledger, duckdb_sql.LEDGER_SCHEMA))
            connection.execute("insert into raw.load_history select *, current_localtimestamp() from ledger")
        tally.loaded(batch, ledger)

    @staticmethod
    def _note_changes(connection: duckdb.DuckDBPyConnection, event_dates: Sequence[date]) -> int:
        """Give this load its number and note the event dates it changed; returns the number."""
        head = connection.execute(
            "select greatest((select coalesce(max(load_id), 0) from raw.event_date_changes), "
            "(select coalesce(max(load_id), 0) from raw.load_history))"
        ).fetchall()[0][0]
        if event_dates:
            connection.executemany(
                "insert or replace into raw.event_date_changes values (?, ?)", [(day, head + 1) for day in event_dates]
            )
        return int(head) + 1

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
                return duckdb.connect(str(self.path), read_only=read_only)
            except duckdb.IOException as error:
                if "lock" not in str(error):
                    raise WarehouseError(f"cannot open {self.path}: {str(error).splitlines()[0]}") from error
                if time.monotonic() >= give_up:
                    raise WarehouseError(
                        f"{self.path} is held by another process for more than {self.lock_wait:.0f} s; close it and run again "
                        f"({str(error).splitlines()[0]})"
                    ) from error
            time.sleep(0.2)
