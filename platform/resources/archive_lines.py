"""From archive objects to Arrow batches of lines, without touching a line in Python.

In: objects of the archive (gzip JSON lines). Out: `LineBatch`es, each a bounded number of whole objects, with two Arrow tables:

    lines(object_number int32, row_number int64, line string)      one row a line that is not blank; rows count from 1
    objects(object_number int32, object_key string, arrival_date date)

A line that is no UTF-8 is kept with replacement characters and a leading one, so that it cannot pass for a record: it becomes a
bad line, and only it. An object that cannot be read or decompressed is named in `errors` and costs its neighbours nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow as pa
from isal import igzip

from ingestion_platform.resources.archive import Archive, ArchiveError, ArchiveObject

# About 250 MB of JSON a batch: enough for DuckDB to write full row groups, little enough for a laptop.
BATCH_COMPRESSED_BYTES = 32 * 1024 * 1024
_READERS = 2
_NEWLINE = ord("\n")
# A line that is no UTF-8 must not become a valid record by having its bad bytes replaced.
UNDECODABLE = "\ufffd"


@dataclass(frozen=True)
class LineBatch:
    """Whole objects and their lines; `counts` holds the lines of each object, in the order of `objects`."""

    objects: list[ArchiveObject]
    lines: pa.Table
    object_table: pa.Table
    counts: list[int]
    errors: list[tuple[ArchiveObject, str]]


def line_batches(archive: Archive, objects: Sequence[ArchiveObject]) -> Iterator[LineBatch]:
    """Batches over `objects`, in their order; the next batch is read while the caller works on this one."""
    groups = list(_groups(objects))
    with ThreadPoolExecutor(_READERS, thread_name_prefix="archive") as pool:

        def submit(group: list[ArchiveObject]) -> list[Future[pa.Array]]:
            return [pool.submit(_read_lines, archive, item) for item in group]

        pending = [submit(group) for group in islice(groups, 1)]
        for position, group in enumerate(groups):
            if position + 1 < len(groups):
                pending.append(submit(groups[position + 1]))
            yield _batch(group, pending.pop(0))


def _groups(objects: Sequence[ArchiveObject]) -> Iterator[list[ArchiveObject]]:
    group: list[ArchiveObject] = []
    size = 0
    for item in objects:
        if group and size + item.size > BATCH_COMPRESSED_BYTES:
            yield group
            group, size = [], 0
        group.append(item)
        size += item.size
    if group:
        yield group


def _batch(group: list[ArchiveObject], pending: list[Future[pa.Array]]) -> LineBatch:
    objects: list[ArchiveObject] = []
    errors: list[tuple[ArchiveObject, str]] = []
    batches: list[pa.RecordBatch] = []
    counts: list[int] = []
    for item, future in zip(group, pending, strict=True):
        try:
            lines = future.result()
        except ArchiveError as error:
            errors.append((item, str(error)))
            continue
        number = len(objects)
        objects.append(item)
        counts.append(len(lines))
        batches.append(
            pa.record_batch(
                {
                    "object_number": pa.array(np.full(len(lines), number, dtype=np.int32)),
                    "row_number": pa.array(np.arange(1, len(lines) + 1, dtype=np.int64)),
                    "line": lines,
                }
            )
        )
    schema = pa.schema([("object_number", pa.int32()), ("row_number", pa.int64()), ("line", pa.large_string())])
    table = pa.table(
        {
            "object_number": pa.array(range(len(objects)), pa.int32()),
            "object_key": pa.array([item.key for item in objects], pa.string()),
            "arrival_date": pa.array([item.arrival_date for item in objects], pa.date32()),
        }
    )
    return LineBatch(objects, pa.Table.from_batches(batches, schema), table, counts, errors)


def _read_lines(archive: Archive, item: ArchiveObject) -> pa.Array:
    data = archive.read(item.key)
    try:
        text = igzip.decompress(data)
    except (OSError, EOFError, ValueError) as error:
        raise ArchiveError(
            f"{item.key} is not a whole gzip file ({error}); restore it, then load its date again"
        ) from error
    return split_lines(text)


def bad_lines(archive: Archive, item: ArchiveObject) -> list[tuple[int, str]]:
    """The lines of an object that are no JSON, with their numbers: for a warehouse that says how many, but not which.

    Raises ArchiveError when the object cannot be read whole.
    """
    lines = enumerate(_read_lines(archive, item).to_pylist(), 1)
    return [(number, line) for number, line in lines if not _is_json(line)]


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def split_lines(text: bytes) -> pa.Array:
    """The lines of a JSON-lines text as an Arrow string array, newlines included, blank ones left out; bytes are not copied."""
    if text and text[-1] != _NEWLINE:
        text += b"\n"
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == _NEWLINE)
    offsets = np.concatenate(([0], ends + 1)).astype(np.int64)
    lines = pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(text))
    try:
        lines.validate(full=True)
    except pa.ArrowInvalid:
        lines = pa.array((_decode(line) for line in text.split(b"\n")[:-1]), pa.large_string())
    # Even a line of one character needs two bytes with its newline.
    suspects = np.flatnonzero(np.diff(offsets) < 64)
    blank = [i for i in suspects if not text[offsets[i] : offsets[i + 1]].strip()]
    if blank:
        keep = np.ones(len(ends), dtype=bool)
        keep[blank] = False
        lines = lines.filter(pa.array(keep))
    return lines


def _decode(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return UNDECODABLE + line.decode(errors="replace")
