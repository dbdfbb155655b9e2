"""What Dagster costs: a backfill as the UI launches it, beside the bare load and dbt build of the same dates.

Many dates of few hits, so that what is paid for each run, date and event shows. The backfill goes through the real webserver,
daemon and run workers; the bare way takes the same dates in the same portions, each in a process of its own as a run is.

Dagster's daemon looks for backfills every 30 s, which cannot be set: so long may a launch wait for its first run, and a
backfill whose runs are done for its mark. That is measured apart from the runs, which are counted from the first one's creation
to the last one's end.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests

from benchmarks.measure import PROJECT_DIR, BenchmarkError, Cost, inherited, median, run_command
from benchmarks.replay import Traffic, bare
from ingestion_platform.dates import Window, chunks
from ingestion_platform.settings import read

_GROUPS = ("raw", "events", "stats", "published")
_ASSETS = "{ assetNodes { assetKey { path } isPartitioned groupName } }"
_BACKFILL = """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
    ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
_STATUS = """query($b: String!) { partitionBackfillOrError(backfillId: $b) { ... on PartitionBackfill { status } } }"""
_RUNS = """query($f: RunsFilter!) { runsOrError(filter: $f) { ... on Runs { results { creationTime endTime } } } }"""
_LAUNCH = """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) {
    ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_RUN = """query($r: ID!) { runOrError(runId: $r) { ... on Run { status } } }"""
_INSTIGATORS = """query($r: RepositorySelector!) {
    sensorsOrError(repositorySelector: $r) { ... on Sensors { results { id } } }
    schedulesOrError(repositorySelector: $r) { ... on Schedules { results { id } } } }"""
_STOP_SENSOR = "mutation($i: String!) { stopSensor(id: $i) { __typename ... on PythonError { message } } }"
_STOP_SCHEDULE = "mutation($i: String!) { stopRunningSchedule(id: $i) { __typename ... on PythonError { message } } }"
_REPOSITORIES = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"


def run(traffic: Traffic) -> dict[str, Any]:
    """Seconds of a backfill of all dates of `traffic` and of its runs, of the bare way, and of the difference of these two a
    run; of a refresh with nothing new, from launch to end; of importing the code location."""
    size = read({}).partitions_per_run
    portions = chunks(Window(traffic.start, traffic.end), size)
    with traffic.data_dir("bare-portions") as root:
        plain = [bare(root, *portion) for portion in portions]
    with traffic.data_dir("backfill") as root:
        # Nothing must start by itself: the objects come when schedule and sensor are stopped.
        archive = root / "archive"
        objects = archive.readlink()
        archive.unlink()
        with _dagster(root, traffic) as server:
            server.stop_all()
            archive.symlink_to(objects)
            seconds, at_work, runs = server.backfill(traffic)
            idle = server.refresh()
        imported = median(lambda: _import(root), 3)
    bare_seconds = sum(cost.seconds for cost in plain)
    return {
        "hits": traffic.hits,
        "dates": (traffic.end - traffic.start).days,
        "runs": runs,
        "backfill_seconds": round(seconds, 2),
        "runs_seconds": round(at_work, 2),
        "bare_seconds": round(bare_seconds, 2),
        "times_bare": round(at_work / bare_seconds, 2),
        "dagster_adds_seconds_a_run": round((at_work - bare_seconds) / runs, 2),
        "nothing_new_seconds": round(idle, 2),
        "import_seconds": round(imported.seconds, 2),
        "import_cpu_seconds": round(imported.cpu_seconds, 2),
    }


def _import(root: Path) -> Cost:
    command = [sys.executable, "-c", "import ingestion_platform.definitions"]
    return run_command(command, {"DATA_DIR": f"{root}"}, root / "import.log")


class _Server:
    """A `make dev` of its own, driven over GraphQL as the UI drives it."""

    def __init__(self, port: int, log: Path) -> None:
        self._address = f"http://127.0.0.1:{port}/graphql"
        self._log = log

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = requests.post(self._address, json={"query": query, "variables": variables}, timeout=60)
        found = answer.json()
        if found.get("errors"):
            raise BenchmarkError(f"Dagster refused a query: {found['errors'][0]['message']}")
        return dict(found["data"])

    def answers(self) -> bool:
        try:
            return bool(self.ask(_ASSETS)["assetNodes"])
        except (requests.RequestException, ValueError):
            return False

    def backfill(self, traffic: Traffic) -> tuple[float, float, int]:
        """Launch all partitioned assets for all dates; seconds until the backfill has ended, those in which it had a run, and
        the number of its runs."""
        assets = [
            {"path": node["assetKey"]["path"]}
            for node in self.ask(_ASSETS)["assetNodes"]
            if node["isPartitioned"] and node["groupName"] in _GROUPS
        ]
        days = (traffic.end - traffic.start).days
        dates = [f"{traffic.start + timedelta(days=n)}" for n in range(days)]
        began = time.perf_counter()
        launched = self.ask(_BACKFILL, p={"assetSelection": assets, "partitionNames": dates})["launchPartitionBackfill"]
        backfill = launched.get("backfillId")
        if backfill is None:
            raise BenchmarkError(f"the backfill was not launched: {launched}")
        self._end(lambda: self.ask(_STATUS, b=backfill)["partitionBackfillOrError"]["status"], "COMPLETED_SUCCESS")
        seconds = time.perf_counter() - began
        chosen = {"tags": [{"key": "dagster/backfill", "value": backfill}]}
        runs = self.ask(_RUNS, f=chosen)["runsOrError"]["results"]
        at_work = max(run["endTime"] for run in runs) - min(run["creationTime"] for run in runs)
        return seconds, at_work, len(runs)

    def stop_all(self) -> None:
        """Stop the schedule and the sensor."""
        found = self.ask(_INSTIGATORS, r=self._repository())
        for kind, mutation in (("sensors", _STOP_SENSOR), ("schedules", _STOP_SCHEDULE)):
            for item in found[f"{kind}OrError"]["results"]:
                self.ask(mutation, i=item["id"])

    def _repository(self) -> dict[str, str]:
        (place,) = self.ask(_REPOSITORIES)["repositoriesOrError"]["nodes"]
        return {"repositoryName": place["name"], "repositoryLocationName": place["location"]["name"]}

    def refresh(self) -> float:
        """Launch the hourly refresh, which finds nothing new; seconds until its run has ended."""
        selector = self._repository() | {"jobName": "hourly_refresh"}
        began = time.perf_counter()
        launched = self.ask(_LAUNCH, p={"selector": selector, "runConfigData": {}})["launchRun"]
        if "run" not in launched:
            raise BenchmarkError(f"the refresh was not launched: {launched}")
        self._end(lambda: self.ask(_RUN, r=launched["run"]["runId"])["runOrError"]["status"], "SUCCESS")
        return time.perf_counter() - began

    def _end(self, status: Callable[[], str], good: str) -> None:
        while True:
            found = status()
            if found == good:
                return
            if found.startswith(("FAIL", "CANCEL", "COMPLETED")):
                raise BenchmarkError(f"Dagster ended with {found} ({self._log})")
            time.sleep(0.25)


@contextmanager
def _dagster(root: Path, traffic: Traffic) -> Iterator[_Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {"DATA_DIR": f"{root}", "DAGSTER_PORT": f"{port}", "PARTITIONS_START": f"{traffic.start}"}
    log = root / "dev.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ingestion_platform", "dev"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=PROJECT_DIR,
            env={**inherited(), **environment},
            start_new_session=True,
        )
    server = _Server(port, log)
    try:
        give_up = time.monotonic() + 180
        while not server.answers():
            if process.poll() is not None or time.monotonic() > give_up:
                raise BenchmarkError(f"`dagster dev` does not answer ({log})")
            time.sleep(0.5)
        yield server
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
