"""A snapshot in the making: its number, the next free ids, and what was done, in the words of the specification."""

from __future__ import annotations

import sqlite3

from ingestion_platform.resources.lake.reading import head


class Draft:
    """Stands on the newest snapshot of a transaction that nobody else can write beside."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.before = head(connection)
        self.number = self.before + 1
        held: tuple[int, int, int] = connection.execute(
            "select schema_version, next_catalog_id, next_file_id from ducklake_snapshot where snapshot_id = ?",
            [self.before],
        ).fetchone()
        self._schema_version, self._next_catalog_id, self._next_file_id = held
        self._new_schema_version = self._schema_version + 1
        # Each once, in the order they were made.
        self._made: dict[str, None] = {}

    def made(self, change: str) -> None:
        """Note a change, such as inserted_into_table:3."""
        self._made[change] = None

    def unmade(self, change: str) -> None:
        """What was noted is no longer so."""
        self._made.pop(change)

    def has_made(self, change: str) -> bool:
        """Whether it was noted."""
        return change in self._made

    def schema_changes(self) -> int:
        """Readers that remember tables and views have to read them again; returns the version under which they find them."""
        self._schema_version = self._new_schema_version
        return self._schema_version

    def catalog_id(self) -> int:
        """A new id of a schema, table, view or partitioning."""
        self._next_catalog_id += 1
        return self._next_catalog_id - 1

    def file_id(self) -> int:
        """A new id of a file or a mapping."""
        self._next_file_id += 1
        return self._next_file_id - 1

    def finish(self, message: str, now: str) -> None:
        """Write the snapshot, if there is anything to it."""
        if not self._made:
            return
        newest = self.connection.execute("select max(snapshot_time) from ducklake_snapshot").fetchone()[0]
        self.connection.execute(
            "insert into ducklake_snapshot values (?, ?, ?, ?, ?)",
            # A clock that was set back does not turn round the order in which readers look for a moment.
            [self.number, max(now, newest), self._schema_version, self._next_catalog_id, self._next_file_id],
        )
        self.connection.execute(
            "insert into ducklake_snapshot_changes values (?, ?, null, ?, null)",
            [self.number, ",".join(self._made), message],
        )
