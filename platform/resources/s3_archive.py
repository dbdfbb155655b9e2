"""The archive in an S3 bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

from collector.archive_keys import DATA_PREFIX, MARKER_KEY, day_prefix, parse_key
from ingestion_platform.dates import Window
from ingestion_platform.resources.archive import ArchiveError, ArchiveObject, is_passed_over, marker_bytes, marker_id

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class S3Archive:
    """An archive in an S3 bucket. The client comes from boto3's own configuration unless one is handed in."""

    def __init__(self, bucket: str, client: S3Client | None = None) -> None:
        self.bucket = bucket
        self._client = client

    def __str__(self) -> str:
        return f"s3://{self.bucket}"

    def passed_over(self) -> list[str]:
        return sorted(key for key, _, _ in self._list(DATA_PREFIX) if is_passed_over(key))

    def marker(self) -> str | None:
        # Asked for by name it would be "access denied" while it is missing, to whoever may not list the whole bucket.
        if not any(key == MARKER_KEY for key, _, _ in self._list(MARKER_KEY)):
            return None
        return marker_id(self.read(MARKER_KEY), self)

    def mark(self, archive_id: str) -> str:
        from botocore.exceptions import ClientError

        with self._errors("write", MARKER_KEY):
            try:
                self.client.put_object(
                    Bucket=self.bucket, Key=MARKER_KEY, Body=marker_bytes(archive_id), IfNoneMatch="*"
                )
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict"):
                    raise
        return self.marker() or archive_id

    @property
    def client(self) -> S3Client:
        if self._client is None:
            # Imported and made on first use: importing the code location must not read credentials.
            import boto3

            self._client = boto3.client("s3")
        return self._client

    def objects(self, start: date, end: date) -> list[ArchiveObject]:
        entries = (entry for day in Window(start, end).days for entry in self._list(day_prefix(day)))
        return sorted(ArchiveObject(*entry) for entry in entries if parse_key(entry[0]) is not None)

    def dates(self) -> list[date]:
        parsed = (parse_key(key) for key, _, _ in self._list(DATA_PREFIX))
        return sorted({key.arrival_date for key in parsed if key is not None})

    def read(self, key: str) -> bytes:
        with self._errors("read", key):
            return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def put(self, key: str, data: bytes) -> None:
        with self._errors("write", key):
            self.client.put_object(Bucket=self.bucket, Key=key, Body=data)

    def _list(self, prefix: str) -> Iterator[tuple[str, int, str]]:
        with self._errors("list", prefix):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for entry in page.get("Contents", []):
                    yield entry["Key"], entry["Size"], entry["ETag"].strip('"')

    @contextmanager
    def _errors(self, action: str, key: str) -> Iterator[None]:
        """The client's errors as ArchiveError, in one line."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise ArchiveError(f"cannot {action} s3://{self.bucket}/{key}: {error}") from error
