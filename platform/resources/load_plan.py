"""What a load has to do, and the account of what it did: the part that is the same for every warehouse. No database here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from ingestion_platform.dates import Window
from ingestion_platform.resources.archive import ArchiveObject
from ingestion_platform.resources.warehouse import DayLoad

PUT_BACK = "restore it, then load its date again"


class Missing(NamedTuple):
    """The difference between the archive and the table: objects to add, and objects whose rows must go first."""

    add: list[ArchiveObject]
    remove: list[ArchiveObject]


def missing_objects(
    archived: Sequence[ArchiveObject], held: Sequence[ArchiveObject], full_reload: Window | None = None
) -> Missing:
    """What to add and remove so that the table holds exactly `archived`; dates of `full_reload` count as not held at all.

    A replaced object (same key, other etag) is removed and added again.
    """

    def again(item: ArchiveObject) -> bool:
        return full_reload is not None and full_reload[0] <= item.arrival_date < full_reload[1]

    known, wanted = set(held), set(archived)
    return Missing(
        add=[item for item in archived if item not in known or again(item)],
        remove=[item for item in held if item not in wanted or again(item)],
    )


def portions(objects: Sequence[ArchiveObject], size: int) -> Iterator[list[ArchiveObject]]:
    """`objects` in their order, cut so that none but a single object's portion exceeds `size` compressed bytes."""
    portion: list[ArchiveObject] = []
    held = 0
    for item in objects:
        if portion and held + item.size > size:
            yield portion
            portion, held = [], 0
        portion.append(item)
        held += item.size
    if portion:
        yield portion


def empty_objects(objects: Sequence[ArchiveObject]) -> list[tuple[ArchiveObject, str]]:
    """Those of `objects` that hold no byte, each with the reason why it cannot be loaded: some databases read such a file without a word."""
    return [
        (item, f"{item.key} is empty, not even a gzip file of nothing; {PUT_BACK}") for item in objects if not item.size
    ]


class LoadedObjects(NamedTuple):
    """Objects that were loaded together, and those among them that could not be read, each with the reason."""

    objects: list[ArchiveObject]
    errors: list[tuple[ArchiveObject, str]]


class LoadTally:
    """Collects what one load did and lays it out by arrival date."""

    def __init__(
        self, objects: Sequence[ArchiveObject], missing: Missing, stopped: Mapping[date, str] | None = None
    ) -> None:
        self.done = 0
        self._stopped = stopped or {}
        self._objects = objects
        self._removed = missing.remove
        self._removed_dates: set[date] = set()
        self._ledger: list[dict[str, Any]] = []
        self._errors: list[tuple[ArchiveObject, str]] = []

    def removed(self, event_dates: Iterable[date]) -> None:
        """Rows of removed objects are gone; they had these event dates."""
        self._removed_dates |= set(event_dates)

    def unreadable(self, errors: Sequence[tuple[ArchiveObject, str]]) -> set[str]:
        """These cannot be read; returns their keys."""
        self._errors += errors
        return {item.key for item, _ in errors}

    def loaded(self, batch: LoadedObjects, ledger: list[dict[str, Any]]) -> None:
        """These are in the table, with these ledger rows."""
        self.done += len(batch.objects) + len(batch.errors)
        self._ledger += ledger
        self._errors += batch.errors

    def days(self, start: date, end: date, held: dict[date, tuple[int, int]]) -> list[DayLoad]:
        """One report a date of [start, end); `held` gives rows and bad lines in the table by arrival date."""
        archived: dict[date, list[ArchiveObject]] = defaultdict(list)
        for item in self._objects:
            archived[item.arrival_date].append(item)
        removed: dict[date, int] = defaultdict(int)
        for item in self._removed:
            removed[item.arrival_date] += 1
        ledger: dict[date, list[dict[str, Any]]] = defaultdict(list)
        for row in self._ledger:
            ledger[row["arrival_date"]].append(row)
        errors: dict[date, list[str]] = defaultdict(list, {day: [line] for day, line in self._stopped.items()})
        for item, error in self._errors:
            errors[item.arrival_date].append(error)
        return [
            DayLoad(
                arrival_date=day,
                objects=len(archived[day]),
                objects_loaded=len(ledger[day]),
                objects_removed=removed[day],
                rows=held.get(day, (0, 0))[0],
                rows_loaded=sum(row["row_count"] for row in ledger[day]),
                bad_lines=held.get(day, (0, 0))[1],
                bytes=sum(item.size for item in archived[day]),
                bytes_loaded=sum(row["size_bytes"] for row in ledger[day]),
                event_dates=sorted(
                    {touched for row in ledger[day] for touched in row["event_dates"]}
                    | (self._removed_dates if removed[day] else set())
                ),
                errors=errors[day],
            )
            for day in Window(start, end).days
        ]
