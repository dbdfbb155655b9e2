"""The warehouse that scales: Snowflake, loaded by COPY from the stage over the archive, beside a pipe that may load the same objects.

Which objects are missing is decided by file name, from the ledger and from RAW.LOGS itself; COPY's own history (64 days) and the
pipe's (14 days, and not the same one) decide nothing. An object that a pipe has loaded is only noted in the ledger. Should both
load one at the same moment, its rows are more than the ledger says, and the next load of its date loads it anew.

A batch of objects is one transaction, with its ledger rows; whatever removes rows is one transaction with what replaces them. A load
takes its number by an UPDATE whose lock lasts until the commit: loads of several runs copy side by side and commit in the order
of their numbers, so that no build can have seen a later load and missed an earlier one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collector.archive_keys import parse_key
from ingestion_platform.resources import snowflake_sql as sql
from ingestion_platform.resources.archive import Archive, ArchiveObject, data_version, days
from ingestion_platform.resources.archive_lines import bad_lines
from ingestion_platform.resources.loading import LoadedObjects, LoadTally, Missing, missing_objects
from ingestion_platform.resources.snowflake_connection import SnowflakeAccess, connection, read_access
from ingestion_platform.resources.warehouse import (
    BEHIND_SQL,
    LOG_ID_NAMESPACE,
    PUBLISHED,
    DayLoad,
    Progress,
    WarehouseError,
)
from ingestion_platform.settings import Environment
from ingestion_platform.user_agents import PARSER_VERSION, parse_all
from ingestion_platform.windows import LOOKBACK_DAYS, DateRange

PIPE_GRACE = timedelta(minutes=30)
"""An object is left to the pipe for so long after its key's time: Firehose may buffer it for 15 minutes, a pipe takes a minute or two."""

_ROWS_PER_STATEMENT = 5000
# A pipe that has not taken an object after so long will not.
_RECENT = timedelta(days=2)


class SnowflakeWarehouse:
    """A warehouse on Snowflake; see `ingestion_platform.resources.warehouse.Warehouse`. Each call signs in and out.

    `environ` is read when a call connects, not before. `pipe_grace` is zero where no pipe loads beside it.
    """

    def __init__(self, environ: Mapping[str, str], pipe_grace: timedelta = timedelta(0)) -> None:
        self._environ = environ
        self._pipe_grace = pipe_grace

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> SnowflakeWarehouse:
        """The warehouse that the environment describes; beside a pipe in production, alone in the emulator."""
        emulated = environ.get("INGEST_ENV") == Environment.EMULATED
        return cls(environ, timedelta(0) if emulated else PIPE_GRACE)

    @property
    def access(self) -> SnowflakeAccess:
        return read_access(self._environ)

    def create_tables(self) -> None:
        with self._session() as session:
            session.create_tables()

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
        with self._session() as session:
            session.create_tables()
            held = [ArchiveObject(*row) for row in session.run("held_objects", start, end)]
            missing = _with_unequal(
                missing_objects(objects, held, full_reload), objects, held, session.unequal(start, end)
            )
            tally = LoadTally(objects, missing)
            load = _Load(session, archive, tally, datetime.now(UTC) - self._pipe_grace)
            batches = [missing.add[i : i + sql.FILES_PER_COPY] for i in range(0, len(missing.add), sql.FILES_PER_COPY)]
            with session.transaction(bool(missing.remove)):
                if missing.remove:
                    load.remove(missing.remove)
                for batch in batches:
                    with session.transaction(not missing.remove):
                        load.add(batch)
                    if progress is not None:
                        progress(tally.done, len(missing.add))
            rows = session.run("held_by_date", start, end)
        return tally.days(start, end, {day: (int(count), int(bad)) for day, count, bad in rows})

    def loaded_versions(self, start: date, end: date) -> dict[date, str]:
        held: dict[date, list[ArchiveObject]] = {day: [] for day in days(start, end)}
        with self._session() as session:
            for row in session.run("held_objects", start, end):
                item = ArchiveObject(*row)
                held[item.arrival_date].append(item)
        return {day: data_version(objects) for day, objects in held.items()}

    def head(self) -> int:
        with self._session() as session:
            return int(session.run("head")[0][0])

    def mark_built(self, models: Sequence[str], start: date, end: date, head: int) -> None:
        if not models or start >= end:
            return
        names = sql.as_json(models)
        with self._session() as session, session.transaction():
            # Two runs may mark the same dates: the second waits for the first.
            session.run("take_number")
            session.run("forget_builds", start, end, names)
            session.run("note_builds", head, names, sql.as_json(days(start, end)))

    def behind(self, models: Sequence[str], start: date, end: date) -> list[date]:
        unfold = "select value::varchar{cast} as {name} from table(flatten(input => parse_json(?)))"
        given = (
            f"days as ({unfold.format(cast='::date', name='day')}), models as ({unfold.format(cast='', name='model')})"
        )
        return [
            row[0]
            for row in self.query(f"with {given}, {BEHIND_SQL}", [sql.as_json(days(start, end)), sql.as_json(models)])
        ]

    def parse_user_agents(self, start: date, end: date) -> dict[str, int]:
        with self._session() as session:
            rows = session.run("unparsed_user_agents", start - timedelta(days=LOOKBACK_DAYS), end, PARSER_VERSION)
            parsed = parse_all(row[0] for row in rows)
            if parsed:
                with session.transaction():
                    # Two runs may meet the same new agent: the second waits for the first, then replaces its row.
                    session.run("take_number")
                    for some in _chunks([agent._asdict() for agent in parsed]):
                        session.run("delete_user_agents", some)
                        session.run("insert_user_agents", some)
            total, bots = session.run("count_user_agents")[0]
        return {"parsed": len(parsed), "user_agents": int(total), "bots": int(bots)}

    def row_counts(self, relation: str, start: date, end: date) -> dict[date, int]:
        counts = dict.fromkeys(days(start, end), 0)
        counts.update(
            self.query(
                f"select event_date, count(*) from {relation} where event_date >= ? and event_date < ? group by event_date",
                [start, end],
            )
        )
        return counts

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._session() as session:
            return session.execute(statement, parameters)

    def publish(self, folder: Path, start: date, end: date) -> list[Path]:
        written = []
        with self._session() as session:
            for relation in PUBLISHED:
                name = relation.partition(".")[2]
                (folder / name).mkdir(parents=True, exist_ok=True)
                table = session.table(
                    f"select * from {relation} where event_date >= ? and event_date < ? order by 1, 2, 3, 4",
                    [start, end],
                )
                for day in days(start, end):
                    path = folder / name / f"{day}.parquet"
                    temporary = path.with_suffix(".tmp")
                    pq.write_table(table.filter(pc.equal(table["event_date"], pa.scalar(day))), temporary)
                    temporary.replace(path)
                    written.append(path)
        return written

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        tag = self._environ.get("SNOWFLAKE_QUERY_TAG") or "clickstream"
        with connection(self.access, tag) as opened:
            yield _Session(opened)


def _with_unequal(
    missing: Missing, archived: Sequence[ArchiveObject], held: Sequence[ArchiveObject], unequal: set[str]
) -> Missing:
    """Also load anew what RAW.LOGS holds with another number of rows than the ledger says."""
    add, remove = set(missing.add), set(missing.remove)
    add |= {item for item in archived if item.key in unequal}
    remove |= {item for item in held if item.key in unequal}
    return Missing(sorted(add), sorted(remove))


def _chunks(rows: Sequence[Any]) -> Iterator[str]:
    for start in range(0, len(rows), _ROWS_PER_STATEMENT):
        yield sql.as_json(rows[start : start + _ROWS_PER_STATEMENT])


class _Session:
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

    def unequal(self, start: date, end: date) -> set[str]:
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


class _Load:
    """One load: what it removes, copies and notes. `young` is the moment after which an object is left to the pipe."""

    def __init__(self, session: _Session, archive: Archive, tally: LoadTally, young: datetime) -> None:
        self._session = session
        self._archive = archive
        self._tally = tally
        self._young = young

    def remove(self, objects: Sequence[ArchiveObject]) -> None:
        """Delete what these objects brought, and note the dates that this changes."""
        keys = sql.as_json(item.key for item in objects)
        touched = {day for row in self._session.run("touched_dates", keys) for day in json.loads(row[0])}
        self._tally.removed({date.fromisoformat(day) for day in touched})
        arrived = [item.arrival_date for item in objects]
        self._session.run("delete_logs", min(arrived), max(arrived), keys)
        self._session.run("delete_bad_lines", keys)
        self._session.run("delete_ledger", keys)
        self._take_number(sorted(touched))

    def add(self, objects: Sequence[ArchiveObject]) -> None:
        """Make RAW.LOGS hold these objects and note them. One that cannot be read costs its neighbours nothing."""
        found = self._rows(objects)
        # A pipe loads a file whole, so one row tells. What is young and not there yet is the pipe's.
        by_pipe = [item for item in objects if item.key in found]
        ours = [item for item in objects if item.key not in found and not self._is_young(item)]
        copied, errors, failed = self._copy(ours)
        if by_pipe:
            failed |= self._failed_in_pipe(by_pipe)
        if copied:
            found = self._rows([*by_pipe, *copied])
        bad = {item.key: bad_lines(self._archive, item) for item in [*by_pipe, *copied] if item.key in failed}
        ledger = self._ledger([*by_pipe, *copied], found, {key: len(lines) for key, lines in bad.items()})
        self._insert_bad_lines(objects, bad)
        number = self._take_number(sorted({f"{day}" for row in ledger for day in row["event_dates"]}))
        for some in _chunks([{**row, "load_id": number} for row in ledger]):
            self._session.run("insert_ledger", some)
        self._tally.loaded(LoadedObjects([*by_pipe, *copied], errors), ledger)

    def _is_young(self, item: ArchiveObject) -> bool:
        key = parse_key(item.key)
        return key is not None and key.arrived_at > self._young

    def _copy(
        self, objects: Sequence[ArchiveObject]
    ) -> tuple[list[ArchiveObject], list[tuple[ArchiveObject, str]], set[str]]:
        """COPY the objects; returns those copied, those that cannot be read, and the keys of those with bad lines."""
        from snowflake.connector.errors import ProgrammingError

        if not objects:
            return [], [], set()
        errors: list[tuple[ArchiveObject, str]] = []
        wanted = list(objects)
        try:
            report = self._session.execute(sql.copy_logs([item.key for item in wanted]))
        except ProgrammingError:
            # One broken file fails the statement: find it, and copy the others.
            errors = _unreadable(self._archive, wanted)
            broken = {item for item, _ in errors}
            wanted = [item for item in wanted if item not in broken]
            if not errors:
                raise
            report = self._session.execute(sql.copy_logs([item.key for item in wanted])) if wanted else []
        by_name = {_short(item.key): item.key for item in wanted}
        failed = {by_name[_short(row[0])] for row in report if len(row) > 5 and int(row[5] or 0) > 0}
        return wanted, errors, failed

    def _failed_in_pipe(self, objects: Sequence[ArchiveObject]) -> set[str]:
        """The keys whose load met bad lines, or of which no history tells any more: those are looked through."""
        history = {_short(name): int(errors or 0) for name, errors in self._session.run("copy_history")}
        return {item.key for item in objects if history.get(_short(item.key), 1) > 0}

    def _rows(self, objects: Sequence[ArchiveObject]) -> dict[str, dict[date, int]]:
        """Rows in RAW.LOGS by object and event date, for those of `objects` that have any."""
        arrived = [item.arrival_date for item in objects]
        keys = sql.as_json(item.key for item in objects)
        found: dict[str, dict[date, int]] = defaultdict(dict)
        for key, day, count in self._session.run("rows_of_objects", min(arrived), max(arrived), keys):
            found[key][day] = int(count)
        return found

    def _ledger(
        self, objects: Sequence[ArchiveObject], found: Mapping[str, Mapping[date, int]], bad: Mapping[str, int]
    ) -> list[dict[str, Any]]:
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
        return [
            {
                "object_key": item.key,
                "arrival_date": item.arrival_date,
                "etag": item.etag,
                "size_bytes": item.size,
                "row_count": sum(found.get(item.key, {}).values()),
                "bad_lines": bad.get(item.key, 0),
                # A bad line is quarantined under its arrival date, so that date's models change too.
                "event_dates": sorted({*found.get(item.key, {}), *([item.arrival_date] if bad.get(item.key) else [])}),
                "loaded_at": now,
            }
            for item in objects
        ]

    def _insert_bad_lines(self, objects: Sequence[ArchiveObject], bad: Mapping[str, list[tuple[int, str]]]) -> None:
        rows = [
            {
                "log_id": f"{uuid5(UUID(LOG_ID_NAMESPACE), f'{item.key}:{number}')}",
                "log_filename": item.key,
                "log_file_row_number": number,
                "arrival_date": item.arrival_date,
                "payload": text[:8192],
            }
            for item in objects
            for number, text in bad.get(item.key, [])
        ]
        for some in _chunks(rows):
            self._session.run("insert_bad_lines", some)

    def _take_number(self, event_dates: Sequence[str]) -> int:
        """Give this load its number, under a lock that lasts until the commit, and note the event dates it changed."""
        self._session.run("take_number")
        number = int(self._session.run("number_taken")[0][0])
        if event_dates:
            changed = sql.as_json(event_dates)
            self._session.run("forget_changes", changed)
            self._session.run("note_changes", number, changed)
        return number


def _short(name: str) -> str:
    """YYYY/MM/DD/HH/<file>: what is common to an object's key and the names that COPY and its history report."""
    return "/".join(name.split("/")[-5:])


def _unreadable(archive: Archive, objects: Sequence[ArchiveObject]) -> list[tuple[ArchiveObject, str]]:
    """Those of `objects` that the archive cannot give whole, with the reason."""
    from ingestion_platform.resources.archive import ArchiveError

    found = []
    for item in objects:
        try:
            bad_lines(archive, item)
        except ArchiveError as error:
            found.append((item, str(error)))
    return found


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
