"""What was corrected before: the newest revision of each event, while its records are judged again (recollection.py).

In a file of SQLite that is gone afterwards, so that memory does not grow with what was ever corrected.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import NamedTuple

from collector import revisions
from collector.records import Record


class Known(NamedTuple):
    """What counts of an event so far."""

    revision: int
    outcome: str
    reason: str | None


def digest(record: Record) -> str:
    """Equal where nothing downstream could tell the records of an event apart."""
    outcome = json.dumps(revisions.outcome_of(record), sort_keys=True)
    return hashlib.sha256(outcome.encode()).hexdigest()


class Corrections:
    """What was corrected before, the newest revision of each event, in a file of its own."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("pragma synchronous = off")
        self._connection.execute(
            "create table known (event_id text, received integer, revision integer, outcome text, reason text, "
            "primary key (event_id, received)) without rowid"
        )
        self._connection.execute("begin")

    def read(self, line: str) -> None:
        """Know the correction in this line."""
        record = revisions.read_record(line)
        if record is not None:
            self.note(record, revisions.revision_of(record))

    def note(self, record: Record, revision: int) -> None:
        """Know this revision, unless a newer one is known."""
        self._connection.execute(
            "insert into known values (?, ?, ?, ?, ?) on conflict do update set "
            "revision = excluded.revision, outcome = excluded.outcome, reason = excluded.reason "
            "where excluded.revision > revision",
            [*_key(record), revision, digest(record), revisions.reason_of(record)],
        )

    def of(self, record: Record) -> Known | None:
        """The newest revision of the record's event."""
        found = self._connection.execute(
            "select revision, outcome, reason from known where event_id = ? and received = ?", _key(record)
        ).fetchone()
        return found and Known(*found)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _key(record: Record) -> tuple[str, int | None]:
    return record["event_id"], revisions.received_at(record)
