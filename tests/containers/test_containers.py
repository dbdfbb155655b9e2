"""deploy/ in real containers: each service with compose.yaml's own command, environment, user, mounts and health check."""

from __future__ import annotations

import json
import time
from typing import Any

import boto3
import pytest
from deployment import steps_under_way, wait_for

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]

PLATFORM = ("code", "webserver", "daemon")
GROUPS = {"raw", "events", "stats", "published"}
DAEMON_ROUND = 30
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


@pytest.fixture(scope="module")
def deployed(world: Any) -> Any:
    """The deployment once its UI lists the assets, without its schedule: a tick at five past the hour takes the pool's slot from
    the run that a test looks at. The emulator's DuckDB refuses what Snowflake makes wait: one writer at a time."""
    wait_for(world.deployment.location_is_loaded, 120, "the code location")
    world.deployment.stop_schedules()
    wait_for(lambda: not world.deployment.unfinished_runs(), 400, "a tick that came before")
    assert world.deployment.slots() == {"warehouse": (0, 8)}
    limited = world.deployment.running["daemon"].run("dagster", "instance", "concurrency", "set", "warehouse", "1")
    assert limited.returncode == 0, limited.stderr
    return world.deployment


def test_a_run_survives_the_upgrade_of_its_code(world: Any, deployed: Any) -> None:
    """Recreating `code` in mid-run ends the run's process. It used to stay "started" and to keep its slot of the pool for good, so
    that eight upgrades stopped the platform; now it is failed, its slot is free, and a second run completes its dates. Nor may the
    backfill itself fail, which it did when Dagster's daemon looked at it (each 30 s) while no code server was there.

    The moment is while dbt parses: an open transaction of a client that is gone is Snowflake's to abort, which the emulator does not do.
    """
    backfill = deployed.backfill(GROUPS, [f"{world.day}"])

    def in_the_middle() -> Any:
        return next((run for run in deployed.runs(backfill) if "models" in " ".join(steps_under_way(run))), None)

    interrupted = wait_for(in_the_middle, 180, "a run that builds models")
    assert deployed.slots() == {"warehouse": (1, 1)}
    deployed.recreate("code", away=DAEMON_ROUND + 3)
    began = time.monotonic()
    status = wait_for(
        lambda: found if (found := deployed.status(backfill)).startswith(("COMPLETED", "FAILED", "CANCELED")) else None,
        400,
        "the backfill",
    )
    print(f"\nthe backfill was complete {time.monotonic() - began:.0f} s after the new code server was healthy")
    runs = deployed.runs(backfill)
    told = [(run["runId"], run["status"], [event.get("message") for event in run["events"]][-5:]) for run in runs]
    assert status == "COMPLETED_SUCCESS", told
    lost, again = runs
    assert (lost["runId"], lost["status"]) == (interrupted["runId"], "FAILURE")
    assert any("it was replaced after the run had started" in (event.get("message") or "") for event in lost["events"])
    assert (again["parentRunId"], again["status"]) == (lost["runId"], "SUCCESS")
    wait_for(lambda: deployed.slots() == {"warehouse": (0, 1)}, 90, "the pool's release")
    found = world.warehouse.query(
        "select hits from stats.overview_1d where tracking_id = '(all)' and event_date = ?", [world.day]
    )
    assert [hits > world.hits / 3 for (hits,) in found] == [True]
    logs = boto3.client("s3").list_objects_v2(Bucket=world.variables["DAGSTER_LOGS_BUCKET"])["Contents"]
    assert any(again["runId"] in entry["Key"] for entry in logs), "step logs are in their bucket"
    published = deployed.running["code"].run("sh", "-c", "ls /published/overview_1d").stdout.split()
    assert f"{world.day}.parquet" in published


@pytest.mark.parametrize("name", [*PLATFORM, "postgres"])
def test_a_container_has_no_right_that_it_does_not_need(deployed: Any, name: str) -> None:
    """A way into one of these processes must not be a way to the host or to the image: no capability, no way to one, no root, and
    nothing but volumes and memory to write to."""
    container = deployed.running[name]
    status = dict(
        line.split(":", 1) for line in container.run("cat", "/proc/1/status").stdout.splitlines() if ":" in line
    )
    assert {field: int(status[field], 16) for field in CAPABILITIES} == dict.fromkeys(CAPABILITIES, 0)
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Uid"].split()[0] != "0"
    for place in ("/", "/app", "/opt/dagster", "/etc"):
        assert container.run("touch", f"{place}/planted").returncode != 0, place
    assert container.run("touch", "/tmp/allowed").returncode == 0


def test_the_image_holds_what_the_dockerfile_names(deployed: Any) -> None:
    """.dockerignore lists what may get in: a key or data lying in the checkout must not."""
    root = deployed.running["code"].root
    assert {path.name for path in (root / "app").iterdir()} == {
        "LICENSE", "README.md", "collector", "dbt_models", "platform", "pyproject.toml", "requirements", "sbom.cdx.json",
        "simulations",
    }  # fmt: skip
    assert {path.name for path in (root / "opt" / "dagster").iterdir()} == {"dagster.yaml", "workspace.yaml"}


def test_the_bill_of_materials_names_what_is_installed(deployed: Any) -> None:
    """Asked of the image itself: a package more or another version would be looked up in vain when a defect is published. The
    project's own package is what the bill is of."""
    ask = (
        "import importlib.metadata as m, json; "
        "print(json.dumps(sorted({(d.metadata['Name'].lower().replace('_', '-'), d.version) for d in m.distributions()})))"
    )
    code = deployed.running["code"]
    installed = {(name, version) for name, version in json.loads(code.run("python", "-c", ask).stdout)}
    bill = json.loads(code.run("cat", "/app/sbom.cdx.json").stdout)
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "replayable-clickstream")
    named = {(one["name"].lower().replace("_", "-"), one["version"]) for one in bill["components"]}
    assert installed - named == {("replayable-clickstream", bill["metadata"]["component"]["version"])}
    assert named <= installed and not any(name.startswith("cyclonedx") for name, _ in named)
    assert all(one["purl"].startswith("pkg:pypi/") for one in bill["components"])


def test_doctor_says_in_seconds_that_the_account_cannot_be_reached(deployed: Any) -> None:
    """In the image as in production. That the account is what is missing proves that the platform's user can read the key's file and
    that the passphrase opened it. It took 2 minutes and 49 seconds."""
    began = time.monotonic()
    line = ("env", "INGEST_ENV=production", "python", "-W", "ignore", "-m", "ingestion_platform", "doctor")
    done = deployed.running["code"].run(*line, seconds=150)
    seconds = time.monotonic() - began
    assert done.returncode == 1, done.stdout + done.stderr
    told = {line.split()[1]: line for line in done.stdout.splitlines()}
    assert "SNOWFLAKE_ACCOUNT is wrong or cannot be reached" in told["credentials"], done.stdout
    assert "not asked" in told["warehouse"]
    assert told["archive"].startswith("ok"), done.stdout
    assert seconds < 60, done.stdout
