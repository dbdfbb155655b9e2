"""What Firehose does and moto does not: buffer records, gzip the object, give it Firehose's key; and refuse on demand.

moto writes one plain object a call, at once. Inside `with FirehoseEmulator() as firehose:` the same moto backend (in
process or behind a moto server of this process) collects records of a stream as Firehose's documentation describes:
they are joined as they came, closed at the configured size or when the test calls `flush()` (which stands for the
configured interval), compressed if the stream says so, and put under `<prefix>YYYY/MM/DD/HH/` in UTC. It simulates
documented behaviour; nobody compared it with AWS.
"""

from __future__ import annotations

import gzip
import threading
import uuid
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from moto.core.exceptions import ServiceException
from moto.firehose.models import FirehoseBackend
from moto.s3.models import s3_backends

MEBIBYTE = 1024 * 1024
Stream = tuple[str, str, str]  # account, region, name


class FirehoseEmulator:
    """Context manager. `put_calls` counts PutRecordBatch calls that reached it, refused ones included."""

    def __init__(self) -> None:
        self.put_calls = 0
        self._refuse_calls = 0
        self._refuse_records = 0
        self._waiting: dict[Stream, list[bytes]] = {}
        self._targets: dict[Stream, tuple[FirehoseBackend, dict[str, Any], str]] = {}
        self._lock = threading.RLock()

    def refuse_calls(self, count: int) -> None:
        """Answer the next `count` calls with ServiceUnavailableException, as a throttling stream does."""
        self._refuse_calls = count

    def refuse_records(self, count: int) -> None:
        """Fail the first `count` records that come next, one by one (FailedPutCount), and take the others."""
        self._refuse_records = count

    def flush(self) -> list[str]:
        """Deliver what waits, as at the end of the buffer interval. Gives the keys of the new objects."""
        with self._lock:
            return [self._deliver(stream) for stream in list(self._waiting) if self._waiting[stream]]

    def __enter__(self) -> FirehoseEmulator:
        self._originals = (FirehoseBackend.put_s3_records, FirehoseBackend.put_record_batch)
        emulator = self

        def put_s3_records(
            backend: FirehoseBackend, name: str, version: str, target: dict[str, Any], records: list[dict[str, Any]]
        ) -> list[dict[str, str]]:
            return emulator._take(backend, name, version, target, [record["Data"] for record in records])

        def put_record_batch(backend: FirehoseBackend, name: str, records: list[dict[str, Any]]) -> dict[str, Any]:
            return emulator._put(backend, name, records)

        FirehoseBackend.put_s3_records = put_s3_records  # type: ignore
        FirehoseBackend.put_record_batch = put_record_batch  # type: ignore
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        FirehoseBackend.put_s3_records, FirehoseBackend.put_record_batch = self._originals  # type: ignore[method-assign]

    def _put(self, backend: FirehoseBackend, name: str, records: list[dict[str, Any]]) -> dict[str, Any]:
        with self._lock:
            self.put_calls += 1
            if self._refuse_calls:
                self._refuse_calls -= 1
                raise ServiceException("ServiceUnavailableException", "Slow down.")
            refused = min(self._refuse_records, len(records))
            self._refuse_records -= refused
            taken: dict[str, Any] = {"RequestResponses": []}
            if len(records) > refused:
                taken = self._originals[1](backend, name, records[refused:])
            failures = [
                {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."} for _ in range(refused)
            ]
            return {
                "FailedPutCount": refused,
                "Encrypted": False,
                "RequestResponses": failures + taken["RequestResponses"],
            }

    def _take(
        self, backend: FirehoseBackend, name: str, version: str, target: dict[str, Any], data: list[bytes]
    ) -> list[dict[str, str]]:
        stream = (backend.account_id, backend.region_name, name)
        self._targets[stream] = (backend, target, version)
        waiting = self._waiting.setdefault(stream, [])
        waiting += data
        if sum(map(len, waiting)) >= target.get("BufferingHints", {}).get("SizeInMBs", 5) * MEBIBYTE:
            self._deliver(stream)
        return [{"RecordId": str(uuid.uuid4())} for _ in data]

    def _deliver(self, stream: Stream) -> str:
        backend, target, version = self._targets[stream]
        body = b"".join(self._waiting.pop(stream))
        zipped = target.get("CompressionFormat") == "GZIP"
        now = datetime.now(UTC)
        key = (
            f"{target.get('Prefix', '')}{now:%Y/%m/%d/%H}/{stream[2]}-{version}-{now:%Y-%m-%d-%H-%M-%S}-{uuid.uuid4()}"
            f"{target.get('FileExtension') or ('.gz' if zipped else '')}"
        )
        bucket = target["BucketARN"].rpartition(":")[2]
        s3_backends[backend.account_id][backend.partition].put_object(
            bucket, key, gzip.compress(body) if zipped else body
        )
        return key
