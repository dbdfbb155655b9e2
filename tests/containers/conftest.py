"""The whole deployment in containers, on an emulated S3 and an emulated Snowflake; one for the module that asks.

`make test-containers` builds the images and runs these. The modules of this folder import each other by name, so the folder goes on
the path.
"""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path
from typing import Any

import boto3
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from moto.server import ThreadedMotoServer

import tests_clock

HERE = Path(__file__).resolve().parent
if f"{HERE}" not in sys.path:
    sys.path.insert(0, f"{HERE}")

from deployment import Deployment  # noqa: E402

from ingestion_platform.dates import ONE_DAY, today  # noqa: E402
from ingestion_platform.resources.s3_archive import S3Archive  # noqa: E402
from ingestion_platform.resources.snowflake.warehouse import SnowflakeWarehouse  # noqa: E402
from simulations.config import TrafficConfig  # noqa: E402
from simulations.history import write_day  # noqa: E402

HITS = 400
REGION = "eu-central-1"
ARCHIVE, LOGS = "clickstream-archive", "clickstream-dagster-logs"
PLATFORM_USER = 10001


@dataclass
class World:
    """A deployment, and the outside of it: the warehouse as a reader sees it, and the settings that were given."""

    deployment: Deployment
    warehouse: SnowflakeWarehouse
    variables: dict[str, str]
    day: date
    hits: int


@pytest.fixture(scope="module")
def patched() -> Iterator[pytest.MonkeyPatch]:
    patch = pytest.MonkeyPatch()
    yield patch
    patch.undo()


@pytest.fixture(scope="module")
def machine_clock() -> Iterator[None]:
    """The machine's own time, which containers have; the other tests' is moved."""
    tests_clock.move_to(time_machine.escape_hatch.datetime.datetime.now(UTC))
    yield
    tests_clock.move_to(tests_clock.NOW)


@pytest.fixture(scope="module")
def aws(machine_clock: None, patched: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """An emulated S3 with the archive's bucket and the logs' one; the variables that lead there."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    given = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "emulated",
        "AWS_SECRET_ACCESS_KEY": "emulated",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }
    for name, value in given.items():
        patched.setenv(name, value)
    for bucket in (ARCHIVE, LOGS):
        place: Any = {"LocationConstraint": REGION}
        boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    yield given
    server.stop()


@pytest.fixture(scope="module")
def snowflake(aws: dict[str, str]) -> Iterator[dict[str, str]]:
    """An emulated Snowflake, empty but for what infra/ makes; the variables that lead there."""
    server = HERE.parent / "emulators" / "fakesnow_server.py"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", server], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline().split()
        assert ready[:1] == ["ready"], "the fakesnow server did not start"
        given = {"INGEST_ENV": "emulated", "SNOWFLAKE_HOST": "127.0.0.1", "SNOWFLAKE_PORT": ready[1]}
        warehouse = SnowflakeWarehouse.from_environment(given)
        for schema in ("raw", "staging", "events", "events_live", "stats"):
            warehouse.query(f"create schema if not exists {schema}")
        warehouse.query("create or replace file format raw.archive_json type = json compression = gzip")
        warehouse.query(f"create stage if not exists raw.archive url = 's3://{ARCHIVE}/stream_data/'")
        yield given
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An encrypted private key as docs/deployment.md wants it: a file that only the platform's user can read; and its passphrase."""
    passphrase = secrets.token_urlsafe(16)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode()))
    path = tmp_path_factory.mktemp("keys") / "platform.p8"
    path.write_bytes(sealed)
    path.chmod(0o400)
    os.chown(path, PLATFORM_USER, PLATFORM_USER)
    return path, passphrase


@pytest.fixture(scope="module")
def world(
    aws: dict[str, str], snowflake: dict[str, str], key_file: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A date of history in the archive, and every service of compose.yaml running."""
    if os.geteuid() != 0:
        pytest.fail("containers need root: make test-containers")
    folder = tmp_path_factory.mktemp("deployment")
    shape = TrafficConfig(hits_per_day=HITS, outages=0.0, late_objects=0.0, objects_per_hour=1)
    # Yesterday's objects start no run by themselves before the next full hour; older ones would, by the sensor.
    day = today() - ONE_DAY
    write_day(S3Archive(ARCHIVE).put, day, shape, folder / "truth")
    path, passphrase = key_file
    variables = {
        "ARCHIVE_BUCKET": ARCHIVE,
        "DAGSTER_LOGS_BUCKET": LOGS,
        "DAGSTER_POSTGRES_PASSWORD": secrets.token_urlsafe(16),
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": aws["AWS_ACCESS_KEY_ID"],
        "AWS_SECRET_ACCESS_KEY": aws["AWS_SECRET_ACCESS_KEY"],
        "SNOWFLAKE_ACCOUNT": "ORG-NOWHERE",
        "SNOWFLAKE_USER": "PLATFORM",
        "SNOWFLAKE_PRIVATE_KEY": f"{path}",
        "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": passphrase,
        "SNOWFLAKE_ROLE": "TRANSFORMER",
        "SNOWFLAKE_WAREHOUSE": "TRANSFORMING",
        "SNOWFLAKE_DATABASE": "CLICKSTREAM",
        "PARTITIONS_START": f"{day}",
    }
    emulators = {**snowflake, "AWS_ENDPOINT_URL": aws["AWS_ENDPOINT_URL"]}
    deployment = Deployment(folder, variables, emulators)
    try:
        deployment.up()
        yield World(deployment, SnowflakeWarehouse.from_environment(snowflake), variables, day, HITS)
    finally:
        deployment.down()
