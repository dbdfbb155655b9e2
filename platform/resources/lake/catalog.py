"""The lake's catalog: `catalog.sqlite` in the lake's folder, laid out as DuckLake 1.0 specifies, beside folders of Parquet files.

    catalog.sqlite                                     what there is, in every kept snapshot; the ledger lives in it as well
    <schema>/<table>/<column>=<YYYY-MM-DD>/<name>.parquet   immutable; without the date's folder where a table has no dates

A snapshot is a state of all tables and views. A change is one transaction of SQLite: who reads sees all of it or nothing, and of one
that was killed nothing. Readers hold no lock between transactions, and a writer waits for another at most `BUSY_SECONDS`.

Paths in it are relative, below the one absolute path that DuckLake has (`data_path`). We never read that one; `create` and every
change set it right where the folder has been moved, for the sake of other readers.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from collector.durable import make_folder
from ingestion_platform.resources.lake.change import Change as Change
from ingestion_platform.resources.lake.contents import CatalogError as CatalogError
from ingestion_platform.resources.lake.contents import Column as Column
from ingestion_platform.resources.lake.contents import DataFile as DataFile
from ingestion_platform.resources.lake.contents import NewFile as NewFile
from ingestion_platform.resources.lake.contents import Snapshot as Snapshot
from ingestion_platform.resources.lake.contents import SnapshotInfo as SnapshotInfo
from ingestion_platform.resources.lake.contents import Table as Table
from ingestion_platform.resources.lake.draft import Draft
from ingestion_platform.resources.lake.reading import head, snapshot_of, snapshots_of
from ingestion_platform.resources.lake.schema import VERSION, data_path_of, lay_out, time_text

FILE_NAME = "catalog.sqlite"
BUSY_SECONDS = 60
_START = "(a new lake is made by the next load, and everything is rebuilt from the archive)"


class Catalog:
    """The catalog of one folder. It holds no connection: any number of threads and processes may use one each, or share this."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.path = self.folder / FILE_NAME

    def exists(self) -> bool:
        """Whether there is a catalog, or something in its place."""
        return self.path.exists()

    def create(self) -> None:
        """Make the folder and an empty catalog, unless they are there; several processes may do so at once."""
        if not self._begun():
            if next(self.folder.rglob("*.parquet"), None):
                raise CatalogError(
                    f"{self.folder} holds data files, but {FILE_NAME} is {'empty' if self.exists() else 'gone'}: restore it, "
                    f"or move the folder aside {_START}"
                )
            make_folder(self.folder)
        with self._connection("rwc") as connection:
            self._lay_out(connection)
            # With a log beside the file a reader, however long it reads, does not keep anybody from committing.
            connection.execute("pragma journal_mode = wal")

    def _lay_out(self, connection: sqlite3.Connection) -> None:
        with _transaction(connection, "begin immediate"):
            if connection.execute("select count(*) from sqlite_master").fetchone() == (0,):
                lay_out(connection, data_path_of(self.folder), time_text(datetime.now(UTC)))
            else:
                self._check(connection)
                self._set_data_path(connection)

    def head(self) -> int:
        """The newest snapshot."""
        with self.reading() as connection:
            return head(connection)

    def snapshot(self, at: int | None = None) -> Snapshot:
        """What the lake holds now, or held at an earlier snapshot that is still kept. Raises CatalogError."""
        with self.reading() as connection:
            return snapshot_of(connection, at)

    def snapshots(self) -> list[SnapshotInfo]:
        """Those that are kept, oldest first."""
        with self.reading() as connection:
            return snapshots_of(connection)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state of the catalog, and of the ledger in it, for the whole block, and writes nothing."""
        if not self._begun():
            raise CatalogError(f"there is no lake at {self.folder} yet; materialize raw/logs first (make demo does)")
        with self._connection("rw" if self._is_writable() else "ro&immutable=1") as connection:
            connection.execute("pragma query_only = on")
            with _transaction(connection, "begin"):
                self._check(connection)
                yield connection

    @contextmanager
    def change(self, message: str) -> Iterator[Change]:
        """One transaction: what the block does becomes one snapshot, said to be `message`, or none where it fails.

        A block that touches neither tables nor files nor views, but only the ledger, makes no snapshot.
        """
        if not self._begun():
            raise CatalogError(f"there is no lake at {self.folder} yet; materialize raw/logs first (make demo does)")
        with self._connection("rw") as connection, _transaction(connection, "begin immediate"):
            self._check(connection)
            self._set_data_path(connection)
            draft = Draft(connection)
            yield Change(draft)
            draft.finish(message, time_text(datetime.now(UTC)))

    def _begun(self) -> bool:
        """Not so where a process was killed before its first transaction: SQLite then leaves an empty file."""
        try:
            return self.path.stat().st_size > 0
        except FileNotFoundError:
            return False

    def _has_log(self) -> bool:
        """Whether what was committed last may not have reached the file yet."""
        log = self.path.with_name(f"{FILE_NAME}-wal")
        return log.exists() and log.stat().st_size > 0

    def _is_writable(self) -> bool:
        """Not so on a disk that is mounted to be read: SQLite cannot make its files beside the catalog there, nor can it change."""
        return os.access(self.folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids) or self._has_log()

    @contextmanager
    def _connection(self, mode: str) -> Iterator[sqlite3.Connection]:
        """Not "ro": what a killed process left half written has to be undone by whoever comes first."""
        try:
            with closing(
                sqlite3.connect(
                    f"{self.path.as_uri()}?mode={mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None
                )
            ) as connection:
                connection.execute("pragma synchronous = full")
                yield connection
        except sqlite3.Error as error:
            said = self._explained(error)
            if said is None:
                raise
            raise CatalogError(said) from error

    def _explained(self, error: sqlite3.Error) -> str | None:
        """The one line for what is wrong with the file or its disk; None for a mistake in a statement."""
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return self._damaged(f"{error}")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return (
                f"{self.path} is held by another process for more than {BUSY_SECONDS} s; end it and run again ({error})"
            )
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            return f"{self.path} cannot be read or written ({error}); nothing was changed: look at its disk and its permissions"
        return None

    def _damaged(self, why: str) -> str:
        return (
            f"{self.path} is damaged or cut short ({why}); nothing was changed: restore it from a copy, or move "
            f"{self.folder} aside {_START}"
        )

    def _check(self, connection: sqlite3.Connection) -> None:
        """Refuse what is no catalog, or one of a version that others wrote."""
        if connection.execute("select 1 from sqlite_master where name = 'ducklake_metadata'").fetchone() is None:
            raise CatalogError(
                f"{self.path} is not the catalog of a lake; nothing was changed: move {self.folder} aside {_START}"
            )
        # SQLite reads what is missing of its last page as zeros.
        wanted = connection.execute(
            "select page_count * page_size from pragma_page_count, pragma_page_size"
        ).fetchone()[0]
        held = self.path.stat().st_size
        if held < wanted and not self._has_log():
            raise CatalogError(self._damaged(f"it has {held} of {wanted} bytes"))
        found = connection.execute("select value from ducklake_metadata where key = 'version'").fetchone()
        if found != (VERSION,):
            raise CatalogError(
                f"{self.path} is laid out as DuckLake {found[0] if found else 'of no version'}, and this release knows {VERSION}; "
                f"nothing was changed: run the release that wrote it, or move {self.folder} aside {_START}"
            )

    def _set_data_path(self, connection: sqlite3.Connection) -> None:
        """Where the folder is now, if it was moved."""
        here = data_path_of(self.folder)
        connection.execute(
            "update ducklake_metadata set value = ? where key = 'data_path' and value <> ?", [here, here]
        )


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    """One around the block, undone if it fails."""
    connection.execute(begin)
    try:
        yield
        connection.execute("commit")
    except BaseException:
        # SQLite itself has undone it where the disk is full.
        if connection.in_transaction:
            connection.execute("rollback")
        raise
