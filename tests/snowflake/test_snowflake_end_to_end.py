"""The production form from hits to statistics, each part real or emulated in a process of its own: the Lambda handler, Firehose and S3
(moto), the Snowflake connector, dagster-snowflake and dbt-snowflake against a fakesnow server, and Dagster runs of the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest

from collector import handler as collector_handler
from simulations.config import TrafficConfig
from simulations.history import write_day

PROJECT = Path(__file__).parents[2]
HITS = 12


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of the platform, so that its manifest for Snowflake does not replace the checkout's."""
    place = tmp_path / "installed"
    leave_out = shutil.ignore_patterns("target", "logs", "__pycache__", ".user.yml")
    shutil.copytree(PROJECT / "platform", place / "ingestion_platform", ignore=leave_out)
    for folder in ("dbt_models", "collector", "simulations"):
        shutil.copytree(PROJECT / folder, place / folder, ignore=leave_out)
    workspace = (PROJECT / "workspace.yaml").read_text()
    (place / "workspace.yaml").write_text(workspace)
    return place


def run(place: Path, environ: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "ingestion_platform", *arguments],
        env={**os.environ, **environ, "PYTHONPATH": f"{place}{os.pathsep}{os.environ['PYTHONPATH']}"}, cwd=place, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def hit(number: int) -> dict[str, Any]:
    """An API Gateway event (payload format 2.0) of a hit."""
    body = {
        "v": "1",
        "t": "pageview",
        "tid": "UA-9-9",
        "cid": f"client-{number % 3}",
        "dl": f"https://shop.example/{number}",
    }
    return {
        "version": "2.0", "rawPath": "/collect", "rawQueryString": "", "headers": {"content-type": "application/json", "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Firefox/133.0"},
        "requestContext": {"http": {"method": "POST", "path": "/collect", "sourceIp": "203.0.113.9"}, "timeEpoch": int(datetime.now(UTC).timestamp() * 1000)},
        "body": json.dumps(body), "isBase64Encoded": False,
    }  # fmt: skip


@pytest.mark.timeout(400)
def test_hits_in_statistics_out_and_a_backfill(make_bench, installed, tmp_path, monkeypatch, firehose_emulator) -> None:
    """Hits that the handler acknowledged are in the statistics of today; simulated history before them comes by
    the same backfill, in two runs."""
    bench = make_bench("snowflake")
    boto3.client("firehose").create_delivery_stream(
        DeliveryStreamName=f"stream-{bench.bucket}",
        ExtendedS3DestinationConfiguration={
            "RoleARN": "arn:aws:iam::123456789012:role/delivery", "BucketARN": f"arn:aws:s3:::{bench.bucket}",
            "Prefix": "stream_data/", "CompressionFormat": "GZIP", "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 60},
        },
    )  # fmt: skip
    monkeypatch.setenv("DELIVERY_STREAM", f"stream-{bench.bucket}")
    collector_handler.runtime.cache_clear()
    answers = [collector_handler.handler(hit(number), None) for number in range(HITS)]
    assert {answer["statusCode"] for answer in answers} == {200}
    firehose_emulator.flush()
    collector_handler.runtime.cache_clear()

    today = datetime.now(UTC).date()
    past = today - timedelta(days=2)
    shape = TrafficConfig(hits_per_day=150, outages=0.0, late_objects=0.0, objects_per_hour=1)
    write_day(bench.archive.put, past, shape, tmp_path / "truth")
    environ = {
        **bench.environ,
        "ARCHIVE_BUCKET": bench.bucket,
        "DATA_DIR": str(tmp_path / "data"),
        "PARTITIONS_START": f"{past}",
        "PARTITIONS_PER_RUN": "2",
    }
    run(installed, environ, "prepare")
    run(installed, environ, "replay", "--from", f"{past}", "--to", f"{today}")

    statistics = "select event_date, hits from stats.overview_1d where tracking_id = '{}' order by event_date"
    arrived = bench.rows("select count(*) from raw.logs where tracking_id = 'UA-9-9'")[0][0]
    assert arrived == HITS
    assert (
        dict(bench.rows(statistics.format("UA-9-9"))) == {datetime.now(UTC).date(): HITS}
        or today != datetime.now(UTC).date()
    )
    assert dict(bench.rows(statistics.format("(all)")))[past] > shape.hits_per_day / 3
    published = pq.read_table(tmp_path / "data" / "published" / "overview_1d" / f"{past}.parquet")
    assert published.num_rows == bench.rows(f"select count(*) from stats.overview_1d where event_date = '{past}'")[0][0]

    # The page that the runs renewed has today's property, and is what the newest publication makes.
    page = tmp_path / "data" / "published" / "dashboard.html"
    assert '"UA-9-9"' in page.read_text() and f'"{past}"' in page.read_text()
    made = page.stat().st_mtime_ns
    assert run(installed, environ, "dashboard") == f"{page}\n"
    assert page.stat().st_mtime_ns == made

    said = run(installed, environ, "doctor")
    assert "signed in as fake" in said
    assert "everything in the archive is loaded" in said
