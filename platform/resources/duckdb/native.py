"""The warehouse of version 0.1, whose tables are in the file itself: told from the file that shows a lake, and read for what it had loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from ingestion_platform.resources.archive import ArchiveObject
from ingestion_platform.resources.duckdb.current import shows_a_lake
from ingestion_platform.resources.duckdb.lake import Lake
from ingestion_platform.resources.duckdb.views import literal
from ingestion_platform.resources.proposals import WarehouseError


def is_native(path: Path, lake: Lake) -> bool:
    """Whether a warehouse of version 0.1 lies at `path`. What cannot be opened counts as one: it is not ours to replace."""
    if lake.catalog.exists() or not path.exists():
        return False
    try:
        with _opened(path) as connection:
            # A file of ours whose lake was moved aside holds no rows.
            return not shows_a_lake(connection)
    except WarehouseError:
        return True


def refuse_native(path: Path, lake: Lake) -> None:
    """Raise WarehouseError where a warehouse of version 0.1 lies."""
    if is_native(path, lake):
        raise WarehouseError(
            f"{path} was made by version 0.1, before the lake: make upgrade keeps it aside and builds everything anew from the archive"
        )


def loaded_objects(path: Path) -> tuple[str | None, list[ArchiveObject]]:
    """The id of the archive that a warehouse of version 0.1 knows, if it knows any, and the objects it had loaded. Raises WarehouseError."""
    with _opened(path) as connection:
        tables = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
        if "load_history" not in tables:
            return None, []
        held = connection.execute("select object_key, size_bytes, etag from raw.load_history").fetchall()
        # Markers are younger than the first of these files.
        known = "select max(archive_id) from raw.archives" if "archives" in tables else "select null"
        ((archive_id,),) = connection.execute(known).fetchall()
    return archive_id, [ArchiveObject(*row) for row in held]


@contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        try:
            connection.execute(f"attach {literal(path)} as native (read_only); use native")
        except duckdb.Error as error:
            raise WarehouseError(
                f"cannot open {path}: end what has it open, or move it aside ({f'{error}'.splitlines()[0]})"
            ) from error
        yield connection
