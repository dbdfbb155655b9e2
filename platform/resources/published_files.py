"""Published Parquet: a folder a model, a file a date, all with the columns of the newest, so that a reader may take them together.

A model gains a column, or a wider type, while the files of dates that are not rebuilt stay as they were: reading `*.parquet` then
fails, or misses the column, by which file comes first. So whoever has written dates brings the folder's other files to the same
columns. Their values stay; a column that they lack is null.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from collector.durable import make_folder, staged_path
from ingestion_platform.dates import Window
from ingestion_platform.resources.proposals import WarehouseError
from ingestion_platform.resources.warehouse import PUBLISHED

DateWriter = Callable[[date, Path], object]
"""Writes the rows of one event date to a Parquet file."""


def export(folder: Path, start: date, end: date, writer: Callable[[str], DateWriter]) -> list[Path]:
    """Write what is published of event dates [start, end); `writer` gives, for a relation, what writes one date of it.

    Each file appears whole, and stays through a power cut. Returns all that were written, those of other dates whose columns changed included.
    """
    written = []
    days = Window(start, end).days
    for relation in PUBLISHED:
        files = folder / relation.partition(".")[2]
        make_folder(files)
        write = writer(relation)
        for day in days:
            written.append(files / f"{day}.parquet")
            with staged_path(written[-1], "tmp") as temporary:
                write(day, temporary)
        if days:
            written += align(files, written[-1])
    return written


def align(folder: Path, written: Path) -> list[Path]:
    """Give all files of `folder` the columns of `written`; returns those that were written anew. Raises WarehouseError."""
    wanted = _columns(written)
    changed = []
    for path in sorted(folder.glob("*.parquet")):
        if _columns(path).equals(wanted):
            continue
        with staged_path(path, "tmp") as temporary:
            pq.write_table(_with_columns(path, wanted), temporary)
        changed.append(path)
    return changed


def _columns(path: Path) -> pa.Schema:
    """Names and types. Whether a column may be null is no matter to a reader, and older files may lack it."""
    return pa.schema([(field.name, field.type) for field in pq.read_schema(path)])


def _with_columns(path: Path, wanted: pa.Schema) -> pa.Table:
    held = pq.read_table(path)
    try:
        columns = [
            held[field.name].cast(field.type)
            if field.name in held.column_names
            else pa.nulls(held.num_rows, field.type)
            for field in wanted
        ]
    except pa.ArrowInvalid as error:
        raise WarehouseError(f"{path} does not fit today's columns ({error}); remove it and replay its date") from None
    return pa.Table.from_arrays(columns, schema=wanted)
