"""The local delivery stream's journal: what was acknowledged and is not in the archive yet, safe from `kill -9`.

A journal is a file of groups, each the lines of all the records that one sync made durable:

    magic (4 bytes, in no UTF-8 text) | length (4) | CRC-32 (4) | the lines

Its file name carries what must outlive its process: `<first record, epoch ms>-<uuid>.journal` while it grows, then
`<first record>-<uuid>.<sealed at, epoch s>.sealed`, from which its object's key follows. Whoever writes or delivers a
journal holds a lock on it, so that several processes can share the folder and orphans can be distinguished from others' files.

A group that the file's end cuts short was never acknowledged (its write had not returned) and is passed over. Whatever
else cannot be read is damage, and only the operator may decide to go on without it (`DamagedJournal`).
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

from collector.durable import DRIVE_HAS_TO_BE_ASKED, sync_data, sync_folder
from collector.errors import ExpectedError

_MAGIC = b"\xff\xfe\xfd\xfc"
_HEADER = struct.Struct(">4sII")
# A write returns when it is durable: one system call a group, and so one wait for Python's lock.
_FLAGS = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_DSYNC

_NAME = re.compile(r"(?P<first>\d{13,})-(?P<id>[0-9a-f-]{36})(?:\.journal|\.(?P<sealed>\d{10,})\.sealed)")


class DamagedJournal(ExpectedError):
    """A journal whose middle cannot be read. The message is one line for the operator."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path


class Journal:
    """A journal that this process holds the lock of. Not safe for two threads at once."""

    def __init__(self, path: Path, descriptor: int) -> None:
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise ValueError(f"{path} is not named like a journal")
        self.path = path
        self.id = match["id"]
        self.first_ms = int(match["first"])
        self.sealed_at = int(match["sealed"]) if match["sealed"] else None
        self.size = os.fstat(descriptor).st_size
        self.is_broken = False
        self.is_damaged = False
        self.torn_bytes = 0
        self._descriptor = descriptor

    @classmethod
    def create(cls, folder: Path, first_ms: int) -> Journal:
        """Start a journal. Should somebody take the empty file for an orphan before it is locked, start another."""
        while True:
            path = folder / f"{first_ms}-{uuid.uuid4()}.journal"
            journal = cls._locked(path, os.open(path, _FLAGS, 0o640))
            if journal is not None:
                try:
                    sync_folder(folder)
                except OSError:
                    journal.close()
                    raise
                return journal

    @classmethod
    def adopt(cls, path: Path) -> Journal | None:
        """Take over a journal that no process holds; None for one that somebody does, or has just delivered."""
        try:
            return cls._locked(path, os.open(path, os.O_RDWR))
        except FileNotFoundError:
            return None

    @classmethod
    def _locked(cls, path: Path, descriptor: int) -> Journal | None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it may have delivered and removed it since it was opened here.
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return cls(path, descriptor)
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(descriptor)
        return None

    def append(self, lines: bytes) -> None:
        """Make a group of lines durable. Raises OSError (a full disk, a failing one) and leaves the journal as it was;
        where even that fails it `is_broken`: nothing more may be appended."""
        group = memoryview(_HEADER.pack(_MAGIC, len(lines), zlib.crc32(lines)) + lines)
        written = 0
        try:
            while written < len(group):
                written += os.pwrite(self._descriptor, group[written:], self.size + written)
            if DRIVE_HAS_TO_BE_ASKED:
                sync_data(self._descriptor)
        except OSError:
            try:
                os.ftruncate(self._descriptor, self.size)
                sync_data(self._descriptor)
            except OSError:
                self.is_broken = True
            raise
        self.size += len(group)

    def seal(self, now_s: int) -> None:
        """Fix the second of its delivery, and with it the object's key. Sealing again changes nothing."""
        if self.sealed_at is None:
            sealed = self.path.with_suffix(f".{now_s}.sealed")
            self.path.rename(sealed)
            self.path, self.sealed_at = sealed, now_s
            sync_folder(sealed.parent)

    def groups(self, *, salvage: bool = False) -> Iterator[bytes]:
        """The groups, in order. Raises DamagedJournal at damage, or passes over it to `salvage` the rest."""
        with open(self._descriptor, "rb", closefd=False) as file:
            content = memoryview(file.read() if file.seek(0) == 0 else b"")
        position = 0
        while position < len(content):
            lines = _group_at(content, position)
            if lines is not None:
                yield bytes(lines)
                position += _HEADER.size + len(lines)
                continue
            following = _next_group(content, position + 1)
            if following is None and _is_cut_short(content[position:]):
                self.torn_bytes = len(content) - position
                return
            self.is_damaged = True
            if not salvage:
                raise DamagedJournal(
                    f"{self.path} is damaged at byte {position}: run `python -m collector drain --salvage` to deliver "
                    "what is whole and put the file aside",
                    self.path,
                )
            position = len(content) if following is None else following

    def remove(self) -> None:
        """Delete it, once its object is in the archive."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of it and of its lock. Closing again changes nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _group_at(content: memoryview, position: int) -> memoryview | None:
    body = position + _HEADER.size
    if body > len(content):
        return None
    magic, length, checksum = _HEADER.unpack_from(content, position)
    lines = content[body : body + length]
    return lines if magic == _MAGIC and len(lines) == length and zlib.crc32(lines) == checksum else None


def _is_cut_short(rest: memoryview) -> bool:
    """Whether a crash can have left this of a group: its beginning, or the zeros of a file that got only its size."""
    if len(rest) < _HEADER.size:
        return bytes(rest[:4]) == _MAGIC[: len(rest)] or not any(rest)
    magic, length, _ = _HEADER.unpack_from(rest)
    return (magic == _MAGIC and _HEADER.size + length > len(rest)) or not any(rest)


def _next_group(content: memoryview, position: int) -> int | None:
    data = bytes(content[position:])
    offset = data.find(_MAGIC)
    while offset >= 0:
        if _group_at(content, position + offset) is not None:
            return position + offset
        offset = data.find(_MAGIC, offset + 1)
    return None


def journals_in(folder: Path) -> list[Path]:
    """The journals of a folder, anybody's, oldest record first. What is not named like one is left alone."""
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def first_record_ms(path: Path) -> int:
    """When the first record of a journal was written, from its name."""
    return int(path.name.partition("-")[0])
