"""The archive as the platform sees it: list the objects that arrived on some dates, read one, put one.

In: a folder or an S3 bucket that holds objects under the keys of `collector.archive_keys`. Out: `ArchiveObject`s, sorted by
key, and their bytes. Objects never change once they have arrived; an etag that differs all the same means a new object.

Local and cloud are twins (folder_archive.py, s3_archive.py): nobody above asks which of the two is at work. Foreign files (temporary names, keys of
another layout) are not archive objects and are passed over; `passed_over` names them. An archive has a marker, a small object with
its id, by which a load tells it from a folder whose disk is not there, or another's bucket (resources/guard.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple, Protocol

from collector.archive_keys import MARKER_KEY, parse_key
from collector.errors import ExpectedError


class ArchiveError(ExpectedError):
    """The archive cannot be read; the message says which object or folder and why, in one line."""


class ArchiveObject(NamedTuple):
    """One delivered object: its key, its size in (compressed) bytes, and a tag that changes when its content does."""

    key: str
    size: int
    etag: str

    @property
    def arrival_date(self) -> date:
        """The UTC date under which the object arrived, from its key."""
        parsed = parse_key(self.key)
        if parsed is None:
            raise ValueError(f"not an archive key: {self.key}")
        return parsed.arrival_date


class Archive(Protocol):
    """What the platform needs of an archive."""

    def objects(self, start: date, end: date) -> list[ArchiveObject]:
        """The objects of arrival dates [start, end), sorted by key."""
        ...

    def dates(self) -> list[date]:
        """The arrival dates that hold an object, sorted."""
        ...

    def read(self, key: str) -> bytes:
        """An object's bytes as stored (gzip). Raises ArchiveError when it cannot be read."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Store an object whole or not at all."""
        ...

    def passed_over(self) -> list[str]:
        """The keys below the data prefix that are no archive objects, temporary files left out; sorted."""
        ...

    def marker(self) -> str | None:
        """The archive's id, None when it has no marker. Raises ArchiveError when there is no archive, or it cannot be read."""
        ...

    def mark(self, archive_id: str) -> str:
        """Give the archive this id unless it has one; the one it has now. Of two at once one wins, for both."""
        ...

    def __str__(self) -> str:
        """Where it is: a path or an address."""
        ...


def data_version(objects: Iterable[ArchiveObject]) -> str:
    """A digest of keys, sizes and etags: equal exactly when the same objects lie in the archive, in whatever order."""
    lines = sorted(f"{o.key}\t{o.size}\t{o.etag}\n" for o in objects)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def is_passed_over(key: str) -> bool:
    """Whether a key is neither an archive object's nor a temporary file's."""
    return parse_key(key) is None and not key.endswith("/") and not key.rpartition("/")[2].startswith(".")


def marker_bytes(archive_id: str) -> bytes:
    """What the marker of this archive holds."""
    return (json.dumps({"archive_id": archive_id}) + "\n").encode()


def marker_id(data: bytes, archive: Archive) -> str:
    """The id in a marker. Raises ArchiveError when there is none."""
    try:
        archive_id = json.loads(data)["archive_id"]
        if isinstance(archive_id, str) and archive_id:
            return archive_id
    except (ValueError, KeyError, TypeError):
        pass
    raise ArchiveError(f"{archive}/{MARKER_KEY} holds no archive id; put back the one that was there")
