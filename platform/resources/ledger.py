"""The ledger as every warehouse keeps it: what of it a load needs, and what follows from it alike for all of them.

The tables are described in resources/warehouse.py; `duckdb/ledger.py` and `snowflake/ledger.py` read and write them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Protocol
from uuid import uuid4

from ingestion_platform.dates import Window
from ingestion_platform.resources.archive import Archive, ArchiveError, ArchiveObject, data_version
from ingestion_platform.resources.guard import Safe, blocking_failure, what_is_safe


class Ledger(Protocol):
    """The ledger of an open warehouse; of its last two methods, `Warehouse` has the meaning under the same names."""

    def known_archive(self) -> tuple[str | None, bool]:
        """The id of the archive that the ledger knows, and whether the ledger holds objects."""
        ...

    def note_archive(self, archive_id: str) -> None:
        """Know this archive from now on, and no other."""
        ...

    def held(self, start: date, end: date) -> list[ArchiveObject]:
        """What the ledger holds of arrival dates [start, end)."""
        ...

    def totals(self, start: date, end: date) -> dict[date, tuple[int, int]]:
        """Rows and bad lines by arrival date of [start, end), for dates that hold an object."""
        ...

    def latest_load_id(self) -> int: ...

    def stale_dates(self, models: Sequence[str], start: date, end: date, first: date) -> list[date]: ...


def loadable(
    ledger: Ledger, archive: Archive, start: date, end: date, *, named: Collection[str], frozen_before: date
) -> tuple[list[ArchiveObject], Safe]:
    """The archive's objects of arrival dates [start, end), and what of them and of the ledger a load may work on.

    An archive without a marker gets one, and a ledger that knows no archive this one. Raises ArchiveError where the archive is not
    the one whose objects the ledger holds and no date could say so.
    """
    known, holds_objects = ledger.known_archive()
    refused = blocking_failure(archive, known, holds_objects)
    if not refused:
        archive_id = archive.marker() or archive.mark(f"{uuid4()}")
        if archive_id != known:
            ledger.note_archive(archive_id)
    objects, safe = _survey(ledger, archive, start, end, refused, named, frozen_before)
    if refused and not safe.stopped:
        raise ArchiveError(refused)
    return objects, safe


def stopped_dates(ledger: Ledger, archive: Archive, start: date, end: date, frozen_before: date) -> dict[date, str]:
    """The arrival dates of [start, end) that a load would leave as they are, each with the line that says why; changes nothing."""
    refused = blocking_failure(archive, *ledger.known_archive())
    return _survey(ledger, archive, start, end, refused, (), frozen_before)[1].stopped


def _survey(
    ledger: Ledger,
    archive: Archive,
    start: date,
    end: date,
    refused: str,
    named: Collection[str],
    frozen_before: date,
) -> tuple[list[ArchiveObject], Safe]:
    # A listing of another's archive says nothing.
    objects = [] if refused else archive.objects(start, end)
    held = ledger.held(start, end)
    return objects, what_is_safe(objects, held, named=named, frozen_before=frozen_before, refused=refused)


def loaded_versions(ledger: Ledger, start: date, end: date) -> dict[date, str]:
    """Per arrival date of [start, end) the data version of what the ledger holds."""
    held: dict[date, list[ArchiveObject]] = {day: [] for day in Window(start, end).days}
    for item in ledger.held(start, end):
        held[item.arrival_date].append(item)
    return {day: data_version(objects) for day, objects in held.items()}


def ledger_rows(
    objects: Iterable[ArchiveObject],
    row_counts: Mapping[str, int],
    event_dates: Mapping[str, Collection[date]],
    bad_lines: Mapping[str, int],
) -> list[dict[str, Any]]:
    """The rows of RAW.LOAD_HISTORY about loaded `objects`, but for `load_id` and `loaded_at`; the rest is by key, absent for none."""
    return [
        {
            "object_key": item.key,
            "arrival_date": item.arrival_date,
            "etag": item.etag,
            "size_bytes": item.size,
            "row_count": row_counts.get(item.key, 0),
            "bad_lines": bad_lines.get(item.key, 0),
            # A bad line is quarantined under its arrival date, so that date's models change too.
            "event_dates": sorted(
                {*event_dates.get(item.key, ()), *([item.arrival_date] if bad_lines.get(item.key) else [])}
            ),
        }
        for item in objects
    ]


def changed_dates(rows: Sequence[Mapping[str, Any]]) -> list[date]:
    """The event dates that these ledger rows name, sorted."""
    return sorted({day for row in rows for day in row["event_dates"]})
