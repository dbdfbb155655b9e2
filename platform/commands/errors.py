"""Trouble that a command expects and tells in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

from collector.errors import ExpectedError

# What the system, DuckDB and SQLite say of a disk, a quota or a file size that is used up.
_FULL = ("No space left on device", "File too large", "Disk quota exceeded", "database or disk is full")

# SQLite's word for any trouble with a file; where little is left, that is the trouble.
_PERHAPS_FULL = "disk I/O error"
_LITTLE_BYTES = 64_000_000


class CommandError(ExpectedError):
    """A command cannot go on; the message is one line that says why and what to do."""


def full_disk(error: BaseException, folder: Path) -> str | None:
    """One line that says that the disk under `folder` is full, where `error` says so, or came of it; None for other trouble."""
    text = f"{error}"
    free = shutil.disk_usage(folder).free if folder.exists() else None
    if not any(words in text for words in _FULL) and not (
        _PERHAPS_FULL in text and free is not None and free < _LITTLE_BYTES
    ):
        return None
    left = f", {free / 1e6:,.1f} MB are free" if free is not None else ""
    what = " ".join(text.splitlines()[0].split())[:400]
    return f"the disk that holds {folder} is full{left}: make space, then run the same again, nothing is lost ({what})"
