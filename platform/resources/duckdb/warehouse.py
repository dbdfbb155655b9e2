"""The embedded warehouse: a lake of Parquet files under DATA_DIR, and the small file through which it is read.

Anybody may read at any time. Several processes may build at once, dates of their own each; loads wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from ingestion_platform.dates import Window
from ingestion_platform.resources.archive import Archive
from ingestion_platform.resources.duckdb.current import is_current, write_current
from ingestion_platform.resources.duckdb.export import date_writer
from ingestion_platform.resources.duckdb.held import discard_held, publish_held, roll_back
from ingestion_platform.resources.duckdb.housekeeping import Kept, keep_house
from ingestion_platform.resources.duckdb.lake import MEMORY_LIMIT, Lake
from ingestion_platform.resources.duckdb.ledger import LakeLedger, ReadingLedger
from ingestion_platform.resources.duckdb.load import Load
from ingestion_platform.resources.duckdb.native import refuse_native
from ingestion_platform.resources.duckdb.proposal import LakeProposal
from ingestion_platform.resources.duckdb.publications import LakePublications
from ingestion_platform.resources.duckdb.tables import BAD_LINES, RAW_LOGS, USER_AGENTS
from ingestion_platform.resources.duckdb.user_agents import LakeUserAgents
from ingestion_platform.resources.duckdb.views import literal, show_tables
from ingestion_platform.resources.ledger import loadable
from ingestion_platform.resources.load_plan import LoadTally, missing_objects
from ingestion_platform.resources.parsed_agents import parse_missing
from ingestion_platform.resources.proposals import HeldAudit, Proposal, Publication, WarehouseError
from ingestion_platform.resources.published_files import export
from ingestion_platform.resources.warehouse import DayLoad, Progress, Warehouse


class DuckDBWarehouse(Warehouse):
    """The warehouse whose lake lies beside `path`, the file that its readers open."""

    def __init__(self, path: Path, memory_limit: str = MEMORY_LIMIT) -> None:
        self.path = path
        self._memory_limit = memory_limit
        self._held: duckdb.DuckDBPyConnection | None = None
        self._made = False

    @property
    def lake(self) -> Lake:
        return Lake(self.path.parent / "lake", self._memory_limit)

    def create_tables(self) -> None:
        if self._made:
            return
        lake = self.lake
        refuse_native(self.path, lake)
        lake.catalog.create()
        with lake.catalog.change("tables") as change:
            ledger = LakeLedger(change.connection)
            is_older = bool(ledger.missing_columns())
            ledger.create_tables()
            for table in (RAW_LOGS, BAD_LINES, USER_AGENTS):
                change.define_table(table)
        if is_older or not self.path.exists():
            self._refresh()
        self._made = True

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
        lake = self.lake
        with lake.lock("load"):
            with lake.catalog.reading() as connection:
                ledger = ReadingLedger(lake.catalog, connection)
                known, _ = ledger.known_archive()
                objects, safe = loadable(ledger, archive, start, end, named=remove, frozen_before=frozen_before)
            missing = missing_objects(safe.archived, safe.held, full_reload)
            tally = LoadTally(objects, missing, safe.stopped)
            done = 0

            def one_more() -> None:
                nonlocal done
                done += 1
                if progress is not None:
                    progress(done, len(missing.add))

            try:
                with lake.engine() as engine:
                    Load(lake, engine, archive, tally, one_more).run(missing, whole=full_reload is not None)
            finally:
                with self._ledger() as now:
                    is_another = now.known_archive()[0] != known
                self._show_newest(bool(missing.add or missing.remove) or is_another)
        with self._ledger() as now:
            return tally.days(start, end, now.totals(start, end))

    def parse_user_agents(self, start: date, end: date) -> dict[str, int]:
        lake = self.lake
        with lake.lock("load"), lake.engine() as engine:
            show_tables(engine, lake.catalog.snapshot(), lake.folder)
            counts = parse_missing(LakeUserAgents(lake, engine), start, end)
        self._show_newest(counts["parsed"] > 0)
        return counts

    @contextmanager
    def propose(self, models: Mapping[str, str], window: Window | None) -> Iterator[Proposal]:
        with self.lake.staged() as folder:
            yield LakeProposal(self.lake, folder, models, window, self._refresh)

    def keep_house(self, keep: timedelta, grace: timedelta, now: datetime) -> Kept:
        """Merge, forget and delete (see `keep_house` in housekeeping.py), beside whoever reads, loads and builds."""
        self.create_tables()
        try:
            return keep_house(self.lake, keep, grace, now)
        finally:
            self._refresh()

    def publications(self, limit: int = 20) -> list[Publication]:
        with self._publications() as known:
            return known.publications(limit)

    def audits(self, limit: int = 20) -> list[HeldAudit]:
        with self._publications() as known:
            return known.audits(limit)

    def waiting(self) -> list[HeldAudit]:
        with self._publications() as known:
            return known.waiting()

    def audit(self, audit_id: str) -> HeldAudit | None:
        with self._publications() as known:
            return known.audit(audit_id)

    def approvals(self) -> set[tuple[str, str]]:
        with self._publications() as known:
            return known.approvals()

    def publish_held(self, audit_id: str, dates: Collection[date] = ()) -> int | None:
        self._demand()
        try:
            return publish_held(self.lake, audit_id, dates)
        finally:
            self._refresh()

    def discard_held(self, audit_id: str, dates: Collection[date] = ()) -> list[date]:
        self._demand()
        try:
            return discard_held(self.lake, audit_id, dates)
        finally:
            self._refresh()

    def roll_back(self, number: int) -> int | None:
        self._demand()
        try:
            return roll_back(self.lake, number)
        finally:
            self._refresh()

    @contextmanager
    def reading(self) -> Iterator[None]:
        if self._held is not None:
            yield
            return
        with self._opened() as self._held:
            try:
                yield
            finally:
                self._held = None

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if self._held is None:
            with self._opened() as opened:
                return opened.execute(sql, list(parameters)).fetchall()
        return self._held.execute(sql, list(parameters)).fetchall()

    def export(self, folder: Path, start: date, end: date) -> list[Path]:
        with self._opened() as opened:
            return export(folder, start, end, lambda relation: date_writer(opened, relation))

    @contextmanager
    def _ledger(self) -> Iterator[LakeLedger]:
        self._demand()
        with self.lake.catalog.reading() as connection:
            yield LakeLedger(connection)

    @contextmanager
    def _publications(self) -> Iterator[LakePublications]:
        self._demand()
        with self.lake.catalog.reading() as connection:
            yield LakePublications(connection)

    @contextmanager
    def _opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """What a user opens, mended where it is missing, was moved or was left behind by a run that was killed."""
        self._demand()
        lake = self.lake
        with lake.engine() as engine:
            if not self.path.exists():
                self._refresh()
            self._attach(engine)
            if not is_current(engine, lake):
                engine.execute("use memory; detach warehouse")
                self._refresh()
                self._attach(engine)
            yield engine

    def _attach(self, engine: duckdb.DuckDBPyConnection) -> None:
        # Opened as a database of its own, a file that was replaced would be seen as it was, as long as anyone in this process has it open.
        try:
            engine.execute(f"attach {literal(self.path)} as warehouse (read_only); use warehouse")
        except duckdb.Error as error:
            raise WarehouseError(f"cannot open {self.path}: {f'{error}'.splitlines()[0]}") from error

    def _show_newest(self, is_news: bool) -> None:
        """Where there is no news, the file is written only if a run that was killed left it behind."""
        if is_news:
            self._refresh()
        else:
            with self._opened():
                pass

    def _refresh(self) -> None:
        write_current(self.lake, self.path)

    def _demand(self) -> None:
        refuse_native(self.path, self.lake)
        if not self.lake.catalog.exists():
            raise WarehouseError(
                f"there is no warehouse at {self.path} yet; materialize raw/logs first (make demo does)"
            )
        if not self._made:
            with self.lake.catalog.reading() as connection:
                is_older = bool(LakeLedger(connection).missing_columns())
            if is_older:
                self.create_tables()
