"""What becomes public in the lake, with its marks in the ledger, in one transaction of the catalog: of a run, or of an audit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb

from ingestion_platform.changes import Cell, Change, Decision
from ingestion_platform.resources.duckdb.publications import LakePublications
from ingestion_platform.resources.duckdb.views import read_files
from ingestion_platform.resources.lake.change import Change as LakeChange
from ingestion_platform.resources.lake.contents import Column, NewFile, Table
from ingestion_platform.resources.proposals import PublicationKind
from ingestion_platform.resources.settling import refuse_moved

PARTITION_COLUMN = "event_date"


def publish_changes(
    change: LakeChange,
    changes: Sequence[Change],
    tables: Mapping[str, Table],
    files: Mapping[Cell, NewFile],
    views: Mapping[str, str],
    kind: PublicationKind,
    about: str = "",
) -> int | None:
    """Let `files` be the rows of those of `changes` that are differences (`tables` by model), show `views`, and note what was built.

    Returns the publication's number, None where no row changes. Raises Moved where a cell is not what it was compared with.
    """
    ledger = LakePublications(change.connection)
    for name, sql in views.items() if changes else ():
        change.put_view(name, sql)
    refuse_moved(ledger, changes)
    written = [known for known in changes if known.decision is not Decision.UNCHANGED]
    # Views have none.
    for model in tables:
        cells = [known.cell for known in written if known.cell.model == model]
        change.define_table(tables[model])
        change.replace(
            tables[model].name, [cell.day for cell in cells], [files[cell] for cell in cells if cell in files]
        )
    number = None
    if written:
        ledger.close(known.cell for known in written)
        number = ledger.record(kind, about, [known.cell for known in written], change.before + 1)
        ledger.record_built({known.cell: replace(known.after, publication=number) for known in written})
    ledger.record_built(
        {
            known.cell: replace(known.after, publication=known.before.publication)
            for known in changes
            if known.decision is Decision.UNCHANGED and known.before is not None
        }
    )
    return number


def file_of(folder: Path, relation: str, day: date) -> Path:
    """Where dbt stages a date of a model, and where it lies while it is held; materialization_replace_partitions has the same."""
    return folder.joinpath(*relation.split("."), f"{PARTITION_COLUMN}={day}", "rows.parquet")


def tables_of(paths: Mapping[str, Path], relations: Mapping[str, str]) -> dict[str, Table]:
    """The tables, by model, that have the columns of these files."""
    tables = {}
    with duckdb.connect() as connection:
        for model, path in paths.items():
            columns = connection.execute(f"describe select * from {read_files([path], None)}").fetchall()
            tables[model] = Table(
                relations[model], tuple(Column(name, kind) for name, kind, *_ in columns), PARTITION_COLUMN
            )
    return tables


def one_file_each(cells: Iterable[Cell], folder: Path, relations: Mapping[str, str]) -> dict[str, Path]:
    """By model the file of one of its cells: all have the same columns."""
    return {cell.model: file_of(folder, relations[cell.model], cell.day) for cell in cells}
