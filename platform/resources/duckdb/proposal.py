"""What a run builds into the lake before anybody sees it: Parquet files in a folder of its own, and their publication."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

from collector.durable import sync_files
from ingestion_platform.changes import Cell, Change, Fingerprint, Version
from ingestion_platform.dates import Window, listed
from ingestion_platform.resources.duckdb.fingerprints import (
    ENGINE,
    FILE_NAME,
    definition,
    made_anew,
    staged_columns,
    staged_fingerprints,
)
from ingestion_platform.resources.duckdb.held import held_folder
from ingestion_platform.resources.duckdb.lake import Lake
from ingestion_platform.resources.duckdb.ledger import LakeLedger
from ingestion_platform.resources.duckdb.publications import LakePublications
from ingestion_platform.resources.duckdb.publishing import PARTITION_COLUMN, file_of, publish_changes, tables_of
from ingestion_platform.resources.duckdb.views import (
    published_name,
    read_files,
    show,
    show_ledger,
    show_live_views,
    show_published,
    show_views,
)
from ingestion_platform.resources.lake.contents import NewFile, Snapshot, Table
from ingestion_platform.resources.lake.reading import snapshot_of
from ingestion_platform.resources.proposals import Proposal, PublicationKind, WarehouseError


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
        self._compared_with = self._base
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

    def fingerprints(self) -> dict[Cell, Fingerprint]:
        with duckdb.connect() as connection:
            return {
                Cell(model, day): made
                for model, relation in self._models.items()
                for day, made in self._fingerprints(connection, relation).items()
            }

    def _fingerprints(self, connection: duckdb.DuckDBPyConnection, relation: str) -> dict[date, Fingerprint]:
        if relation in self._views:
            return dict.fromkeys(self._days, definition(self._views[relation]))
        return staged_fingerprints(connection, self._fingerprints_file(relation), self._days)

    def _fingerprints_file(self, relation: str) -> Path:
        path = self._folder.joinpath(*relation.split("."), FILE_NAME)
        if not path.exists():
            raise WarehouseError(f"nothing is staged of {relation}: nothing was published")
        return path

    def published(self, unique_keys: Mapping[str, Sequence[str]]) -> dict[Cell, Version]:
        if self._window is None:
            return {}
        with self._lake.catalog.reading() as connection:
            ledger, snapshot = LakePublications(connection), snapshot_of(connection)
            self._compared_with = snapshot.snapshot_id
            versions = ledger.current(self._models, self._window)
            rows = {cell: held for cell, held in versions.items() if self._models[cell.model] not in self._views}
            same = {cell: held for cell, held in rows.items() if held.fingerprint.engine == ENGINE}
            altered = ledger.altered(same, self._models)
        versions |= {cell: replace(versions[cell], is_intact=False) for cell in altered}
        for cell, held in versions.items():
            relation = self._models[cell.model]
            if cell not in rows and held.fingerprint.engine != ENGINE and relation in snapshot.views:
                versions[cell] = replace(held, fingerprint=definition(snapshot.views[relation]))
        for model, relation in self._models.items():
            # What another DuckDB has hashed says nothing about what this one does.
            others = {cell.day for cell in rows.keys() - same.keys() if cell.model == model}
            if others:
                with duckdb.connect() as connection:
                    columns = staged_columns(connection, self._fingerprints_file(relation))
                made = made_anew(self._lake, snapshot, relation, unique_keys[model], others, columns)
                versions |= {
                    Cell(model, day): replace(versions[Cell(model, day)], fingerprint=print_of)
                    for day, print_of in made.items()
                }
        return versions

    def published_relation(self, relation: str) -> str:
        return published_name(relation)

    def publish(self, changes: Sequence[Change]) -> int | None:
        written = self._rows_of(changes)
        # One file of each model: all of its files have the same columns.
        tables = tables_of(
            {c.cell.model: self._staged(self._models[c.cell.model], c.cell.day) for c in written}, self._models
        )
        files = {
            change.cell: self._moved(tables[change.cell.model], change.cell.day)
            for change in written
            if change.after.fingerprint.rows
        }
        sync_files([self._lake.folder / file.path for file in files.values()])
        about = f"publish {', '.join(sorted(tables)) or 'views'}{f' of {self._window}' if self._window else ''}"
        with self._lake.catalog.change(about) as change:
            ledger = LakePublications(change.connection)
            if self._window is None:
                for name, sql in self._views.items():
                    change.put_view(name, sql)
                number: int | None = ledger.record(PublicationKind.RUN, "", [], change.before + 1)
                is_news = True
            else:
                before = change.connection.total_changes
                number = publish_changes(change, changes, tables, files, self._views, PublicationKind.RUN)
                ledger.supersede({known.cell.day for known in changes})
                is_news = change.connection.total_changes > before
        if is_news:
            self._after()
        return number

    def hold(self, changes: Sequence[Change]) -> str:
        audit_id = uuid4().hex[:8]
        folder = held_folder(self._lake, audit_id)
        files = []
        for change in self._rows_of(changes):
            relation = self._models[change.cell.model]
            files.append(file_of(folder, relation, change.cell.day))
            files[-1].parent.mkdir(parents=True, exist_ok=True)
            self._staged(relation, change.cell.day).replace(files[-1])
        sync_files(files)
        with self._lake.catalog.change(f"hold {listed(change.cell.day for change in changes)}") as change_of_ledger:
            LakePublications(change_of_ledger.connection).hold(audit_id, changes, self._views)
        self._after()
        return audit_id

    def _rows_of(self, changes: Iterable[Change]) -> list[Change]:
        """Those that have rows to show: not what is unchanged, nor views."""
        return [c for c in changes if c.is_difference and self._models[c.cell.model] not in self._views]

    @property
    def _days(self) -> list[date]:
        return self._window.days if self._window is not None else []

    def _path(self, relation: str, day: date) -> Path:
        return file_of(self._folder, relation, day)

    def _staged(self, relation: str, day: date) -> Path:
        """Where what was staged of a date lies: a publication that was refused, because others had come first, has moved it."""
        path = self._path(relation, day)
        return path if path.exists() else self._placed(relation, day)

    def _placed(self, relation: str, day: date) -> Path:
        return self._lake.path(Table(relation, (), PARTITION_COLUMN), day, self._folder.name)

    def _moved(self, table: Table, day: date) -> NewFile:
        """A staged file, moved to where it stays: nobody knows of it yet."""
        path = self._placed(table.name, day)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._staged(table.name, day).replace(path)
        return self._lake.described(path, table, day)

    def _show(self, connection: duckdb.DuckDBPyConnection) -> None:
        snapshot = self._lake.catalog.snapshot(self._compared_with)
        show_lake(connection, self._lake, snapshot)
        for relation in self._models.values():
            paths = [path for day in self._days if (path := self._staged(relation, day)).exists()]
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
    if live:
        show_live_views(connection, snapshot.views)
        return
    of_models = {relation.partition(".")[0] for relation in snapshot.tables}
    show_views(connection, {name: sql for name, sql in snapshot.views.items() if name.partition(".")[0] in of_models})
