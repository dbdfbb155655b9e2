"""What the collector's tests share: readers of the local archive, requests as the handler sees them, AWS on moto."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from collector.web import Request


def _records_in(data_dir: Path) -> list[dict[str, Any]]:
    records = []
    for path in sorted((data_dir / "archive").rglob("*.gz")):
        with gzip.open(path, "rb") as lines:
            records += [json.loads(line) for line in lines]
    return records


@pytest.fixture
def archived() -> Callable[[Path], list[dict[str, Any]]]:
    """Reads every record of a local archive, given the DATA_DIR."""
    return _records_in


def _request(
    method: str = "POST",
    path: str = "/collect",
    body: bytes | str = b"",
    *,
    query: str = "",
    headers: dict[str, str] | None = None,
    address: str | None = "203.0.113.77",
) -> Request:
    body = body.encode() if isinstance(body, str) else body
    return Request(method, path, query, headers or {}, body, "collect.example", address)


@pytest.fixture(scope="session")
def make_request() -> Callable[..., Request]:
    """Makes a request as the handler sees it."""
    return _request


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """moto's AWS with a bucket `archive`, a delivery stream `hits` into it and a queue `fallback`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        boto3.client("s3").create_bucket(
            Bucket="archive", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        boto3.client("firehose").create_delivery_stream(
            DeliveryStreamName="hits",
            ExtendedS3DestinationConfiguration={
                "RoleARN": "arn:aws:iam::123456789012:role/delivery",
                "BucketARN": "arn:aws:s3:::archive",
                "Prefix": "stream_data/",
            },
        )
        boto3.client("sqs").create_queue(QueueName="fallback")
        yield
