"""The archive in a folder: what the local environment has in place of a bucket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from collector.archive_keys import DATA_PREFIX, MARKER_KEY, day_prefix, parse_key
from collector.durable import make_folder, staged
from ingestion_platform.dates import Window
from ingestion_platform.resources.archive import ArchiveError, ArchiveObject, is_passed_over, marker_bytes, marker_id

# A gzip file ends with the CRC-32 and the length of what it holds.
_GZIP_TRAILER_BYTES = 8


class FolderArchive:
    """An archive in a folder. A folder that does not exist yet is an empty archive: nothing has been delivered."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __str__(self) -> str:
        return f"{self.root}"

    def passed_over(self) -> list[str]:
        return sorted(key for key in self._keys() if is_passed_over(key))

    def marker(self) -> str | None:
        try:
            return marker_id((self.root / MARKER_KEY).read_bytes(), self)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ArchiveError(f"cannot read {self.root / MARKER_KEY}: {error.strerror}") from error

    def mark(self, archive_id: str) -> str:
        path = self.root / MARKER_KEY
        try:
            make_folder(self.root)
            with staged(path) as file:
                file.write(marker_bytes(archive_id))
                file.appear(replace=False)
        except OSError as error:
            raise ArchiveError(f"cannot write {path}: {error.strerror}") from error
        return self.marker() or archive_id

    def objects(self, start: date, end: date) -> list[ArchiveObject]:
        days = (self.root / day_prefix(day) for day in Window(start, end).days)
        hours = (Path(entry.path) for day in days for entry in _listing(day) if entry.is_dir())
        return sorted(self._object(entry) for hour in hours for entry in _listing(hour) if self._is_object(entry))

    def dates(self) -> list[date]:
        parsed = (parse_key(key) for key in self._keys())
        return sorted({key.arrival_date for key in parsed if key is not None})

    def read(self, key: str) -> bytes:
        try:
            return (self.root / key).read_bytes()
        except OSError as error:
            raise ArchiveError(f"cannot read {self.root / key}: {error.strerror}") from error

    def put(self, key: str, data: bytes) -> None:
        path = self.root / key
        try:
            make_folder(path.parent)
            with staged(path) as file:
                file.write(data)
                file.appear()
        except OSError as error:
            raise ArchiveError(f"cannot write {path}: {error.strerror}") from error

    def _keys(self) -> Iterator[str]:
        root = self.root / DATA_PREFIX
        for folder, _, names in os.walk(root):
            for name in names:
                yield f"{Path(folder).relative_to(self.root).as_posix()}/{name}"

    def _is_object(self, entry: os.DirEntry[str]) -> bool:
        return parse_key(Path(entry.path).relative_to(self.root).as_posix()) is not None

    def _object(self, entry: os.DirEntry[str]) -> ArchiveObject:
        key = Path(entry.path).relative_to(self.root).as_posix()
        try:
            with Path(entry.path).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _GZIP_TRAILER_BYTES))
                trailer = file.read()
        except OSError as error:
            raise ArchiveError(f"cannot read {entry.path}: {error.strerror}") from error
        return ArchiveObject(key, size, trailer.hex())


def _listing(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ArchiveError(f"cannot list {folder}: {error.strerror}") from error
