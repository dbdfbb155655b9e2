"""The lake of a DATA_DIR: where its files lie, how one is written, and a DuckDB in memory that works on it.

lake/catalog.sqlite                                          what is published (`resources.lake`) and the ledger
lake/<schema>/<table>/<column>=<date>/<name>.parquet         data, never changed once it is there
lake/staged/<proposal>/<schema>/<table>/...                  what a run builds, until it is published
lake/spill/<random>/                                         what does not fit into a process's memory
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import date
from pathlib import Path
from uuid import uuid4

import duckdb
import pyarrow.parquet as pq

from collector.durable import make_folder, sync_files
from ingestion_platform.resources.duckdb.views import literal
from ingestion_platform.resources.lake.catalog import Catalog
from ingestion_platform.resources.lake.contents import NewFile, Table
from ingestion_platform.resources.lake.workplaces import SPILL, STAGED, workplace
from ingestion_platform.resources.proposals import WarehouseError

# Level 1 writes 5 to 10 % faster than the default, 3, and 1 % more; the materialization replace_partitions has the same.
COPY_OPTIONS = "(format parquet, compression zstd, compression_level 1)"

# Left alone, DuckDB takes four fifths of the machine's memory. Building models is dbt's, with a limit of its own.
MEMORY_LIMIT = "2GB"

# DuckDB takes a path with one of these for a pattern, and knows no way to say that it is none.
_PATTERNS = set("*?[]{}")


class Lake:
    """The lake in `folder`."""

    def __init__(self, folder: Path, memory_limit: str = MEMORY_LIMIT) -> None:
        if _PATTERNS & set(f"{folder}"):
            raise WarehouseError(
                f"{folder} has one of {' '.join(sorted(_PATTERNS))} in its name: choose another DATA_DIR"
            )
        self.folder = folder
        self.catalog = Catalog(folder)
        self._memory_limit = memory_limit

    @contextmanager
    def engine(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A database in memory, for the block."""
        with self.spill() as spill:
            # Rows have no order; to keep one would load them on a single core.
            config: dict[str, str | bool | int | float | list[str]] = {
                "preserve_insertion_order": False,
                "memory_limit": self._memory_limit,
                "temp_directory": f"{spill}",
            }
            connection = duckdb.connect(config=config)
            try:
                yield connection
            finally:
                connection.close()

    @contextmanager
    def spill(self) -> Iterator[Path]:
        """A folder for what does not fit into memory in the block."""
        folder = self.folder / SPILL / uuid4().hex
        with ExitStack() as stack:
            # On a disk that can only be read, few queries need it.
            with suppress(OSError):
                stack.enter_context(workplace(folder))
            yield folder

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """A folder for what a run builds in the block."""
        folder = self.folder / STAGED / uuid4().hex
        with workplace(folder):
            yield folder

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Wait for the others who hold the lock, on this machine; it is free again when its process has ended, however it ended."""
        make_folder(self.folder)
        with (self.folder / f".{name}.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def path(self, table: Table, day: date | None, name: str) -> Path:
        """Where a file of a table's date goes."""
        schema, _, identifier = table.name.partition(".")
        within = Path(
            schema, identifier, f"{table.partition_column}={day}" if day is not None else "", f"{name}.parquet"
        )
        return self.folder / within

    def write(
        self, connection: duckdb.DuckDBPyConnection, select: str, table: Table, day: date | None
    ) -> NewFile | None:
        """Write what `select` gives as a file of a table's date; None when that is nothing."""
        path = self.path(table, day, uuid4().hex)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection.execute(f"copy ({select}) to {literal(path)} {COPY_OPTIONS}")
            new = self.described(path, table, day)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        if not new.rows:
            path.unlink()
            return None
        sync_files([path])
        return new

    def described(self, path: Path, table: Table, day: date | None) -> NewFile:
        """A file that was written, as the catalog notes it."""
        footer = pq.read_metadata(path)
        return NewFile(
            table.name,
            day,
            path.relative_to(self.folder).as_posix(),
            footer.num_rows,
            path.stat().st_size,
            footer.serialized_size,
        )

    def remove(self, files: Sequence[NewFile]) -> None:
        """Remove files that nobody has been told of."""
        for file in files:
            (self.folder / file.path).unlink(missing_ok=True)
