"""From archive objects to a stream of lines that DuckDB can scan, without touching a line in Python.

In: objects of the archive (gzip JSON lines). Out: an Arrow stream

    object_key string (dictionary)   arrival_date date32   row_number int64, from 1   line string

with one row a line that is not blank. The objects are read and decompressed a little ahead of whoever consumes the stream, so
that memory is bounded however many there are, and a single statement, hence a single transaction, can load gigabytes.

A line that is no UTF-8, or no JSON where a warehouse's parser would let it pass (platform/resources/strict_lines.py), gets a leading
replacement character, so that it cannot pass for a record: it becomes a bad line, and only it. An object that cannot be read or
decompressed, or that is empty, is named in `errors` and costs its neighbours nothing.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from isal import igzip, igzip_lib

from ingestion_platform.resources.archive import Archive, ArchiveError, ArchiveObject
from ingestion_platform.resources.load_plan import PUT_BACK, empty_objects
from ingestion_platform.resources.strict_lines import REFUSED, is_json, judged, suspicious

# What is read ahead, compressed: some 60 MB of JSON.
_AHEAD_BYTES = 8 * 1024 * 1024
_READERS = 2
# Text goes on in pieces of about this size, which stay in a processor's cache and in memory that was used before.
_PIECE_BYTES = 1024 * 1024
_NEWLINE = ord("\n")
# Kept of an object's suspects: enough for any that is not garbage as a whole.
_MOST_SUSPECTS = 1_000
# What the reader of gzip raises; its stubs take the class of its own exception for an exception.
_BROKEN = (OSError, EOFError, cast(type[Exception], igzip_lib.IsalError))

LINE_SCHEMA = pa.schema(
    [
        ("object_key", pa.dictionary(pa.int32(), pa.string())),
        ("arrival_date", pa.date32()),
        ("row_number", pa.int64()),
        ("line", pa.large_string()),
    ]
)


class LineStream:
    """The lines of `objects`, in their order. `counts` (lines by key) and `errors` are whole when `reader()` is used up.

    `on_object` is called after each object. A stream is read once.
    """

    def __init__(
        self, archive: Archive, objects: Sequence[ArchiveObject], on_object: Callable[[], object] = lambda: None
    ) -> None:
        self._archive = archive
        self._objects = objects
        self._on_object = on_object
        self.failure: BaseException | None = None
        """What stopped the stream, which its consumer only sees as an error of its own."""
        self.counts: dict[str, int] = {}
        self.suspects: list[pa.RecordBatch] = []
        """Lines that do not look like a JSON object, the first ones of each object: most bad lines are among them, and they need
        not be read again to be told."""
        self.errors: list[tuple[ArchiveObject, str]] = []

    @property
    def objects(self) -> list[ArchiveObject]:
        """The objects that were read."""
        return [item for item in self._objects if item.key in self.counts]

    def reader(self) -> pa.RecordBatchReader:
        """The lines as an Arrow stream, in batches of about a megabyte, none of more than one object."""
        return pa.RecordBatchReader.from_batches(LINE_SCHEMA, self._watched())

    def _watched(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches()
        except GeneratorExit:
            # The consumer gave up, for a reason of its own.
            raise
        except BaseException as failure:
            self.failure = failure
            raise

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for item, outcome in _ahead(self._archive, self._objects):
            try:
                pieces = outcome.result()
            except ArchiveError as error:
                self.errors.append((item, str(error)))
            else:
                before = suspects = 0
                for lines in pieces:
                    batch = _batch(item, lines, before)
                    before += len(lines)
                    suspects += self._keep_suspects(batch, _MOST_SUSPECTS - suspects)
                    yield batch
                self.counts[item.key] = before
            self._on_object()

    def _keep_suspects(self, batch: pa.RecordBatch, most: int) -> int:
        line = batch.column("line")
        plain = pc.and_(pc.starts_with(line, "{"), pc.ends_with(line, "}\n"))
        if pc.all(plain).as_py():
            return 0
        found = pc.indices_nonzero(pc.invert(plain))[:most]
        self.suspects.append(batch.take(found))
        return len(found)


def unreadable(archive: Archive, objects: Sequence[ArchiveObject]) -> list[tuple[ArchiveObject, str]]:
    """Those of `objects` that cannot be read to their end, each with the reason."""
    found = []
    for item, outcome in _ahead(archive, objects):
        try:
            outcome.result()
        except ArchiveError as error:
            found.append((item, str(error)))
    return found


def _ahead(
    archive: Archive, objects: Sequence[ArchiveObject]
) -> Iterator[tuple[ArchiveObject, Future[list[pa.Array]]]]:
    """Each object with its lines to come; the next ones are being read already, as far as `_AHEAD_BYTES` go."""
    waiting: deque[tuple[ArchiveObject, Future[list[pa.Array]]]] = deque()
    size = 0
    with ThreadPoolExecutor(_READERS, thread_name_prefix="archive") as pool:
        try:
            for item in objects:
                while waiting and size + item.size > _AHEAD_BYTES:
                    size -= waiting[0][0].size
                    yield waiting.popleft()
                waiting.append((item, pool.submit(_read_lines, archive, item)))
                size += item.size
            while waiting:
                yield waiting.popleft()
        finally:
            pool.shutdown(cancel_futures=True)


def _batch(item: ArchiveObject, lines: pa.Array, before: int) -> pa.RecordBatch:
    """Lines of an object that have `before` others before them."""
    count = len(lines)
    key = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), count), pa.array([item.key], pa.string()))
    date = pa.repeat(pa.scalar(item.arrival_date, pa.date32()), count)
    number = pa.array(np.arange(before + 1, before + count + 1, dtype=np.int64))
    return pa.record_batch([key, date, number, lines], schema=LINE_SCHEMA)


def _read_lines(archive: Archive, item: ArchiveObject) -> list[pa.Array]:
    """The lines of a whole object, in pieces: none of an object that breaks off."""
    pieces = []
    data = archive.read(item.key)
    if not data:
        raise ArchiveError(empty_objects([item._replace(size=0)])[0][1])
    try:
        with igzip.IGzipFile(fileobj=io.BytesIO(data)) as text:
            # A line may be longer than many parts: they are joined once, when it ends.
            begun: list[bytes] = []
            while part := text.read(_PIECE_BYTES):
                end = part.rfind(b"\n") + 1
                if end:
                    pieces.append(split_lines(b"".join([*begun, part[:end]])))
                    begun = [part[end:]]
                else:
                    begun.append(part)
            if any(begun):
                pieces.append(split_lines(b"".join(begun)))
    except _BROKEN as error:
        raise ArchiveError(f"{item.key} is not a whole gzip file ({error}); {PUT_BACK}") from error
    return pieces


def bad_lines(archive: Archive, item: ArchiveObject) -> list[tuple[int, str]]:
    """The lines of an object that are no JSON, with their numbers: for a warehouse that says how many, but not which.

    Raises ArchiveError when the object cannot be read whole.
    """
    lines = enumerate(lines_of_object(archive, item), 1)
    return [(number, line.removeprefix(REFUSED)) for number, line in lines if not is_json(line)]


def lines_of_object(archive: Archive, item: ArchiveObject) -> Iterator[str]:
    """The lines of an object, as a load takes them. Raises ArchiveError, before the first, when it cannot be read whole."""
    for piece in _read_lines(archive, item):
        yield from piece.to_pylist()


def split_lines(text: bytes) -> pa.Array:
    """The lines of a JSON-lines text as an Arrow string array, newlines included, blank ones left out; bytes are not copied."""
    if text and text[-1] != _NEWLINE:
        text += b"\n"
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == _NEWLINE)
    offsets = np.concatenate(([0], ends + 1)).astype(np.int64)
    parts = _decoded(pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(text)))
    lines = parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
    lines = _strict(lines, suspicious(text, offsets))
    # Even a line of one character needs two bytes with its newline.
    suspects = np.flatnonzero(np.diff(offsets) < 64)
    blank = [i for i in suspects if not text[offsets[i] : offsets[i + 1]].strip()]
    if blank:
        keep = np.ones(len(ends), dtype=bool)
        keep[blank] = False
        lines = lines.filter(pa.array(keep))
    return lines


def _strict(lines: pa.Array, suspects: np.ndarray) -> pa.Array:
    """The lines, those of `suspects` as a strict reader takes them."""
    changed = {}
    for at in suspects.tolist():
        line = lines[at].as_py()
        taken = judged(line)
        if taken != line:
            changed[at] = taken
    if not changed:
        return lines
    parts, after = [], 0
    for at, line in changed.items():
        parts += [lines[after:at], pa.array([line], pa.large_string())]
        after = at + 1
    return pa.concat_arrays([*parts, lines[after:]])


def _decoded(lines: pa.Array) -> list[pa.Array]:
    """The lines in parts that are UTF-8, those that are none replaced. Found by halves, since the others are most of them."""
    try:
        lines.validate(full=True)
    except pa.ArrowInvalid:
        if len(lines) == 1:
            line = lines.cast(pa.large_binary())[0].as_py()
            return [pa.array([REFUSED + line.decode(errors="replace")], pa.large_string())]
        half = len(lines) // 2
        return [*_decoded(lines[:half]), *_decoded(lines[half:])]
    return [lines]
