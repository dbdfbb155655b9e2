"""The warehouse that scales: Snowflake, loaded by COPY from the stage over the archive, beside a pipe that may load the same objects."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from ingestion_platform.dates import Window
from ingestion_platform.resources.archive import Archive
from ingestion_platform.resources.ledger import loadable, stopped_dates
from ingestion_platform.resources.load_plan import LoadTally, missing_objects
from ingestion_platform.resources.parsed_agents import parse_missing
from ingestion_platform.resources.proposals import HeldAudit, Publication, WarehouseError
from ingestion_platform.resources.published_files import export
from ingestion_platform.resources.snowflake.connection import SnowflakeAccess, connection, read_access
from ingestion_platform.resources.snowflake.export import date_writer
from ingestion_platform.resources.snowflake.held import discard_held, publish_held, roll_back
from ingestion_platform.resources.snowflake.history import drop_before
from ingestion_platform.resources.snowflake.ledger import SnowflakeLedger
from ingestion_platform.resources.snowflake.load import Load, with_row_count_mismatches
from ingestion_platform.resources.snowflake.proposal import SnowflakeProposal
from ingestion_platform.resources.snowflake.publications import SnowflakePublications
from ingestion_platform.resources.snowflake.session import Session
from ingestion_platform.resources.snowflake.staged import drop_abandoned
from ingestion_platform.resources.snowflake.user_agents import SnowflakeUserAgents
from ingestion_platform.resources.warehouse import DayLoad, Progress, Warehouse
from ingestion_platform.settings import Environment

PIPE_GRACE = timedelta(minutes=30)
"""An object is left to the pipe for so long after its key's time: Firehose may buffer it for 15 minutes, a pipe takes a minute or two."""


class SnowflakeWarehouse(Warehouse):
    """A warehouse on Snowflake. Each call signs in and out.

    `environ` is read when a call connects, not before. `pipe_grace` is zero where no pipe loads beside it. What a publication replaced
    can be taken back for `keep_versions`.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        pipe_grace: timedelta = timedelta(0),
        keep_versions: timedelta = timedelta(days=7),
    ) -> None:
        self._environ = environ
        self._pipe_grace = pipe_grace
        self._keep_versions = keep_versions
        self._held: Session | None = None

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], keep_versions: timedelta = timedelta(days=7)
    ) -> SnowflakeWarehouse:
        """The warehouse that the environment describes; beside a pipe in production, alone in the emulator."""
        emulated = environ.get("INGEST_ENV") == Environment.EMULATED
        return cls(environ, timedelta(0) if emulated else PIPE_GRACE, keep_versions)

    @property
    def access(self) -> SnowflakeAccess:
        return read_access(self._environ)

    def create_tables(self) -> None:
        with self._ledger() as ledger:
            ledger.create_tables()

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
        with self.session() as session:
            ledger = SnowflakeLedger(session)
            ledger.create_tables()
            objects, safe = loadable(ledger, archive, start, end, named=remove, frozen_before=frozen_before)
            missing = missing_objects(safe.archived, safe.held, full_reload)
            missing = with_row_count_mismatches(missing, safe, ledger.row_count_mismatches(start, end))
            tally = LoadTally(objects, missing, safe.stopped)

            def report(in_all: int) -> None:
                if progress is not None:
                    progress(tally.done, in_all)

            Load(session, archive, tally, datetime.now(UTC) - self._pipe_grace).run(missing, report)
            return tally.days(start, end, ledger.totals(start, end))

    def stopped(self, archive: Archive, start: date, end: date, *, frozen_before: date = date.min) -> dict[date, str]:
        with self._ledger() as ledger:
            ledger.create_tables()
            return stopped_dates(ledger, archive, start, end, frozen_before)

    def stored_bytes(self, start: date, end: date) -> int | None:
        with self.session() as session:
            ((stored, held),) = session.run("size_of_logs") or ((0, 0),)
            ((rows,),) = session.run("rows_of_dates", start, end)
        return int(stored or 0) * int(rows) // int(held) if held else 0

    def parse_user_agents(self, start: date, end: date) -> dict[str, int]:
        with self.session() as session:
            return parse_missing(SnowflakeUserAgents(session), start, end)

    @contextmanager
    def propose(self, models: Mapping[str, str], window: Window | None) -> Iterator[SnowflakeProposal]:
        with self.session() as session:
            drop_abandoned(session)
            drop_before(session, datetime.now(UTC) - self._keep_versions)
            proposal = SnowflakeProposal(self, models, window)
            proposal.begin(session)
        try:
            yield proposal
        finally:
            # What cannot be dropped now, a later run drops.
            with suppress(WarehouseError):
                proposal.discard()

    def publications(self, limit: int = 20) -> list[Publication]:
        with self._complete() as session:
            return SnowflakePublications(session).publications(limit)

    def audits(self, limit: int = 20) -> list[HeldAudit]:
        with self._complete() as session:
            return SnowflakePublications(session).audits(limit)

    def waiting(self) -> list[HeldAudit]:
        with self._complete() as session:
            return SnowflakePublications(session).waiting()

    def audit(self, audit_id: str) -> HeldAudit | None:
        with self._complete() as session:
            return SnowflakePublications(session).audit(audit_id)

    def approvals(self) -> set[tuple[str, str]]:
        with self._complete() as session:
            return SnowflakePublications(session).approvals()

    def publish_held(self, audit_id: str, dates: Collection[date] = ()) -> int | None:
        with self._complete() as session:
            return publish_held(session, audit_id, dates)

    def discard_held(self, audit_id: str, dates: Collection[date] = ()) -> list[date]:
        with self._complete() as session:
            return discard_held(session, audit_id, dates)

    def roll_back(self, number: int) -> int | None:
        with self._complete() as session:
            return roll_back(session, number)

    @contextmanager
    def reading(self) -> Iterator[None]:
        if self._held is not None:
            yield
            return
        with self.session() as self._held:
            try:
                yield
            finally:
                self._held = None

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.session() as session:
            return session.execute(sql, parameters)

    def export(self, folder: Path, start: date, end: date) -> list[Path]:
        with self.session() as session:
            return export(folder, start, end, lambda relation: date_writer(session, relation, start, end))

    @contextmanager
    def _ledger(self) -> Iterator[SnowflakeLedger]:
        with self.session() as session:
            yield SnowflakeLedger(session)

    @contextmanager
    def _complete(self) -> Iterator[Session]:
        """A session in which the ledger has all its tables and columns: the warehouse may be one from before."""
        with self.session() as session:
            SnowflakeLedger(session).create_tables()
            yield session

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session of its own, or that of the surrounding block of `reading`."""
        if self._held is not None:
            yield self._held
            return
        tag = self._environ.get("SNOWFLAKE_QUERY_TAG") or "clickstream"
        with connection(self.access, tag) as opened:
            yield Session(opened)
