"""Nothing is wiped because something is missing: what a load asks of the archive before it touches a row.

    marker    `archive_id.json` beside stream_data/, which the ledger knows (RAW.ARCHIVES). The first load writes it where it is absent, and
              a warehouse that knows none yet takes the archive's. Missing, or another's, while the ledger holds objects: no date is loaded.
    vanished  an object that the ledger holds and the archive does not, unless it is named for removal: its date is not loaded.
    frozen    a date older than ARCHIVE_RETENTION_DAYS, whose objects may be gone by design: it is left as it is.

A date that is not loaded keeps every row, says why in one line, and fails the check `objects_readable`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date
from typing import NamedTuple

from collector.archive_keys import MARKER_KEY
from ingestion_platform.resources.archive import Archive, ArchiveObject


class Safe(NamedTuple):
    """What a load may work on: the objects of the archive and of the ledger on dates that are loaded, and a line for each of the others."""

    archived: list[ArchiveObject]
    held: list[ArchiveObject]
    stopped: dict[date, str]


def blocking_failure(archive: Archive, known: str | None, holds_objects: bool) -> str:
    """Why this is not the archive whose objects the ledger holds, in one line; nothing when it may be.

    `known` is the id that the ledger has, None in a warehouse that is new or older than markers. Where nothing was loaded there is
    nothing to lose, and any archive will do.
    """
    archive_id = archive.marker()
    if not holds_objects or archive_id == known is not None:
        return ""
    if known is None:
        return (
            ""
            if archive.dates()
            else f"{archive} is empty, and objects were loaded before: is its disk there, its name right?"
        )
    if archive_id is None:
        return f"{archive} has no {MARKER_KEY}, and objects were loaded from archive {known}: is its disk there, its name right?"
    return (
        f"{archive} is archive {archive_id}, and objects were loaded from archive {known}: a warehouse has one archive"
    )


def missing_from(
    archived: Sequence[ArchiveObject], held: Sequence[ArchiveObject], named: Collection[str]
) -> dict[date, list[str]]:
    """The keys that the ledger holds and the archive does not, without those `named` for removal, by arrival date."""
    there = {item.key for item in archived}
    lost: dict[date, list[str]] = defaultdict(list)
    for item in held:
        if item.key not in there and item.key not in named:
            lost[item.arrival_date].append(item.key)
    return dict(lost)


def vanished(keys: Sequence[str]) -> str:
    """The line about a date whose objects `keys` are gone."""
    others = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return f"{min(keys)}{others} was loaded and is gone from the archive: put it back, or name it in remove_objects to remove its rows"


def what_is_safe(
    archived: Sequence[ArchiveObject],
    held: Sequence[ArchiveObject],
    *,
    named: Collection[str] = (),
    frozen_before: date = date.min,
    refused: str = "",
) -> Safe:
    """Leave out frozen dates, dates with vanished objects, and, when the archive as a whole is `refused`, every date that is held."""
    stopped = {day: vanished(keys) for day, keys in missing_from(archived, held, named).items()}
    if refused:
        stopped = dict.fromkeys((item.arrival_date for item in (*held, *archived)), refused)
    stopped = {day: line for day, line in stopped.items() if day >= frozen_before}

    def is_safe(item: ArchiveObject) -> bool:
        return item.arrival_date >= frozen_before and item.arrival_date not in stopped

    return Safe(list(filter(is_safe, archived)), list(filter(is_safe, held)), stopped)
