"""The archive as the platform sees it: list the objects that arrived on some dates, read one, put one.

In: a folder or an S3 bucket that holds objects under the keys of `collector.archive_keys`. Out: `ArchiveObject`s, sorted by
key, and their bytes. Objects never change once they have arrived; an etag that differs all the same means a new object.

Local and cloud are twins: nobody above this module asks which of the two is at work. Foreign files (temporary names, keys of
another layout) are not archive objects and are passed over; `passed_over` names them. An archive has a marker, a small object with
its id, by which a load tells it from a folder whose disk is not there, or another's bucket (resources/guard.py).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import uuid4

from collector.archive_keys import DATA_PREFIX, MARKER_KEY, day_prefix, parse_key
from ingestion_platform.dates import Window

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# A gzip file ends with the CRC-32 and the length of what it holds.
_GZIP_TRAILER_BYTES = 8


class ArchiveError(Exception):
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


class FolderArchive:
    """An archive in a folder. A folder that does not exist yet is an empty archive: nothing has been delivered."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __str__(self) -> str:
        return f"{self.root}"

    def passed_over(self) -> list[str]:
        return sorted(key for key in self._keys() if _is_passed_over(key))

    def marker(self) -> str | None:
        try:
            return _marker_id((self.root / MARKER_KEY).read_bytes(), self)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ArchiveError(f"cannot read {self.root / MARKER_KEY}: {error.strerror}") from error

    def mark(self, archive_id: str) -> str:
        path = self.root / MARKER_KEY
        temporary = path.with_name(f".{path.name}.{uuid4().hex}")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(_marker(archive_id))
                file.flush()
                os.fsync(file.fileno())
            # A link, unlike a rename, does not replace what another has written meanwhile.
            with suppress(FileExistsError):
                path.hardlink_to(temporary)
        except OSError as error:
            raise ArchiveError(f"cannot write {path}: {error.strerror}") from error
        finally:
            temporary.unlink(missing_ok=True)
        return self.marker() or archive_id

    def objects(self, start: date, end: date) -> list[ArchiveObject]:
        found = []
        for day in Window(start, end).days:
            folder = self.root / day_prefix(day)
            for hour in _listing(folder):
                if hour.is_dir():
                    found += [self._object(entry) for entry in _listing(Path(hour.path)) if self._is_object(entry)]
        return sorted(found)

    def dates(self) -> list[date]:
        found = set()
        for key in self._keys():
            parsed = parse_key(key)
            if parsed is not None:
                found.add(parsed.arrival_date)
        return sorted(found)

    def read(self, key: str) -> bytes:
        try:
            return (self.root / key).read_bytes()
        except OSError as error:
            raise ArchiveError(f"cannot read {self.root / key}: {error.strerror}") from error

    def put(self, key: str, data: bytes) -> None:
        path = self.root / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{uuid4().hex}")
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
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


class S3Archive:
    """An archive in an S3 bucket. The client comes from boto3's own configuration unless one is handed in."""

    def __init__(self, bucket: str, client: S3Client | None = None) -> None:
        self.bucket = bucket
        self._client = client

    def __str__(self) -> str:
        return f"s3://{self.bucket}"

    def passed_over(self) -> list[str]:
        return sorted(key for key, _, _ in self._list(DATA_PREFIX) if _is_passed_over(key))

    def marker(self) -> str | None:
        from botocore.exceptions import BotoCoreError, ClientError

        # Asked for by name it would be "access denied" while it is missing, to whoever may not list the whole bucket.
        if not any(key == MARKER_KEY for key, _, _ in self._list(MARKER_KEY)):
            return None
        try:
            return _marker_id(self.client.get_object(Bucket=self.bucket, Key=MARKER_KEY)["Body"].read(), self)
        except (BotoCoreError, ClientError) as error:
            raise ArchiveError(f"cannot read s3://{self.bucket}/{MARKER_KEY}: {error}") from error

    def mark(self, archive_id: str) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.client.put_object(Bucket=self.bucket, Key=MARKER_KEY, Body=_marker(archive_id), IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise ArchiveError(f"cannot write s3://{self.bucket}/{MARKER_KEY}: {error}") from error
        except BotoCoreError as error:
            raise ArchiveError(f"cannot write s3://{self.bucket}/{MARKER_KEY}: {error}") from error
        return self.marker() or archive_id

    @property
    def client(self) -> S3Client:
        if self._client is None:
            # Imported and made on first use: importing the code location must not read credentials.
            import boto3

            self._client = boto3.client("s3")
        return self._client

    def objects(self, start: date, end: date) -> list[ArchiveObject]:
        found = []
        for day in Window(start, end).days:
            for entry in self._list(day_prefix(day)):
                if parse_key(entry[0]) is not None:
                    found.append(ArchiveObject(*entry))
        return sorted(found)

    def dates(self) -> list[date]:
        parsed = (parse_key(key) for key, _, _ in self._list(DATA_PREFIX))
        return sorted({key.arrival_date for key in parsed if key is not None})

    def read(self, key: str) -> bytes:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except (BotoCoreError, ClientError) as error:
            raise ArchiveError(f"cannot read s3://{self.bucket}/{key}: {error}") from error

    def put(self, key: str, data: bytes) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.client.put_object(Bucket=self.bucket, Key=key, Body=data)
        except (BotoCoreError, ClientError) as error:
            raise ArchiveError(f"cannot write s3://{self.bucket}/{key}: {error}") from error

    def _list(self, prefix: str) -> Iterator[tuple[str, int, str]]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for entry in page.get("Contents", []):
                    yield entry["Key"], entry["Size"], entry["ETag"].strip('"')
        except (BotoCoreError, ClientError) as error:
            raise ArchiveError(f"cannot list s3://{self.bucket}/{prefix}: {error}") from error


def _is_passed_over(key: str) -> bool:
    return parse_key(key) is None and not key.endswith("/") and not key.rpartition("/")[2].startswith(".")


def _marker(archive_id: str) -> bytes:
    return (json.dumps({"archive_id": archive_id}) + "\n").encode()


def _marker_id(data: bytes, archive: Archive) -> str:
    try:
        found = json.loads(data)["archive_id"]
        if isinstance(found, str) and found:
            return found
    except (ValueError, KeyError, TypeError):
        pass
    raise ArchiveError(f"{archive}/{MARKER_KEY} holds no archive id; put back the one that was there")


def _listing(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ArchiveError(f"cannot list {folder}: {error.strerror}") from error
