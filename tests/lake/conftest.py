"""A lake of small Parquet files, written as the platform writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest

from ingestion_platform.resources.lake.catalog import Catalog
from ingestion_platform.resources.lake.contents import Column, NewFile, Table


class Lake(Catalog):
    """A catalog, and what a run does beside it: write files, and look at them."""

    def write(
        self, relation: str, day: date | None, name: str, select: str, partition_column: str | None = "event_date"
    ) -> NewFile:
        """A Parquet file of this date's rows, not yet in the catalog."""
        folder = relation.replace(".", "/") + (f"/{partition_column}={day}" if partition_column else "")
        path = self.folder / folder / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as engine:
            engine.execute(f"copy ({select}) to '{path}' (format parquet, compression zstd)")
            rows = engine.execute(f"select count(*) from '{path}'").fetchone()[0]
        footer = int.from_bytes(path.read_bytes()[-8:-4], "little")
        return NewFile(relation, day, f"{folder}/{path.name}", rows, path.stat().st_size, footer)

    def table(self, name: str, select: str, partition_column: str | None = "event_date") -> Table:
        """The table that a query's result would be."""
        with duckdb.connect() as engine:
            columns = engine.execute(f"describe {select}").fetchall()
        return Table(name, tuple(Column(column[0], column[1]) for column in columns), partition_column)

    def paths(self, relation: str, at: int | None = None) -> list[str]:
        return [Path(file.path).name for file in self.snapshot(at).files[relation]]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Empty, but created."""
    made = Lake(tmp_path / "lake")
    made.create()
    return made


NamedFile = Callable[[str, date | None], NewFile]


@pytest.fixture
def named() -> NamedFile:
    """An entry for a file of EVENTS.HITS that nobody opens: ten rows of a date."""

    def entry(name: str, day: date | None) -> NewFile:
        return NewFile("events.hits", day, f"events/hits/event_date={day}/{name}.parquet", 10, 1000, 300)

    return entry
