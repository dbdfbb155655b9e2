"""Files that are there whole or not at all, and stay through a power cut: a temporary name, a sync, a rename, a sync of the folder."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4

# On macOS the promise of a sync ends at the drive's cache, and the drive has to be asked.
_ASK_DRIVE: int | None = getattr(fcntl, "F_FULLFSYNC", None)
DRIVE_HAS_TO_BE_ASKED = _ASK_DRIVE is not None


def sync_data(descriptor: int) -> None:
    """Make what was written to a file durable."""
    if _ASK_DRIVE is None:
        os.fdatasync(descriptor)
    else:
        fcntl.fcntl(descriptor, _ASK_DRIVE)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_files(paths: Collection[Path]) -> None:
    """Make files that were written, and their names, durable: many at a time, which a disk does in the time of a few."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(_sync_file, paths))
        list(pool.map(sync_folder, {above for path in paths for above in (path.parent, path.parent.parent)}))


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        sync_data(file.fileno())


def make_folder(folder: Path) -> None:
    """`mkdir -p` whose names are durable. Raises NotADirectoryError where a file has one of its names."""
    if not folder.is_dir():
        make_folder(folder.parent)
        try:
            folder.mkdir(exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), f"{folder}") from None
        sync_folder(folder.parent)


class StagedFile:
    """A file that has no name yet, or only a temporary one."""

    def __init__(self, path: Path, temporary: Path, file: IO[bytes]) -> None:
        self._path = path
        self._temporary = temporary
        self._file = file

    def write(self, data: bytes) -> None:
        """Add to it."""
        self._file.write(data)

    def appear(self, *, replace: bool = True, folder_too: bool = True) -> bool:
        """Make what was written durable, and give the file its name; whether it has it.

        It takes the place of a file of that name, or leaves it where told not to `replace` it. Who writes many files into a folder
        may leave the folder out, and sync it once they are all there.
        """
        self._file.flush()
        sync_data(self._file.fileno())
        if replace:
            self._temporary.replace(self._path)
        else:
            try:
                # A link, unlike a rename, does not replace what another has written meanwhile.
                self._path.hardlink_to(self._temporary)
            except FileExistsError:
                return False
        if folder_too:
            sync_folder(self._path.parent)
        return True


@contextmanager
def staged(path: Path, suffix: str | None = None) -> Iterator[StagedFile]:
    """A file to write and to let `appear` at `path`, whose folder is there; nothing is left of one that has not.

    Its temporary name ends with `suffix`, for a file that only one process can be writing: the next attempt uses up what a killed
    one has left. By default it is random.
    """
    temporary = path.with_name(f".{path.name}.{suffix or uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            yield StagedFile(path, temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def staged_path(path: Path, suffix: str) -> Iterator[Path]:
    """The same for a file that another library writes: the temporary path, whose file appears at `path` when the block has ended."""
    temporary = path.with_name(f".{path.name}.{suffix}")
    try:
        yield temporary
        # Opened only now: who writes to a path may have put another file there.
        with temporary.open("rb") as file:
            sync_data(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
