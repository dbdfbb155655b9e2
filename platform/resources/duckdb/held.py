"""What runs held for a person: their files below lake/held/<audit>/, published or discarded later, and publications taken back.

A file that is held keeps its name until the catalog knows the other one, under which it is published: killed in between, it is still held.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

from collector.durable import sync_files
from ingestion_platform.changes import Cell, Decision
from ingestion_platform.dates import listed
from ingestion_platform.resources.duckdb.lake import Lake
from ingestion_platform.resources.duckdb.publications import LakePublications
from ingestion_platform.resources.duckdb.publishing import (
    PARTITION_COLUMN,
    file_of,
    one_file_each,
    publish_changes,
    tables_of,
)
from ingestion_platform.resources.duckdb.views import select_files
from ingestion_platform.resources.lake.contents import CatalogError, DataFile, NewFile, Snapshot, Table
from ingestion_platform.resources.lake.workplaces import HELD, Removed, untouched_since
from ingestion_platform.resources.proposals import AuditState, PublicationKind
from ingestion_platform.resources.settling import NO_VERSION, chosen_dates, known_audit, not_kept, to_take_back


def held_folder(lake: Lake, audit_id: str) -> Path:
    """Where an audit has its files."""
    return lake.folder / HELD / audit_id


def publish_held(lake: Lake, audit_id: str, dates: Collection[date]) -> int | None:
    """See `Warehouse.publish_held`."""
    with lake.catalog.reading() as connection:
        ledger = LakePublications(connection)
        audit, views = known_audit(ledger, audit_id), ledger.views_of(audit_id)
    days = chosen_dates(audit, dates, AuditState.PUBLISHED)
    if not days:
        return None
    changes = [change for change in audit.changes if change.cell.day in days]
    folder, relations = held_folder(lake, audit_id), _relations_of(lake, audit_id)
    written = [change for change in changes if change.is_difference and change.cell.model in relations]
    tables = tables_of(one_file_each([change.cell for change in written], folder, relations), relations)
    files = {}
    for known in written:
        if known.after.fingerprint.rows:
            cell, table = known.cell, tables[known.cell.model]
            path = lake.path(table, cell.day, audit_id)
            _link(file_of(folder, table.name, cell.day), path)
            files[cell] = lake.described(path, table, cell.day)
    sync_files([lake.folder / file.path for file in files.values()])
    with lake.catalog.change(f"publish audit {audit_id} of {listed(days)}") as change:
        ledger = LakePublications(change.connection)
        if not chosen_dates(known_audit(ledger, audit_id), days, AuditState.PUBLISHED):
            return None
        number = publish_changes(change, changes, tables, files, views, PublicationKind.AUDIT, audit_id)
        ledger.approve(
            audit_id, {(known.cell.model, known.after.code) for known in changes if known.decision is Decision.HOLD}
        )
        ledger.settle(audit_id, days, AuditState.PUBLISHED)
    _forget(lake, audit_id, days, relations)
    return number


def discard_held(lake: Lake, audit_id: str, dates: Collection[date]) -> list[date]:
    """See `Warehouse.discard_held`."""
    with lake.catalog.change(f"discard audit {audit_id}") as change:
        ledger = LakePublications(change.connection)
        audit = known_audit(ledger, audit_id)
        days = chosen_dates(audit, dates, AuditState.DISCARDED)
        ledger.settle(audit_id, days, AuditState.DISCARDED)
    _forget(lake, audit_id, days, _relations_of(lake, audit_id))
    return days


def roll_back(lake: Lake, number: int) -> int | None:
    """See `Warehouse.roll_back`."""
    with lake.catalog.reading() as connection:
        ledger = LakePublications(connection)
        cells = to_take_back(ledger, number)
        snapshot_id = ledger.snapshot_of(number) or 0
    if not cells:
        return None
    try:
        before, now = lake.catalog.snapshot(snapshot_id - 1), lake.catalog.snapshot()
        # Before the first publication a model's view was not there, and stays.
        views = {name: sql for name, sql in before.views.items() if name.partition(".")[2] in {c.model for c in cells}}
    except CatalogError:
        raise not_kept(number) from None
    tables = {table.name.partition(".")[2]: table for table in _model_tables(now)}
    tables = {model: tables[model] for model in sorted({cell.model for cell in cells} & tables.keys())}
    files = _files_of(lake, before, tables, {cell.day for cell in cells})
    with lake.catalog.change(f"roll back publication {number}") as change:
        ledger = LakePublications(change.connection)
        if not to_take_back(ledger, number):
            return None
        for model, table in tables.items():
            days = sorted(cell.day for cell in cells if cell.model == model)
            change.replace(table.name, days, [file for day in days for file in files.get(Cell(model, day), ())])
        for name, sql in views.items():
            change.put_view(name, sql)
        made = ledger.record(PublicationKind.ROLL_BACK, f"{number}", list(cells), change.before + 1)
        # Of the code that published the rows, and of one that has built the same since.
        published = ledger.of_publication(number)
        ledger.withdraw({(cell.model, held.code) for cell in cells for held in (cells[cell], published[cell])})
        ledger.close(cells)
        ledger.record_built(
            {
                # Nothing new has come since: no refresh is to undo this by itself.
                cell: replace(ledger.before(cell, number) or NO_VERSION, publication=made, load_id=version.load_id)
                for cell, version in cells.items()
            }
        )
    return made


def remove_released(lake: Lake, grace: timedelta, now: datetime) -> Removed:
    """Remove what killed processes left below held/: files of audits that hold their date no more, or that nobody was told of."""
    with lake.catalog.reading() as connection:
        kept = {
            (audit.audit_id, day)
            for audit in LakePublications(connection).waiting()
            for day in audit.dates(AuditState.HELD)
        }
    files = size = 0
    for path in sorted((lake.folder / HELD).glob(f"*/*/*/{PARTITION_COLUMN}=*/*")):
        audit_id, day = path.parts[-5], date.fromisoformat(path.parent.name.partition("=")[2])
        if (audit_id, day) not in kept and untouched_since(path, now - grace):
            size += path.stat().st_size
            files += 1
            path.unlink()
    _remove_empty(lake.folder / HELD)
    return Removed(files, size)


def _relations_of(lake: Lake, audit_id: str) -> dict[str, str]:
    """schema.name by model, of what an audit has files."""
    return {path.name: f"{path.parent.name}.{path.name}" for path in held_folder(lake, audit_id).glob("*/*")}


def _model_tables(snapshot: Snapshot) -> list[Table]:
    return [table for table in snapshot.tables.values() if table.partition_column == PARTITION_COLUMN]


def _files_of(
    lake: Lake, snapshot: Snapshot, tables: Mapping[str, Table], days: Collection[date]
) -> dict[Cell, list[NewFile]]:
    """The files that a snapshot had of these dates; written anew where the table has other columns since."""
    files: dict[Cell, list[NewFile]] = {}
    for model, table in tables.items():
        of_table = [file for file in snapshot.files.get(table.name, ()) if file.day in days]
        for file in _in_shape(lake, table, of_table):
            files.setdefault(Cell(model, file.day or date.min), []).append(file)
    return files


def _in_shape(lake: Lake, table: Table, files: Collection[DataFile]) -> Iterator[NewFile]:
    other = [file for file in files if file.columns != table.columns]
    yield from (
        NewFile(file.relation, file.day, file.path, file.rows, file.size, file.footer_size)
        for file in files
        if file.columns == table.columns
    )
    if other:
        with lake.engine() as engine:
            for file in other:
                written = lake.write(engine, select_files(table, [file], lake.folder), table, file.day)
                if written is not None:
                    yield written


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        # Not every file system can give a file two names.
        temporary = target.with_suffix(".part")
        shutil.copyfile(source, temporary)
        temporary.replace(target)


def _forget(lake: Lake, audit_id: str, days: Collection[date], relations: Mapping[str, str]) -> None:
    folder = held_folder(lake, audit_id)
    for relation in relations.values():
        for day in days:
            file_of(folder, relation, day).unlink(missing_ok=True)
    _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    for found, _, _ in os.walk(folder, topdown=False):
        try:
            os.rmdir(found)
        except OSError:
            continue
