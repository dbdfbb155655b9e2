"""`make dev` for real: webserver, daemon and run workers as processes, driven over GraphQL as the UI drives them, and killed.

The dates hold few hits and a run takes 4 of them, so that a backfill is several runs. The tests share one platform and come
in order: what the first one built is what the others must arrive at again.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance

from ingestion_platform import settings as environment
from ingestion_platform.partitions import today
from ingestion_platform.resources import wiring
from ingestion_platform.settings import PROJECT_DIR, Settings
from simulations.config import TrafficConfig
from simulations.history import write_day

DAYS = 8
BELOW_RAW = ("raw", "events", "stats", "published")
_TABLES = (
    "events.logs",
    "events.sessions",
    "events.purchases",
    "stats.overview_1h",
    "stats.overview_1d",
    "stats.revenue_1d",
)


class Dev:
    """A `make dev` of its own: DATA_DIR, port, processes."""

    def __init__(self, root: Path) -> None:
        self.settings: Settings = environment.read({"DATA_DIR": f"{root / 'data'}"})
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = root / "dev.log"
        self.first = today() - timedelta(days=DAYS)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER")}
        return inherited | {
            "DATA_DIR": f"{self.settings.data_dir}",
            "DAGSTER_PORT": f"{self.port}",
            "PARTITIONS_PER_RUN": "4",
        }

    def start(self) -> None:
        """Start the processes, in a session of their own, and wait until the webserver answers."""
        command = [sys.executable, "-m", "ingestion_platform", "dev"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, cwd=PROJECT_DIR, stdout=log, stderr=log, start_new_session=True
            )
        self.wait_for(self._answers, 120, "the webserver")

    def _answers(self) -> bool:
        try:
            return bool(self.graphql("{ assetNodes { id } }")["assetNodes"])
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """kill -9 of every process at once."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def wait_for(self, done: Callable[[], Any], seconds: float, what: str) -> Any:
        """Poll until `done` gives something true."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = done()
            if found:
                return found
            time.sleep(0.5)
        raise AssertionError(f"{what} took more than {seconds} s:\n{self.log.read_text()[-3000:]}")

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of a GraphQL answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert not found.get("errors"), found
        return dict(found["data"])

    def assets(self, *groups: str) -> list[list[str]]:
        """Paths of the partitioned assets of `groups`."""
        nodes = self.graphql("{ assetNodes { assetKey { path } isPartitioned groupName } }")["assetNodes"]
        return [node["assetKey"]["path"] for node in nodes if node["isPartitioned"] and node["groupName"] in groups]

    def backfill(self, assets: list[list[str]], days: int = DAYS) -> str:
        """Launch a backfill as the UI does; its id."""
        launch = """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
            __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
        parameters = {
            "assetSelection": [{"path": path} for path in assets],
            "partitionNames": [(self.first + timedelta(days=n)).isoformat() for n in range(days)],
        }
        found = self.graphql(launch, p=parameters)["launchPartitionBackfill"]
        return str(found["backfillId"])

    def status(self, backfill: str) -> str:
        query = """query($b: String!) { partitionBackfillOrError(backfillId: $b) { ... on PartitionBackfill { status } } }"""
        return str(self.graphql(query, b=backfill)["partitionBackfillOrError"]["status"])

    def runs(self, backfill: str) -> list[dict[str, Any]]:
        """The runs of a backfill, with the messages of their events."""
        query = """query($f: RunsFilter!) { runsOrError(filter: $f) { ... on Runs { results {
            runId status tags { key value }
            eventConnection(limit: 1000) { events { ... on MessageEvent { message stepKey } } } } } } }"""
        tags = {"tags": [{"key": "dagster/backfill", "value": backfill}]}
        return list(self.graphql(query, f=tags)["runsOrError"]["results"])

    def finish(self, backfill: str, seconds: float = 240) -> None:
        """Wait for a backfill's end, which must be a good one."""
        status = self.wait_for(
            lambda: found if (found := self.status(backfill)).startswith(("COMPLETED", "FAILED", "CANCELED")) else None,
            seconds,
            "the backfill",
        )
        assert status == "COMPLETED_SUCCESS", (status, self.runs(backfill))

    def busy_worker(self, backfill: str) -> tuple[str, int]:
        """Wait until a run of the backfill is in the middle of dbt's models; its id and pid."""

        def look() -> tuple[str, int] | None:
            for run in self.runs(backfill):
                messages = [event.get("message") or "" for event in run["eventConnection"]["events"]]
                pids = [
                    found.group(1) for message in messages if (found := re.search(r"in process \(pid: (\d+)", message))
                ]
                if run["status"] == "STARTED" and pids and any("OK created sql" in message for message in messages):
                    return run["runId"], int(pids[-1])
            return None

        return tuple(self.wait_for(look, 120, "a run that builds models"))  # type: ignore[return-value]

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of what readers see, once no run is at work."""
        with DagsterInstance.from_config(f"{self.settings.dagster_home}") as instance:
            self.wait_for(lambda: not instance.event_log_storage.get_concurrency_run_ids(), 60, "the pool's release")
        warehouse = wiring.warehouse(self.settings)
        last = self.first + timedelta(days=DAYS)
        return {
            table: warehouse.query(f"select * from {table} where event_date < ? order by all", [last])
            for table in _TABLES
        }


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """A platform with a week of archive and `make dev` running on it."""
    made = Dev(tmp_path_factory.mktemp("dev"))
    archive = wiring.archive(made.settings)
    shape = TrafficConfig(hits_per_day=150, objects_per_hour=1, outages=0.0, late_objects=0.0)
    for n in range(DAYS):
        write_day(archive.put, made.first + timedelta(days=n), shape, made.settings.truth_folder)
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def undisturbed(dev: Dev) -> dict[str, list[tuple[Any, ...]]]:
    """The rows after a backfill that nothing disturbed."""
    dev.finish(dev.backfill(dev.assets(*BELOW_RAW)))
    return dev.everything()


def test_backfills_a_replay_and_the_schedule_s_job_share_one_warehouse(
    dev: Dev, undisturbed: dict[str, list[tuple[Any, ...]]]
) -> None:
    """DuckDB under concurrent backfills was lock errors (dagster#19068): here two backfills and a command line replay of the
    same dates wait for each other, in runs of at most 4 dates, and leave the same rows."""
    both = [dev.backfill(dev.assets(*BELOW_RAW)), dev.backfill(dev.assets("stats", "published"))]
    ends = (f"{dev.first}", f"{dev.first + timedelta(days=DAYS - 1)}")
    replay = subprocess.run(
        [sys.executable, "-m", "ingestion_platform", "replay", "--from", ends[0], "--to", ends[1]],
        env=dev.environment,
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert replay.returncode == 0, replay.stderr
    for backfill in both:
        dev.finish(backfill)
        runs = dev.runs(backfill)
        assert len(runs) == DAYS // 4
        messages = [e.get("message") or "" for run in runs for e in run["eventConnection"]["events"]]
        assert not [
            message for message in messages if "Conflicting lock" in message or "could not set lock" in message.lower()
        ]
    assert dev.everything() == undisturbed


def test_a_killed_run_worker_is_replaced(dev: Dev, undisturbed: dict[str, list[tuple[Any, ...]]]) -> None:
    """`kill -9` of a run in the middle of dbt's models: the backfill ends well by itself, with the same rows."""
    backfill = dev.backfill(dev.assets(*BELOW_RAW), days=4)
    run_id, pid = dev.busy_worker(backfill)
    os.kill(pid, signal.SIGKILL)
    dev.finish(backfill)
    statuses = {run["runId"]: run["status"] for run in dev.runs(backfill)}
    assert statuses.pop(run_id) == "FAILURE"
    assert list(statuses.values()) == ["SUCCESS"]
    assert dev.everything() == undisturbed


def test_a_backfill_outlives_the_death_of_everything(dev: Dev, undisturbed: dict[str, list[tuple[Any, ...]]]) -> None:
    """`kill -9` of webserver, daemon, code server and run worker at once, as when a laptop loses power: after the next
    `make dev` the backfill completes, with the same rows."""
    backfill = dev.backfill(dev.assets(*BELOW_RAW))
    dev.busy_worker(backfill)
    dev.kill()
    dev.start()
    dev.finish(backfill)
    assert dev.everything() == undisturbed


def test_the_ui_shows_each_date_s_figures(dev: Dev, undisturbed: dict[str, list[tuple[Any, ...]]]) -> None:
    """Per-partition status and metadata, as the asset's page asks for them."""
    query = """query($k: AssetKeyInput!) { assetNodeOrError(assetKey: $k) { ... on AssetNode {
        partitionStats { numMaterialized numFailed }
        assetMaterializations(limit: 400) { partition metadataEntries { label ... on IntMetadataEntry { intValue } } } } } }"""
    node = dev.graphql(query, k={"path": ["events", "logs"]})["assetNodeOrError"]
    assert node["partitionStats"]["numFailed"] == 0
    assert node["partitionStats"]["numMaterialized"] >= DAYS
    entry = next(m for m in node["assetMaterializations"] if m["partition"] == f"{dev.first}")
    figures = {e["label"]: e.get("intValue") for e in entry["metadataEntries"]}
    rows = sum(1 for row in undisturbed["events.logs"] if row[0] == dev.first or dev.first in row)
    assert figures["dagster/partition_row_count"] == rows
    assert {"duplicates", "quarantined"} <= set(figures)
