"""What a run builds into the lake before anybody sees it: Parquet files in a folder of its own, and their publication."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from collector.durable import sync_files
from ingestion_platform.dates import Window
from ingestion_platform.resources.duckdb.lake import Lake
from ingestion_platform.resources.duckdb.ledger import LakeLedger
from ingestion_platform.resources.duckdb.views import (
    published_name,
    read_files,
    show,
    show_ledger,
    show_published,
    show_views,
)
from ingestion_platform.resources.lake.contents import Column, NewFile, Snapshot, Table
from ingestion_platform.resources.warehouse import Proposal, WarehouseError

PARTITION_COLUMN = "event_date"


class LakeProposal(Proposal):
    """A proposal to write `models` (schema.name by name) for `window`, staged in `folder`; `after` is called when it has been published."""

    def __init__(
        self, lake: Lake, folder: Path, models: Mapping[str, str], window: Window | None, after: Callable[[], None]
    ) -> None:
        self._lake = lake
        self._folder = folder
        self._models = models
        self._window = window
        self._after = after
        self._base = lake.catalog.head()
        self._views: Mapping[str, str] = {}
        self._held: duckdb.DuckDBPyConnection | None = None
        for relation in models.values():
            for day in self._days:
                # dbt's COPY makes no folders.
                self._path(relation, day).parent.mkdir(parents=True, exist_ok=True)

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "LAKE_FOLDER": f"{self._lake.folder}",
            "LAKE_SNAPSHOT": f"{self._base}",
            "LAKE_STAGED": f"{self._folder}",
            "LAKE_SPILL": f"{self._folder / 'spill'}",
            "LAKE_LIVE": "" if self._window is not None else "yes",
        }

    @contextmanager
    def reading(self) -> Iterator[None]:
        if self._held is not None:
            yield
            return
        with self._lake.engine() as self._held:
            try:
                self._show(self._held)
                yield
            finally:
                self._held = None

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if self._held is None:
            with self.reading():
                return self.query(sql, parameters)
        return self._held.execute(sql, list(parameters)).fetchall()

    def stale_dates(self, models: Sequence[str], start: date, end: date, first: date = date.min) -> list[date]:
        with self._lake.catalog.reading() as connection:
            return LakeLedger(connection).stale_dates(models, start, end, first)

    def add_views(self, views: Mapping[str, str]) -> None:
        # dbt names its database, and a reader's may have any name.
        self._views = {name: sql.replace('"memory".', "") for name, sql in views.items()}

    def publish(self, models: Sequence[str], latest_load_id: int) -> int:
        tables = self._tables(models)
        files = {name: self._moved(table) for name, table in tables.items()}
        sync_files([self._lake.folder / file.path for moved in files.values() for file in moved])
        said = f"publish {', '.join(models) or 'views'}{f' of {self._window}' if self._window else ''}"
        with self._lake.catalog.change(said) as change:
            others = change.published_since(self._base, [table.name for table in tables.values()], self._days)
            if others:
                relation, day = others[0]
                raise WarehouseError(f"another run published {relation} of {day} meanwhile; run again")
            for name, table in tables.items():
                change.define_table(table)
                change.replace(table.name, self._days, files[name])
            for name, sql in self._views.items():
                change.put_view(name, sql)
            ledger = LakeLedger(change.connection)
            if self._window is not None:
                ledger.record_build(list(models), *self._window, latest_load_id)
            number = ledger.record_publication(list(models), self._window)
        self._after()
        return number

    @property
    def _days(self) -> list[date]:
        return self._window.days if self._window is not None else []

    def _path(self, relation: str, day: date) -> Path:
        """Where dbt stages a date of a model; materialization_replace_partitions has the same."""
        return self._folder.joinpath(*relation.split("."), f"{PARTITION_COLUMN}={day}", "rows.parquet")

    def _tables(self, models: Sequence[str]) -> dict[str, Table]:
        """The tables with the columns of what was staged."""
        tables = {}
        with duckdb.connect() as connection:
            for name in models:
                relation = self._models[name]
                if relation in self._views:
                    continue
                source = read_files([self._path(relation, self._days[0])], None)
                columns = connection.execute(f"describe select * from {source}").fetchall()
                tables[name] = Table(
                    relation, tuple(Column(name, kind) for name, kind, *_ in columns), PARTITION_COLUMN
                )
        return tables

    def _moved(self, table: Table) -> list[NewFile]:
        """The staged files that have rows, moved to where they stay: nobody knows of them yet."""
        moved = []
        for day in self._days:
            staged = self._path(table.name, day)
            path = self._lake.path(table, day, self._folder.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(path)
            file = self._lake.described(path, table, day)
            if file.rows:
                moved.append(file)
            else:
                path.unlink()
        return moved

    def _show(self, connection: duckdb.DuckDBPyConnection) -> None:
        snapshot = self._lake.catalog.snapshot(self._base)
        show_lake(connection, self._lake, snapshot)
        for relation in self._models.values():
            paths = [path for day in self._days if (path := self._path(relation, day)).exists()]
            if paths:
                # As the materialization shows it to the models further down.
                staged = f"select * from {read_files(paths, PARTITION_COLUMN)}"
                others = (
                    f"select * from {published_name(relation)} where {PARTITION_COLUMN} < date '{self._days[0]}' "
                    f"or {PARTITION_COLUMN} > date '{self._days[-1]}' union all by name "
                )
                show(connection, relation, (others if relation in snapshot.tables else "") + staged)
        show_views(connection, self._views)


def show_lake(connection: duckdb.DuckDBPyConnection, lake: Lake, snapshot: Snapshot, *, live: bool = False) -> None:
    """What a run works on: the tables of `snapshot`, as published too, the ledger as it is, and views over them. The `live` ones are for
    a run that builds these: planning them costs more than all others together."""
    show_published(connection, snapshot, lake.folder)
    with lake.catalog.reading() as ledger:
        show_ledger(connection, ledger)
    of_models = {relation.partition(".")[0] for relation in snapshot.tables}
    show_views(
        connection, {name: sql for name, sql in snapshot.views.items() if live or name.partition(".")[0] in of_models}
    )
