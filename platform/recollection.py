"""Recollection: today's rules of the collector over what the archive holds, and corrected records where they say otherwise.

In: the archived records of some arrival dates. Out: new objects of the archive, under the arrival hour of now and a stream name of their own,
with a record for each hit whose outcome differs: the same event id, the same time of receipt, a `revision` higher than any before.
Nothing that is archived changes; the next load and refresh let the newest revision count. What is a difference, `collector.revisions` says.

A second run writes nothing: it first reads the corrections that were written before, into a file aside (a row each), and compares with the
newest of them. Memory is bounded by an object and by what is written at once. Killed in the middle, it has written whole objects; run again, the rest.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import uuid4

from isal import igzip

from collector import revisions
from collector.archive_keys import RECOLLECTED, object_key, parse_key
from collector.errors import ExpectedError
from collector.records import Record
from collector.settings import Settings as Rules
from ingestion_platform.corrections import Corrections, Known, digest
from ingestion_platform.dates import ONE_DAY, Window
from ingestion_platform.resources.archive import Archive, ArchiveError, ArchiveObject
from ingestion_platform.resources.line_reader import lines_of_object

V1 = "measurement_protocol_v1"

REACH_DAYS = 398
"""How old what is corrected may be: a correction arrives now, and a hit lies 400 days before its arrival at most (duckdb/sql.py)."""

_OBJECT_BYTES = 4 * 1024 * 1024
"""Compressed, of what is written at once."""

UNCHANGED, LEFT = "as they were", "left as they are"


class RecollectionError(ExpectedError):
    """Dates that cannot be recollected; the message is one line."""


class Wanted(NamedTuple):
    """Whose records are judged again. Empty: all of them."""

    reasons: Collection[str] = ()
    protocols: Collection[str] = ()


@dataclass
class Recollected:
    """What came of it: records by what became of them, the objects written, and why others could not be read."""

    counts: Counter[str] = field(default_factory=Counter)
    objects: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    @property
    def corrected(self) -> int:
        """How many records differ."""
        return sum(number for kind, number in self.counts.items() if kind not in (UNCHANGED, LEFT))


def refuse_old(window: Window, today: date) -> None:
    """Raise RecollectionError where corrections would arrive too late to count."""
    first = today - timedelta(days=REACH_DAYS)
    if window.start < first:
        raise RecollectionError(
            f"{window.start} is too long ago: what arrived before {first} can no longer be corrected"
        )


def recollect(
    archive: Archive,
    rules: Rules,
    window: Window,
    wanted: Wanted = Wanted(),  # noqa: B008
    *,
    dry: bool = False,
    progress: Callable[[int, int], object] = lambda done, of: None,
) -> Recollected:
    """Judge the records of the arrival dates of `window` again and, unless `dry`, append what differs."""
    now = datetime.now(UTC)
    refuse_old(window, now.date())
    archived = archive.objects(window.start, now.date() + ONE_DAY)
    objects = [item for item in archived if not _is_correction(item) and item.arrival_date < window.end]
    made = Recollected()
    with (
        TemporaryDirectory(prefix="recollect-") as folder,
        closing(Corrections(Path(folder) / "known.sqlite")) as known,
    ):
        for item in filter(_is_correction, archived):
            for line in lines_of_object(archive, item):
                known.read(line)
        writer = _Writer(archive, dry, made.objects)
        for done, item in enumerate(objects):
            progress(done, len(objects))
            try:
                for line in lines_of_object(archive, item):
                    for correction in _corrections(line, rules, wanted, known, made.counts, now):
                        writer.write(correction)
            except ArchiveError as error:
                made.unreadable.append(f"{error}")
        writer.flush()
        progress(len(objects), len(objects))
    return made


def _is_correction(item: ArchiveObject) -> bool:
    key = parse_key(item.key)
    return key is not None and key.stream == RECOLLECTED


def _corrections(
    line: str, rules: Rules, wanted: Wanted, known: Corrections, counts: Counter[str], now: datetime
) -> Iterator[bytes]:
    """The lines that correct this one; what becomes of it is counted."""
    record = revisions.read_record(line)
    if record is None or revisions.revision_of(record) or not _is_within_reach(record, now):
        counts[LEFT] += 1
        return
    reason = revisions.reason_of(record)
    before = known.of(record) or Known(0, digest(record), reason)
    if not _is_wanted(record, {reason, before.reason}, wanted):
        return
    try:
        if reason in revisions.BY_SETTINGS and reason not in wanted.reasons:
            raise revisions.NotJudged(f"refused by a setting: {reason}")
        lines = revisions.judged_again(record, rules)
    except revisions.NotJudged:
        counts[LEFT] += 1
        return
    for number, corrected in enumerate(lines):
        made = revisions.read_record(corrected)
        assert made is not None, "the collector reads what it writes"
        held = before if number == 0 else known.of(made)
        if held is not None and held.outcome == digest(made):
            counts[UNCHANGED] += 1
            continue
        after = revisions.reason_of(made)
        counts[_kind(held, after)] += 1
        revision = held.revision + 1 if held is not None else 1
        known.note(made, revision)
        yield revisions.revised(corrected, revision)


def _is_within_reach(record: Record, now: datetime) -> bool:
    """Whether its correction, which arrives now, is told to be of the same event."""
    received = datetime.fromtimestamp((revisions.received_at(record) or 0) / 1000, UTC)
    return now - timedelta(days=REACH_DAYS + 1) < received <= now


def _is_wanted(record: Record, reasons: Collection[str | None], wanted: Wanted) -> bool:
    protocol = record["request"].get("protocol") or V1
    of_protocol = not wanted.protocols or protocol in wanted.protocols
    return of_protocol and (not wanted.reasons or any(reason in wanted.reasons for reason in reasons))


def _kind(before: Known | None, reason: str | None) -> str:
    if before is None:
        return "further events of a refused request"
    was, becomes = ("refused" if it else "a hit" for it in (before.reason, reason))
    return f"{was}, now {becomes}" if was != becomes else f"{was}, otherwise"


class _Writer:
    """Puts lines into the archive, an object of a few megabytes at a time."""

    def __init__(self, archive: Archive, dry: bool, written: list[str]) -> None:
        self._archive, self._dry, self._written = archive, dry, written
        self._begin()

    def _begin(self) -> None:
        self._buffer = io.BytesIO()
        self._gzip = igzip.IGzipFile(fileobj=self._buffer, mode="wb")
        self._lines = 0

    def write(self, line: bytes) -> None:
        """Add a line."""
        self._gzip.write(line)
        self._lines += 1
        if self._buffer.tell() > _OBJECT_BYTES:
            self.flush()

    def flush(self) -> None:
        """Put what there is."""
        self._gzip.close()
        if self._lines and not self._dry:
            key = object_key(RECOLLECTED, datetime.now(UTC), f"{uuid4()}")
            self._archive.put(key, self._buffer.getvalue())
            self._written.append(key)
        self._begin()
