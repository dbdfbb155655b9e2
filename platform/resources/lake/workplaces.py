"""Folders of a lake in which a process works for a while: what it stages, what does not fit into its memory.

The process holds its folder (flock) until it has ended, however it ended, so that others can tell what a killed one left.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

STAGED = "staged"
SPILL = "spill"
WORKPLACES = (STAGED, SPILL)
HELD = "held"
"""What a run staged and a person has to decide about; it stays until they do."""

NOT_DATA = (*WORKPLACES, HELD)
"""Folders of folders, below the lake's; its catalog knows nothing of what is in them."""


class Removed(NamedTuple):
    """Files that are gone, and their bytes."""

    files: int = 0
    bytes: int = 0


@contextmanager
def workplace(folder: Path) -> Iterator[None]:
    """Make `folder` and hold it for the block; it is gone afterwards."""
    folder.mkdir(parents=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def remove_abandoned(lake: Path, grace: timedelta, now: datetime) -> Removed:
    """Remove the workplaces of the lake in folder `lake` that nobody holds and to which nothing has happened for `grace`.

    Both: one that was just made may not be held yet, and a process may think for longer than that about what it has.
    """
    files = size = 0
    for kind in WORKPLACES:
        for folder in sorted(path for path in (lake / kind).glob("*") if path.is_dir()):
            found = [folder, *folder.rglob("*")]
            if not all(untouched_since(path, now - grace) for path in found):
                continue
            with _free(folder) as is_free:
                if is_free:
                    sizes = [path.stat().st_size for path in found if path.is_file()]
                    shutil.rmtree(folder)
                    files += len(sizes)
                    size += sum(sizes)
    return Removed(files, size)


@contextmanager
def _free(folder: Path) -> Iterator[bool]:
    """Whether nobody held the folder, which is held for the block then."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def untouched_since(path: Path, moment: datetime) -> bool:
    """Neither written nor moved; a file that is gone by now is somebody else's."""
    try:
        told = path.stat()
    except FileNotFoundError:
        return False
    return datetime.fromtimestamp(max(told.st_mtime, told.st_ctime), UTC) < moment
