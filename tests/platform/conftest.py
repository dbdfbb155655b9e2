"""Real parts for the platform's tests: a temporary DATA_DIR with DuckDB and dbt, and a Dagster instance that ends with it."""

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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetCheckKey,
    AssetCheckResult,
    AssetExecutionContext,
    AssetKey,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    asset,
    asset_check,
    define_asset_job,
)

from ingestion_platform import definitions as location
from ingestion_platform import settings as environment
from ingestion_platform.dates import Window, today
from ingestion_platform.definitions import definitions
from ingestion_platform.instance import open_instance
from ingestion_platform.partitions import range_tags
from ingestion_platform.resources import environments
from ingestion_platform.resources.archive import Archive
from ingestion_platform.resources.dbt_project import DbtProject, read_manifest
from ingestion_platform.resources.duckdb.views import select_files
from ingestion_platform.resources.duckdb.warehouse import DuckDBWarehouse
from ingestion_platform.settings import PROJECT_DIR, Settings
from simulations.config import TrafficConfig
from simulations.history import write_day

DAYS = 8
_TABLES = (
    "events.logs",
    "events.sessions",
    "events.purchases",
    "stats.overview_1h",
    "stats.overview_1d",
    "stats.revenue_1d",
)

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class PlatformHarness:
    """A platform of its own: a fresh DATA_DIR and an instance that is gone after the test."""

    def __init__(self, root: Path, instance: DagsterInstance, **more: str) -> None:
        self.settings: Settings = environment.read({"DATA_DIR": f"{root / 'data'}", **more})
        self.instance = instance
        self.archive: Archive = environments.archive(self.settings)
        self.located: Definitions = definitions(self.settings)
        # Fixed for the test, which may go on over midnight.
        self.today = today()

    def launch(self, job: str, window: Window | None = None, **options: Any) -> ExecuteInProcessResult:
        """Run a job of the code location in this process: launch("replay", window) or launch("hourly_refresh")."""
        return self.located.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags=dict(range_tags(window)) if window is not None else {},
            run_config=_QUIET | options.pop("run_config", {}),
            raise_on_error=False,
            **options,
        )

    @contextmanager
    def with_models(self, project: DbtProject, **settings: Any) -> Iterator[None]:
        """The code location with another copy of the dbt project, and other settings, as after `make setup` and a reload."""
        manifest = read_manifest(project.prepare())
        before = self.located
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(location, "read_manifest", lambda adapter: manifest)
            patch.setattr(environments, "dbt_project", lambda _: project)
            self.located = location.definitions(self.settings.model_copy(update=settings))
            try:
                yield
            finally:
                self.located = before

    def simulate(self, day: date, hits: int = 150, truth: bool = True) -> None:
        """Write a past date of traffic into the archive; nothing of it arrives late. Without `expected_results` the check of that name
        has nothing to hold it against, and the test may add to the date what it likes."""
        shape = TrafficConfig(hits_per_day=hits, outages=0.0, late_objects=0.0, objects_per_hour=1)
        folder = self.settings.truth_folder
        write_day(self.archive.put, day, shape, folder if truth else folder.with_name("elsewhere"))

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query against the warehouse."""
        return environments.warehouse(self.settings).query(sql, parameters)

    def alter(self, relation: str, day: date, select: str) -> None:
        """Publish what `select` makes of `{rows}`, the rows of one date: behind the platform's back, as a defect in it would."""
        warehouse = environments.warehouse(self.settings)
        assert isinstance(warehouse, DuckDBWarehouse)
        lake = warehouse.lake
        snapshot = lake.catalog.snapshot()
        table = snapshot.tables[relation]
        rows = select_files(table, [file for file in snapshot.files[relation] if file.day == day], lake.folder)
        with lake.engine() as engine, lake.catalog.change("defect") as change:
            file = lake.write(engine, select.format(rows=f"({rows})"), table, day)
            change.replace(relation, [day], [file] if file is not None else [])

    def lose_a_row(self, day: date) -> None:
        """Remove a row of `day` from `events.logs`, as a defect in a model would."""
        before = self.count("events.logs")
        self.alter("events.logs", day, "from {rows} where log_id <> (select min(log_id) from {rows})")
        assert self.count("events.logs") == before - 1

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of the models that a reader sees."""
        return {table: self.rows(f"select * from {table} order by all") for table in _TABLES}

    def count(self, relation: str) -> int:
        """Rows of a relation."""
        return int(self.rows(f"select count(*) from {relation}")[0][0])

    def command(
        self, *arguments: str, under: Callable[[list[str]], list[str]] = list, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `python -m ingestion_platform ...` as a user would, on this DATA_DIR; `under` makes another command of it."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER")}
        return subprocess.run(
            under([sys.executable, "-m", "ingestion_platform", *arguments]),
            env={**env, "DATA_DIR": f"{self.settings.data_dir}", **more},
            cwd=PROJECT_DIR,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def instance_of_commands(self) -> DagsterInstance:
        """The instance under DATA_DIR that the commands use, not this test's own."""
        return DagsterInstance.from_config(f"{self.settings.dagster_home}")

    def past(self, days: int) -> date:
        """The date so many days before the one on which the test began."""
        return self.today - timedelta(days=days)

    @staticmethod
    def materialized(result: ExecuteInProcessResult, asset: str) -> set[str]:
        """The partitions of `asset` that a run recorded as materialized."""
        events = result.get_asset_materialization_events()
        return {
            f"{event.partition}" for event in events if event.asset_key and event.asset_key.to_user_string() == asset
        }


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PlatformHarness]:
    """A platform of its own."""
    with DagsterInstance.ephemeral() as instance:
        yield PlatformHarness(tmp_path, instance)


@pytest.fixture
def place_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlatformHarness]:
    """A platform of its own on the instance that the commands and `make dev` use, files and all: a webserver opens no other."""
    for name in ("DAGSTER_HOME", "DATA_DIR", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")
    with open_instance(environment.read({"DATA_DIR": f"{tmp_path / 'data'}"})) as instance:
        yield PlatformHarness(tmp_path, instance)


@pytest.fixture
def make_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., PlatformHarness]]:
    """Makes platforms with settings of their own, on one instance unless told otherwise."""
    with DagsterInstance.ephemeral() as shared:

        def make(instance: DagsterInstance = shared, **more: str) -> PlatformHarness:
            return PlatformHarness(tmp_path_factory.mktemp("place"), instance, **more)

        yield make


@pytest.fixture(scope="module")
def shared_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformHarness]:
    """A platform that the tests of a module share."""
    with DagsterInstance.ephemeral() as instance:
        yield PlatformHarness(tmp_path_factory.mktemp("shared"), instance)


class DevServer:
    """A `make dev` of its own: DATA_DIR, port, processes."""

    def __init__(self, root: Path) -> None:
        self.settings: Settings = environment.read({"DATA_DIR": f"{root / 'data'}"})
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = root / "dev.log"
        # `dagster dev` lets a .env where it stands overrule the environment: this one must not count.
        self.elsewhere = root / "elsewhere"
        (root / ".env").write_text(f"DATA_DIR={self.elsewhere}\nPARTITIONS_PER_RUN=1\nINGEST_ENV=nowhere\n")
        self.first = today() - timedelta(days=DAYS)
        self.days = DAYS
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER")}
        return inherited | {
            "INGEST_ENV": "local",
            "DATA_DIR": f"{self.settings.data_dir}",
            "DAGSTER_PORT": f"{self.port}",
            "PARTITIONS_PER_RUN": "4",
        }

    def start(self) -> None:
        """Start the processes, in a session of their own, and wait until the webserver answers."""
        command = [sys.executable, "-m", "ingestion_platform", "dev"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, cwd=self.log.parent, stdout=log, stderr=log, start_new_session=True
            )
        self.wait_for(self._answers, 120, "the webserver")

    def _answers(self) -> bool:
        try:
            return bool(self.graphql("{ assetNodes { id } }")["assetNodes"])
        except (urllib.error.URLError, OSError):
            return False

    def processes(self) -> dict[int, str]:
        """The command lines of whatever `make dev` started and is alive, itself included, by pid."""
        assert self.process is not None
        listed = subprocess.run(["ps", "-axwwo", "pid=,sess=,stat=,args="], capture_output=True, text=True, check=True)
        rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
        return {int(row[0]): row[3] for row in rows if row[1] == f"{self.process.pid}" and row[2][0] != "Z"}

    def kill(self) -> None:
        """kill -9 of every process at once."""
        if self.process is not None:
            for pid in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def ended(self) -> int:
        """Wait until `make dev` has ended by itself, with all that it started; its exit code."""
        assert self.process is not None
        code = self.process.wait(30)
        self.wait_for(lambda: not self.processes(), 5, "the end of what `make dev` started")
        self.process = None
        return code

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
        warehouse = environments.warehouse(self.settings)
        last = self.first + timedelta(days=DAYS)
        return {
            table: warehouse.query(f"select * from {table} where event_date < ? order by all", [last])
            for table in _TABLES
        }


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """A platform with a week of archive and `make dev` running on it."""
    made = DevServer(tmp_path_factory.mktemp("dev"))
    archive = environments.archive(made.settings)
    shape = TrafficConfig(hits_per_day=150, objects_per_hour=1, outages=0.0, late_objects=0.0)
    for n in range(DAYS):
        write_day(archive.put, made.first + timedelta(days=n), shape, made.settings.truth_folder)
    made.start()
    yield made
    made.kill()


@asset
def table() -> None:
    """Fails where it is told to."""
    if "fail" in AssetExecutionContext.get().run.tags:
        raise ValueError("no such column")


@asset_check(asset=table, name="whole")
def whole() -> AssetCheckResult:
    """A step of its own, below the table's."""
    return AssetCheckResult(passed=True)


@pytest.fixture
def check_after_failure() -> Callable[[DagsterInstance], tuple[str, bool]]:
    """Executes a run that succeeds and one whose step fails before its check; gives what the check's newest record says then, and
    whether it is of the run that failed."""

    def execute(instance: DagsterInstance) -> tuple[str, bool]:
        located = Definitions([table], asset_checks=[whole], jobs=[define_asset_job("build")])
        job = located.resolve_job_def("build")
        assert job.execute_in_process(instance=instance).success
        failed = job.execute_in_process(instance=instance, tags={"fail": "yes"}, raise_on_error=False)
        assert not failed.success
        key = AssetCheckKey(AssetKey("table"), "whole")
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        return record.status.value, record.run_id == failed.run_id

    return execute
