"""The ledger on Snowflake: which objects RAW.LOGS holds, what they changed, and what was built from them.

A load takes its number by an UPDATE whose lock lasts until the commit: loads of several runs copy side by side and commit in the order
of their numbers, so that no build can have seen a later load and missed an earlier one. Whatever else two runs may write at the same
time takes the same lock.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ingestion_platform.dates import Window
from ingestion_platform.resources.archive import ArchiveObject
from ingestion_platform.resources.snowflake import sql
from ingestion_platform.resources.snowflake.session import Session, chunks
from ingestion_platform.resources.warehouse import STALE_DATES_SQL

# A pipe that has not taken an object after so long will not.
_RECENT = timedelta(days=2)


class SnowflakeLedger:
    """The ledger of a session; see `ingestion_platform.resources.ledger.Ledger`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create_tables(self) -> None:
        """Create what is missing, and ask first: CREATE ... IF NOT EXISTS needs the privilege even when the table is there."""
        schemas = {row[0] for row in self._session.run("existing_schemas")}
        existing = {row[0] for row in self._session.run("existing_tables")}
        for schema in ("raw", "events", "staged"):
            if schema not in schemas:
                self._session.execute(f"create schema if not exists {schema}")
        for name, statement in sql.tables().items():
            if name not in existing:
                self._session.execute(statement)
                if name == "raw.load_counter":
                    self._session.run("start_counter")
        columns = {(table, column) for table, column in self._session.run("existing_columns")}
        for added, statement in sql.additions().items():
            if added not in columns:
                self._session.execute(statement)

    def known_archive(self) -> tuple[str | None, bool]:
        return self._session.run("known_archive")[0][0], bool(self._session.run("holds_objects")[0][0])

    def note_archive(self, archive_id: str) -> None:
        with self._session.transaction():
            self._session.run("forget_archive")
            self._session.run("note_archive", archive_id)

    def held(self, start: date, end: date) -> list[ArchiveObject]:
        return [ArchiveObject(*row) for row in self._session.run("held_objects", start, end)]

    def totals(self, start: date, end: date) -> dict[date, tuple[int, int]]:
        return {day: (int(count), int(bad)) for day, count, bad in self._session.run("held_by_date", start, end)}

    def row_count_mismatches(self, start: date, end: date) -> set[str]:
        """Keys of lately loaded objects of which RAW.LOGS holds another number of rows than the ledger says."""
        since = (datetime.now(UTC) - _RECENT).replace(tzinfo=None).isoformat(" ")
        return {row[0] for row in self._session.run("unequal_objects", start, end, since, start, end, since)}

    def remove(self, objects: Sequence[ArchiveObject]) -> list[date]:
        """Forget these objects, and what RAW holds of them; returns the event dates that they had."""
        keys = sql.as_json(item.key for item in objects)
        touched = {day for row in self._session.run("touched_dates", keys) for day in json.loads(row[0])}
        arrived = [item.arrival_date for item in objects]
        self._session.run("delete_logs", min(arrived), max(arrived), keys)
        self._session.run("delete_bad_lines", keys)
        self._session.run("delete_ledger", keys)
        return sorted(date.fromisoformat(day) for day in touched)

    def note_changes(self, event_dates: Collection[date]) -> int:
        """Give this load its number, under a lock that lasts until the commit, and note the event dates it changed."""
        self._session.run("next_load_id")
        load_id = int(self._session.run("number_taken")[0][0])
        if event_dates:
            changed = sql.as_json(event_dates)
            self._session.run("forget_changes", changed)
            self._session.run("note_changes", load_id, changed)
        return load_id

    def note_objects(self, load_id: int, rows: Sequence[dict[str, Any]]) -> None:
        """Note what load `load_id` brought."""
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
        for some in chunks([{**row, "load_id": load_id, "loaded_at": now} for row in rows]):
            self._session.run("insert_ledger", some)

    def latest_load_id(self) -> int:
        return int(self._session.run("latest_load_id")[0][0])

    def stale_dates(self, models: Sequence[str], start: date, end: date, first: date) -> list[date]:
        unfold = "select value::varchar{cast} as {name} from table(flatten(input => parse_json(?)))"
        given = (
            f"days as ({unfold.format(cast='::date', name='day')}), models as ({unfold.format(cast='', name='model')}), "
            f"first_partition as ({unfold.format(cast='::date', name='day')})"
        )
        listed = [sql.as_json(Window(start, end).days), sql.as_json(models), sql.as_json([first])]
        return [row[0] for row in self._session.execute(f"with {given}, {STALE_DATES_SQL}", listed)]
