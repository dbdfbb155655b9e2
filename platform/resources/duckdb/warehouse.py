"""The embedded warehouse: one DuckDB file, one writer at a time.

The file is opened for each call and closed after it, so that dbt's process can open it in between; who may write when is the
business of Dagster's pool "warehouse".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from ingestion_platform.dates import Window
from ingestion_platform.resources.archive import Archive
from ingestion_platform.resources.duckdb.connection import connection
from ingestion_platform.resources.duckdb.ledger import DuckDBLedger
from ingestion_platform.resources.duckdb.load import Load
from ingestion_platform.resources.duckdb.publish import date_writer
from ingestion_platform.resources.duckdb.user_agents import DuckDBUserAgents
from ingestion_platform.resources.ledger import loadable
from ingestion_platform.resources.load_plan import LoadTally, missing_objects
from ingestion_platform.resources.parsed_agents import parse_missing
from ingestion_platform.resources.published_files import publish
from ingestion_platform.resources.warehouse import DayLoad, Progress, Warehouse

# Another process may hold the file for the length of a statement (a notebook, a query of the UI).
_LOCK_WAIT_SECONDS = 30.0

# Left alone, DuckDB takes four fifths of the machine's memory. Rows that were written need not stay in it: ten million load
# faster with this much, over and over, than with more that is new. Building models is dbt's, with a limit of its own.
MEMORY_LIMIT = "2GB"


class DuckDBWarehouse(Warehouse):
    """A warehouse in the DuckDB file `path`."""

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
        with self._ledger(to_write=True) as ledger:
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
        self.create_tables()
        with self._connect() as opened:
            ledger = DuckDBLedger(opened)
            objects, safe = loadable(ledger, archive, start, end, named=remove, frozen_before=frozen_before)
            missing = missing_objects(safe.archived, safe.held, full_reload)
            tally = LoadTally(objects, missing, safe.stopped)
            done = 0

            def one_more() -> None:
                nonlocal done
                done += 1
                if progress is not None:
                    progress(done, len(missing.add))

            Load(opened, archive, tally, one_more).run(missing, whole=full_reload is not None)
            return tally.days(start, end, ledger.totals(start, end))

    def parse_user_agents(self, start: date, end: date) -> dict[str, int]:
        with self._connect() as opened:
            return parse_missing(DuckDBUserAgents(opened), start, end)

    @contextmanager
    def reading(self) -> Iterator[None]:
        # Connections of one process share what was read, as long as one of them is open.
        with self._connect(read_only=True):
            yield

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._connect(read_only=True) as opened:
            return opened.execute(sql, list(parameters)).fetchall()

    def publish(self, folder: Path, start: date, end: date) -> list[Path]:
        with self._connect(read_only=True) as opened:
            return publish(folder, start, end, lambda relation: date_writer(opened, relation))

    @contextmanager
    def _ledger(self, *, to_write: bool = False) -> Iterator[DuckDBLedger]:
        with self._connect(read_only=not to_write) as opened:
            yield DuckDBLedger(opened)

    def _connect(self, read_only: bool = False) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return connection(self.path, self._config, self.lock_wait, read_only)
