"""A run's proposal: what it built, where no reader looks, until that is published, held or discarded; and what was published before.

The rules by which one or the other happens are in platform/changes.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from collector.errors import ExpectedError
from ingestion_platform.changes import Cell, Change, Fingerprint, Version
from ingestion_platform.dates import Window


class WarehouseError(ExpectedError):
    """The warehouse cannot do what was asked; the message says why and what to do, in one line."""


class PublicationKind(StrEnum):
    """What made something public."""

    RUN = "run"
    AUDIT = "audit published"
    ROLL_BACK = "roll back"


@dataclass(frozen=True)
class Publication:
    """What was made public at once: rows of `models` (names), all on dates of `window`; none of a publication of views only.

    `about` is the audit that was published, or the publication that was taken back.
    """

    number: int
    published_at: datetime
    models: tuple[str, ...]
    window: Window | None
    kind: PublicationKind = PublicationKind.RUN
    about: str = ""


class AuditState(StrEnum):
    """What became of an audit's date."""

    HELD = "held"
    PUBLISHED = "published"
    DISCARDED = "discarded"
    SUPERSEDED = "superseded"


@dataclass(frozen=True)
class HeldAudit:
    """What one run holds, or held: its changes, all models of its dates, and what became of each date."""

    audit_id: str
    created_at: datetime
    changes: tuple[Change, ...]
    states: Mapping[date, AuditState]

    def dates(self, state: AuditState = AuditState.HELD) -> list[date]:
        """Its dates of which that became, in order."""
        return sorted(day for day, of_day in self.states.items() if of_day is state)


class Moved(WarehouseError):
    """Somebody else published something of these dates since they were compared."""

    def __init__(self, cells: Collection[Cell]) -> None:
        first = min(cells, key=lambda cell: (cell.day, cell.model))
        super().__init__(f"another run published {first.model} of {first.day} meanwhile; run again")
        self.dates = sorted({cell.day for cell in cells})


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
    def fingerprints(self) -> dict[Cell, Fingerprint]:
        """Those of all that was staged: all its models, on all its dates. A view has one row a date, its definition."""

    @abstractmethod
    def published(self, unique_keys: Mapping[str, Sequence[str]]) -> dict[Cell, Version]:
        """The published versions, as they are now, of its models' dates; those without any are left out.

        Their fingerprints are the engine's of today: those that another made are made anew, from the published rows and the models'
        `unique_keys` (columns by name of the model).
        """

    @abstractmethod
    def published_relation(self, relation: str) -> str:
        """What `query` has to name for the published rows of a relation (schema.name) whose own name means the staged ones."""

    @abstractmethod
    def publish(self, changes: Sequence[Change]) -> int | None:
        """Make public those of `changes` that are to be published, and note of all that they were built: all or nothing.

        They have whole dates, none of them held. Returns the publication's number; None where neither a row nor a view changes.
        Raises Moved where a cell is not what it was compared with.
        """

    @abstractmethod
    def hold(self, changes: Sequence[Change]) -> str:
        """Keep what was staged of `changes`, which have whole dates, until a person says what becomes of it; returns the audit's id.

        An older audit that holds one of these dates is superseded there.
        """
