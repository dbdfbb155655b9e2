"""What the platform needs of a warehouse, whichever it is: load objects, keep the ledger, say what is behind, publish what was built.

What a run builds is a proposal: it is staged where no reader looks, checked there, compared with what is published, and published in one
transaction, held until a person says what becomes of it, or discarded (platform/changes.py has the rules). A publication can be taken
back, which is a publication of its own.

The ledger is small tables beside RAW.LOGS:

    RAW.LOAD_HISTORY        one row an object that the table holds: etag, rows, bad lines, event dates, when
    RAW.ARCHIVES            one row: the id of the archive whose objects these are
    RAW.EVENT_DATE_CHANGES  one row an event date: the newest load that added or removed hits of that date
    RAW.BUILD_HISTORY       one row a model and event date: the newest load, the code and the inputs that its newest build could see,
                            and the publication that has its rows
    RAW.PUBLICATIONS        one row a publication: when, what kind, which models, which event dates
    RAW.VERSIONS            one row a publication, model and event date whose rows it changed: from what, and its fingerprint
    RAW.AUDITS              one row a run that held something, a model and event date: what it would change, and what became of it
    RAW.APPROVALS           one row a model and code version that a person has published: its changes are not held again

A date is behind when a change within its read window is newer than its build. The same rule serves the hourly tick, catching
up after downtime, late objects, killed runs and objects loaded as somebody else's margin; there is no lookback guess.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from ingestion_platform.dates import AFFECTED_AFTER, AFFECTED_BEFORE, Window
from ingestion_platform.resources.archive import Archive, ArchiveObject
from ingestion_platform.resources.ledger import Ledger, loaded_versions, stopped_dates
from ingestion_platform.resources.proposals import HeldAudit, Proposal, Publication, Reader

Progress = Callable[[int, int], None]
"""Called with (objects done, objects in all)."""

LOG_ID_NAMESPACE = "da69e958-fee3-428b-9dc3-e7586429fcfc"
"""log_id = uuid5 of this and "<filename>:<row>", the same on every warehouse."""

PUBLISHED = ("stats.overview_1h", "stats.overview_1d", "stats.revenue_1h", "stats.revenue_1d")
"""What `export` writes."""


LEDGER = "raw.build_history"
"""A table that every ledger has, and that only a loader creates: infra/ declares RAW.LOGS and RAW.LOAD_HISTORY before any load."""

_RELATIONS_SQL = "select lower(table_schema) || '.' || lower(table_name) from information_schema.tables"


@dataclass(frozen=True)
class DayLoad:
    """What the warehouse holds of one arrival date after a load, and what the load added.

    `bytes` are the compressed bytes of the archive's objects, `bytes_loaded` those of the newly loaded; `event_dates` those that the newly loaded or removed objects
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
    bytes_loaded: int = 0
    event_dates: list[date] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Warehouse(Reader):
    """A warehouse that holds RAW.LOGS, its ledger and the models. Ranges of dates are half-open."""

    @abstractmethod
    def create_tables(self) -> None:
        """Create schemas, raw tables and the ledger where they are missing."""

    def relations(self) -> set[str]:
        """The tables and views that are there, as schema.name in small letters."""
        return {name for (name,) in self.query(_RELATIONS_SQL)}

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

    def held_objects(self, start: date, end: date) -> list[ArchiveObject]:
        """The objects of arrival dates [start, end) that are loaded."""
        with self._ledger() as ledger:
            return ledger.held(start, end)

    def latest_load_id(self) -> int:
        """The newest load, 0 when there was none."""
        with self._ledger() as ledger:
            return ledger.latest_load_id()

    def stale_dates(self, models: Sequence[str], start: date, end: date, first: date = date.min) -> list[date]:
        with self._ledger() as ledger:
            return ledger.stale_dates(models, start, end, first)

    def stored_bytes(self, start: date, end: date) -> int | None:
        """What the rows of RAW.LOGS of event dates [start, end) are in bytes, about, where reading them is paid for; None where it is not."""
        return None

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
    def audits(self, limit: int = 20) -> list[HeldAudit]:
        """The audits that hold something or did, newest first; what was settled is forgotten after a while, as earlier versions are."""

    @abstractmethod
    def waiting(self) -> list[HeldAudit]:
        """The audits of which a date waits for a person, newest first."""

    @abstractmethod
    def audit(self, audit_id: str) -> HeldAudit | None:
        """The audit of that id."""

    @abstractmethod
    def approvals(self) -> set[tuple[str, str]]:
        """The (model, code version) that a person has published, and not taken back since."""

    @abstractmethod
    def publish_held(self, audit_id: str, dates: Collection[date] = ()) -> int | None:
        """Make public what an audit holds, all of it or of these dates, and approve its code; returns the publication's number.

        None where that had been done before. Raises WarehouseError, and changes nothing, where there is no such audit, or one of the
        dates is not held any more, and Moved where one was published by others since.
        """

    @abstractmethod
    def discard_held(self, audit_id: str, dates: Collection[date] = ()) -> list[date]:
        """Forget what an audit holds, all of it or of these dates; returns those that were held, none where that had been done before."""

    @abstractmethod
    def roll_back(self, number: int) -> int | None:
        """Let what a publication changed be again as it was before it, as a publication of its own, whose number is returned, and
        withdraw the approval of its code; None where that had been done before.

        Raises WarehouseError, and changes nothing, where there is no such publication, where what was before is not kept any more, and
        where later ones changed what it changed: they come first.
        """

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
