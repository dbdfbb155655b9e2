"""What the platform needs of a warehouse, whichever it is: load objects, keep the ledger, say what is behind, publish what was built.

What a run builds is a proposal: it is staged where no reader looks, checked there, and published in one transaction, or discarded.

The ledger is five small tables beside RAW.LOGS:

    RAW.LOAD_HISTORY        one row an object that the table holds: etag, rows, bad lines, event dates, when
    RAW.ARCHIVES            one row: the id of the archive whose objects these are
    RAW.EVENT_DATE_CHANGES  one row an event date: the newest load that added or removed hits of that date
    RAW.BUILD_HISTORY       one row a model and event date: the newest load that its published build could see
    RAW.PUBLICATIONS        one row a publication: when, which models, which event dates

A date is behind when a change within its read window is newer than its build. The same rule serves the hourly tick, catching
up after downtime, late objects, killed runs and objects loaded as somebody else's margin; there is no lookback guess.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from collector.errors import ExpectedError
from ingestion_platform.dates import AFFECTED_AFTER, AFFECTED_BEFORE, Window
from ingestion_platform.resources.archive import Archive
from ingestion_platform.resources.ledger import Ledger, loaded_versions, stopped_dates

Progress = Callable[[int, int], None]
"""Called with (objects done, objects in all)."""

LOG_ID_NAMESPACE = "da69e958-fee3-428b-9dc3-e7586429fcfc"
"""log_id = uuid5 of this and "<filename>:<row>", the same on every warehouse."""

PUBLISHED = ("stats.overview_1h", "stats.overview_1d", "stats.revenue_1h", "stats.revenue_1d")
"""What `export` writes."""


class WarehouseError(ExpectedError):
    """The warehouse cannot do what was asked; the message says why and what to do, in one line."""


@dataclass(frozen=True)
class DayLoad:
    """What the warehouse holds of one arrival date after a load, and what the load added.

    `bytes` are the compressed bytes of the archive's objects; `event_dates` those that the newly loaded or removed objects
    touch; `errors` one line for each object that could not be read (its rows, if any, stay as they were), or the one line that says why
    nothing of the date was changed.
    """

    arrival_date: date
    objects: int = 0
    objects_loaded: int = 0
    objects_removed: int = 0
    rows: int = 0
    rows_loaded: int = 0
    bad_lines: int = 0
    bytes: int = 0
    event_dates: list[date] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Publication:
    """What one run made public: `models` by name, for event dates `window`; none of a publication of views only."""

    number: int
    published_at: datetime
    models: tuple[str, ...]
    window: Window | None


class Reader(ABC):
    """What checks read from: a warehouse, or a proposal, in which staged rows stand in place of what is published."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[None]:
        """A block whose queries share one connection, a login for each of which would cost more than they do; nothing writes in it."""

    @abstractmethod
    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a read-only query."""

    @abstractmethod
    def stale_dates(self, models: Sequence[str], start: date, end: date, first: date = date.min) -> list[date]:
        """The event dates of [start, end) for which any of `models` lacks something that the ledger has.

        What happened before the `first` partition counts as it: that is where it is quarantined.
        """

    def row_counts(self, relation: str, start: date, end: date) -> dict[date, int]:
        """Rows of `relation` (schema.name) by event_date, 0 for dates without any."""
        counts = self.query(
            f"select event_date, count(*) from {relation} where event_date >= ? and event_date < ? group by event_date",
            [start, end],
        )
        return dict.fromkeys(Window(start, end).days, 0) | dict(counts)


class Proposal(Reader):
    """What one run builds where no reader looks, until it is published or discarded."""

    @property
    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """What dbt has to find in its environment to build the proposal."""

    def add_views(self, views: Mapping[str, str]) -> None:
        """These models are views: their SELECT by schema.name. An engine in which dbt itself has written them has nothing to do."""

    @abstractmethod
    def publish(self, models: Sequence[str], latest_load_id: int) -> int:
        """Make public what was built of `models` (names) from everything up to load `latest_load_id`, and note it: all or nothing.

        Returns the publication's number.
        """


class Warehouse(Reader):
    """A warehouse that holds RAW.LOGS, its ledger and the models. Ranges of dates are half-open."""

    @abstractmethod
    def create_tables(self) -> None:
        """Create schemas, raw tables and the ledger where they are missing."""

    @abstractmethod
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
        """Make RAW.LOGS hold exactly the archive's objects of arrival dates [start, end), each once.

        Only what the ledger lacks is read; rows of replaced objects, and of objects that are gone and named in `remove`, are removed.
        The dates of `full_reload`, if given, are deleted and loaded anew in one transaction. Dates before `frozen_before` are left as
        they are, and so is, with an error, any date whose objects vanished or whose archive is not the one known (resources/guard.py).
        """

    def stopped(self, archive: Archive, start: date, end: date, *, frozen_before: date = date.min) -> dict[date, str]:
        """The arrival dates of [start, end) that `load` would leave as they are, each with the line that says why; changes nothing."""
        with self._ledger() as ledger:
            return stopped_dates(ledger, archive, start, end, frozen_before)

    def loaded_versions(self, start: date, end: date) -> dict[date, str]:
        """Per arrival date the data version of what is loaded: the archive's own when the table is up to date."""
        with self._ledger() as ledger:
            return loaded_versions(ledger, start, end)

    def latest_load_id(self) -> int:
        """The newest load, 0 when there was none."""
        with self._ledger() as ledger:
            return ledger.latest_load_id()

    def stale_dates(self, models: Sequence[str], start: date, end: date, first: date = date.min) -> list[date]:
        with self._ledger() as ledger:
            return ledger.stale_dates(models, start, end, first)

    @abstractmethod
    def parse_user_agents(self, start: date, end: date) -> dict[str, int]:
        """Parse what the hits that event dates [start, end) read carry and EVENTS.USER_AGENTS lacks; counts by kind."""

    @abstractmethod
    def propose(self, models: Mapping[str, str], window: Window | None) -> AbstractContextManager[Proposal]:
        """A proposal to write event dates of `window` of `models` (schema.name by name); what was not published when the block ends
        is discarded."""

    @abstractmethod
    def publications(self, limit: int = 20) -> list[Publication]:
        """What was published, newest first."""

    @abstractmethod
    def export(self, folder: Path, start: date, end: date) -> list[Path]:
        """Write the statistics of event dates [start, end) to Parquet, one file a model and date, each replaced whole, and give the
        files of other dates the same columns; returns all that were written."""

    @abstractmethod
    def _ledger(self) -> AbstractContextManager[Ledger]:
        """The ledger, to read from."""


STALE_DATES_SQL = f"""
    changes as (
        select greatest(c.event_date, f.day) as event_date, c.load_id
        from raw.event_date_changes as c
        cross join first_partition as f
    ),
    needed as (
        select d.day, max(c.load_id) as load_id
        from days as d
        join changes as c
          on c.event_date between d.day - interval '{AFFECTED_AFTER} days' and d.day + interval '{AFFECTED_BEFORE} days'
        group by d.day
    )
    select distinct n.day
    from needed as n
    cross join models as m
    left join raw.build_history as b on b.model = m.model and b.event_date = n.day
    where coalesce(b.load_id, -1) < n.load_id
    order by n.day
"""
"""Goes on after a WITH that supplies days(day), models(model) and first_partition(day); platform/dates.py has the inverse."""
