"""The production instance of deploy/dagster.yaml against a real PostgreSQL and an emulated S3."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from dagster import DagsterInstance
from moto.server import ThreadedMotoServer

from ingestion_platform import settings as environment
from ingestion_platform.assets.keys import WAREHOUSE_POOL
from ingestion_platform.definitions import definitions
from ingestion_platform.resources import environments
from ingestion_platform.settings import PROJECT_DIR

_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A PostgreSQL server of our own on a free port, with the variables that deploy/dagster.yaml reads."""
    if not _BINARIES:
        pytest.skip("PostgreSQL's server is not installed (Debian: postgresql); .ci/run installs it")
    binaries, folder, port = _BINARIES[-1].parent, tmp_path_factory.mktemp("postgres"), free_port()
    # The server refuses to run as root.
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "cwd": "/"}
        for path in (folder, *folder.parents):
            if not path.stat().st_mode & 0o001:
                path.chmod(0o755)
        shutil.chown(folder, user.pw_uid, user.pw_gid)
    cluster = folder / "cluster"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    subprocess.run([binaries / "initdb", "-D", cluster, "-U", "dagster", "--auth=trust"], **as_user, **quiet)
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder}"
    control = [binaries / "pg_ctl", "-D", cluster, "-w", "-l", folder / "log"]
    subprocess.run([*control, "-o", options, "start"], **as_user, **quiet)
    try:
        yield {
            "DAGSTER_POSTGRES_HOST": "127.0.0.1",
            "DAGSTER_POSTGRES_PORT": f"{port}",
            "DAGSTER_POSTGRES_USER": "dagster",
            "DAGSTER_POSTGRES_PASSWORD": "unused",
            "DAGSTER_POSTGRES_DB": "postgres",
        }
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **as_user, **quiet)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An emulated S3 with the bucket for step logs; its address."""
    server = ThreadedMotoServer("127.0.0.1", free_port(), verbose=False)
    server.start()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("DAGSTER_LOGS_BUCKET", "dagster-logs")
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    location: Any = {"LocationConstraint": "eu-west-1"}
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="dagster-logs", CreateBucketConfiguration=location)
    yield address
    server.stop()


def test_a_refresh_runs_on_the_production_instance(
    place: Any,
    postgres: dict[str, str],
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    check_after_failure: Callable[[DagsterInstance], tuple[str, bool]],
) -> None:
    """The file that a deployment uses must load and hold runs, partitions, pools and step logs: a field that Dagster renamed
    would otherwise be found in production."""
    for name, value in postgres.items():
        monkeypatch.setenv(name, value)
    written = yaml.safe_load((PROJECT_DIR / "deploy" / "dagster.yaml").read_text())
    # What a test's server has otherwise: a port of its own, and S3 at an address.
    # The three storages share their address.
    written["run_storage"]["config"]["postgres_db"]["port"] = int(postgres["DAGSTER_POSTGRES_PORT"])
    written["compute_logs"]["config"]["endpoint_url"] = bucket
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(yaml.safe_dump(written))

    place.simulate(place.past(3))
    with DagsterInstance.from_config(f"{home}") as instance:
        assert "Postgres" in type(instance.event_log_storage).__name__
        assert check_after_failure(instance) == ("SUCCEEDED", False)
        # What the service `pools` of compose.yaml does.
        subprocess.run(
            [Path(sys.executable).with_name("dagster"), "instance", "concurrency", "set", WAREHOUSE_POOL, "8"],
            env=os.environ | {"DAGSTER_HOME": f"{home}"},
            check=True,
            capture_output=True,
        )
        assert {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()} == {WAREHOUSE_POOL: 8}
        place.instance = instance
        result = place.launch("hourly_refresh")
        assert result.success
        from ingestion_platform.assets.keys import OVERVIEW_1D

        assert place.past(3).isoformat() in instance.get_materialized_partitions(OVERVIEW_1D)
    logs = boto3.client("s3", endpoint_url=bucket).list_objects_v2(Bucket="dagster-logs").get("Contents", [])
    assert any(entry["Key"].startswith("dagster-compute-logs/") and result.run_id in entry["Key"] for entry in logs)


def test_production_offers_no_simulation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated traffic must not get into the archive that holds the real one, and no job may lack its assets for that."""
    # The manifest of this checkout is DuckDB's; what is loaded from it is the same for both.
    monkeypatch.setitem(environments.ADAPTERS, environment.Environment.PRODUCTION, "duckdb")  # type: ignore[arg-type]
    variables = {"INGEST_ENV": "production", "ARCHIVE_BUCKET": "archive", "DATA_DIR": f"{tmp_path}"}
    repository = definitions(environment.read(variables)).get_repository_def()
    assert "simulate" not in {job.name for job in repository.get_all_jobs()}
    assert "simulations/traffic" not in {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()}
    assert {"hourly_refresh", "replay"} <= {job.name for job in repository.get_all_jobs()}
    checks = {check.name for check in repository.asset_graph.asset_check_keys}
    assert "expected_results" not in checks
    assert {"reconciliation", "hit_volume_anomaly", "freshness"} <= checks


_IMPORTED = """
import sys
from ingestion_platform.resources import environments
environments.ADAPTERS[environments.Environment.PRODUCTION] = "duckdb"
from ingestion_platform.definitions import defs
print([name for name in sys.modules if name.startswith(("simulations", "ingestion_platform.assets.simulated"))])
"""


def test_production_imports_no_simulator(tmp_path: Path) -> None:
    """What knows the simulator's figures must not be near the real ones, not even unused: a fresh interpreter is asked."""
    variables = {"INGEST_ENV": "production", "ARCHIVE_BUCKET": "archive", "DATA_DIR": f"{tmp_path}"}
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTED],
        env={"PATH": os.environ["PATH"], "HOME": f"{tmp_path}", **variables},
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_compose_file_starts_what_there_is() -> None:
    """Names in compose.yaml, workspace.yaml and the image must meet: no container engine runs in these tests."""
    compose = yaml.safe_load((PROJECT_DIR / "deploy" / "compose.yaml").read_text())
    (location,) = yaml.safe_load((PROJECT_DIR / "deploy" / "workspace.yaml").read_text())["load_from"]
    assert location["grpc_server"]["host"] in compose["services"]
    assert set(compose["services"]) == {"postgres", "pools", "code", "webserver", "daemon"}
    needed = {part["env"] for part in _env_of(yaml.safe_load((PROJECT_DIR / "deploy" / "dagster.yaml").read_text()))}
    assert needed <= set(compose["services"]["code"]["environment"])
    ports = compose["services"]["webserver"]["ports"]
    assert all(port.startswith("127.0.0.1:") for port in ports), "the UI has no login of its own"


def _env_of(part: Any) -> Iterator[dict[str, str]]:
    if isinstance(part, dict):
        if set(part) == {"env"}:
            yield part
        for value in part.values():
            yield from _env_of(value)
