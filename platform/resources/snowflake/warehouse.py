"""The warehouse that scales: Snowflake, loaded by COPY from the stage over the archive, beside a pipe that may load the same objects.

Which objects are missing is decided by file name, from the ledger and from RAW.LOGS itself; COPY's own history (64 days) and the
pipe's (14 days, and not the same one) decide nothing. An object that a pipe has loaded is only noted in the ledger. Should both
load one at the same moment, its rows are more than the ledger says, and the next load of its date loads it anew.

A batch of objects is one transaction, with its ledger rows; whatever removes rows is one transaction with what replaces them. A load
takes its number by an UPDATE whose lock lasts until the commit: loads of several runs copy side by side and commit in the order
of their numbers, so that no build can have seen a later load and missed an earlier one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingestion_platform.dates import REACH_DAYS, Window
from ingestion_platform.resources.archive import Archive, ArchiveError, ArchiveObject, data_version
from ingestion_platform.resources.guard import blocking_failure, what_is_safe
from ingestion_platform.resources.load_plan import LoadTally, Missing, missing_objects
from ingestion_platform.resources.published_files import align, put_in_place
from ingestion_platform.resources.snowflake import sql as sql
from ingestion_platform.resources.snowflake.connection import SnowflakeAccess, connection, read_access
from ingestion_platform.resources.snowflake.load import Load, unreadable_successors
from ingestion_platform.resources.snowflake.session import Session, chunks
from ingestion_platform.resources.warehouse import (
    PUBLISHED,
    STALE_DATES_SQL,
    DayLoad,
    Progress,
)
from ingestion_platform.settings import Environment
from ingestion_platform.user_agents import PARSER_VERSION, parse_all

PIPE_GRACE = timedelta(minutes=30)
"""An object is left to the pipe for so long after its key's time: Firehose may buffer it for 15 minutes, a pipe takes a minute or two."""


class SnowflakeWarehouse:
    """A warehouse on Snowflake; see `ingestion_platform.resources.warehouse.Warehouse`. Each call signs in and out.

    `environ` is read when a call connects, not before. `pipe_grace` is zero where no pipe loads beside it.
    """

    def __init__(self, environ: Mapping[str, str], pipe_grace: timedelta = timedelta(0)) -> None:
        self._environ = environ
        self._pipe_grace = pipe_grace
        self._held: Session | None = None

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
        full_reload: Window | None = None,
        remove: Collection[str] = (),
        frozen_before: date = date.min,
        progress: Progress | None = None,
    ) -> list[DayLoad]:
        with self._session() as session:
            session.create_tables()
            refused = session.recognise(archive)
            # A listing of another's archive says nothing.
            objects = [] if refused else archive.objects(start, end)
            safe = what_is_safe(
                objects, session.held(start, end), named=remove, frozen_before=frozen_before, refused=refused
            )
            if refused and not safe.stopped:
                raise ArchiveError(refused)
            missing = _with_row_count_mismatches(
                missing_objects(safe.archived, safe.held, full_reload),
                safe.archived,
                safe.held,
                session.row_count_mismatches(start, end),
            )
            tally = LoadTally(objects, missing, safe.stopped)
            missing = _without(missing, tally.unreadable(unreadable_successors(archive, missing)))
            load = Load(session, archive, tally, datetime.now(UTC) - self._pipe_grace)
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

    def stopped(self, archive: Archive, start: date, end: date, *, frozen_before: date = date.min) -> dict[date, str]:
        with self._session() as session:
            session.create_tables()
            refused = blocking_failure(archive, *session.known_archive())
            objects = [] if refused else archive.objects(start, end)
            held = session.held(start, end)
        return what_is_safe(objects, held, frozen_before=frozen_before, refused=refused).stopped

    def loaded_versions(self, start: date, end: date) -> dict[date, str]:
        held: dict[date, list[ArchiveObject]] = {day: [] for day in Window(start, end).days}
        with self._session() as session:
            for item in session.held(start, end):
                held[item.arrival_date].append(item)
        return {day: data_version(objects) for day, objects in held.items()}

    def latest_load_id(self) -> int:
        with self._session() as session:
            return int(session.run("latest_load_id")[0][0])

    def record_build(self, models: Sequence[str], start: date, end: date, latest_load_id: int) -> None:
        if not models or start >= end:
            return
        names = sql.as_json(models)
        with self._session() as session, session.transaction():
            # Two runs may mark the same dates: the second waits for the first.
            session.run("next_load_id")
            session.run("forget_builds", start, end, names)
            session.run("note_builds", latest_load_id, names, sql.as_json(Window(start, end).days))

    def stale_dates(self, models: Sequence[str], start: date, end: date, first: date = date.min) -> list[date]:
        unfold = "select value::varchar{cast} as {name} from table(flatten(input => parse_json(?)))"
        given = (
            f"days as ({unfold.format(cast='::date', name='day')}), models as ({unfold.format(cast='', name='model')}), "
            f"first_partition as ({unfold.format(cast='::date', name='day')})"
        )
        listed = [sql.as_json(Window(start, end).days), sql.as_json(models), sql.as_json([first])]
        return [row[0] for row in self.query(f"with {given}, {STALE_DATES_SQL}", listed)]

    def parse_user_agents(self, start: date, end: date) -> dict[str, int]:
        with self._session() as session:
            rows = session.run("unparsed_user_agents", start - timedelta(days=REACH_DAYS), end, PARSER_VERSION)
            parsed = parse_all(row[0] for row in rows)
            if parsed:
                with session.transaction():
                    # Two runs may meet the same new agent: the second waits for the first, then replaces its row.
                    session.run("next_load_id")
                    for some in chunks([agent._asdict() for agent in parsed]):
                        session.run("delete_user_agents", some)
                        session.run("insert_user_agents", some)
            total, bots = session.run("count_user_agents")[0]
        return {"parsed": len(parsed), "user_agents": int(total), "bots": int(bots)}

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
        with self._session() as self._held:
            try:
                yield
            finally:
                self._held = None

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
                for day in Window(start, end).days:
                    path = folder / name / f"{day}.parquet"
                    temporary = path.with_suffix(".tmp")
                    pq.write_table(table.filter(pc.equal(table["event_date"], pa.scalar(day))), temporary)
                    written.append(put_in_place(temporary))
                written += align(folder / name, path)
        return written

    @contextmanager
    def _session(self) -> Iterator[Session]:
        if self._held is not None:
            yield self._held
            return
        tag = self._environ.get("SNOWFLAKE_QUERY_TAG") or "clickstream"
        with connection(self.access, tag) as opened:
            yield Session(opened)


def _without(missing: Missing, unread: Collection[str]) -> Missing:
    """What replaces rows and cannot be read is left out, so that the rows stay."""
    return Missing(
        [item for item in missing.add if item.key not in unread],
        [item for item in missing.remove if item.key not in unread],
    )


def _with_row_count_mismatches(
    missing: Missing, archived: Sequence[ArchiveObject], held: Sequence[ArchiveObject], row_count_mismatches: set[str]
) -> Missing:
    """Also load anew what RAW.LOGS holds with another number of rows than the ledger says."""
    add, remove = set(missing.add), set(missing.remove)
    add |= {item for item in archived if item.key in row_count_mismatches}
    remove |= {item for item in held if item.key in row_count_mismatches}
    return Missing(sorted(add), sorted(remove))
