"""The deployment of deploy/compose.yaml in containers of this machine, and the questions the tests put to it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from compose_file import Service, read
from container import Container

from ingestion_platform.settings import PROJECT_DIR

IMAGES = {"clickstream-platform": "localhost/clickstream-platform", "postgres": "localhost/clickstream-postgres"}
UI = "http://127.0.0.1:3000/graphql"


def wait_for(done: Callable[[], Any], seconds: float, what: str) -> Any:
    """Poll until `done` gives something true."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := done():
            return found
        time.sleep(0.5)
    raise AssertionError(f"{what} took more than {seconds:g} s")


class Deployment:
    """The services of compose.yaml by name. `variables` is production.env; `emulators` is what every container gets besides."""

    def __init__(self, folder: Path, variables: Mapping[str, str], emulators: Mapping[str, str]) -> None:
        self.services = read(PROJECT_DIR / "deploy" / "compose.yaml", variables)
        self.running: dict[str, Container] = {}
        self.folder, self._emulators = folder, emulators

    def up(self) -> None:
        """Everything, in the order that the services ask for. compose.yaml names a service after those it waits for."""
        for name in self.services:
            self.start(name)

    def start(self, name: str) -> Container:
        """One service, once what it waits for is there; returns when its own health check is content, if it has one."""
        service: Service = self.services[name]
        for other, condition in service.waits_for.items():
            if condition == "service_completed_successfully":
                assert self.running[other].process.wait(120) == 0, self.log(other)
            else:
                assert condition == "service_healthy"
                self.wait_until_healthy(other)
        image = IMAGES[service.image.split(":")[0]]
        made = Container(service, image, self.folder, list(self.services), self._emulators)
        self.running[name] = made
        return made

    def wait_until_healthy(self, name: str, seconds: float = 120) -> None:
        container = self.running[name]

        def look() -> bool:
            assert container.process.poll() is None, f"{name} ended:\n{self.log(name)}"
            return container.healthy()

        try:
            wait_for(look, seconds, f"the health of {name}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log(name)}") from None

    def recreate(self, name: str, away: float) -> None:
        """What `docker compose up -d <name>` does with a new image: the container goes, another comes, the volumes stay."""
        self.running.pop(name).stop()
        time.sleep(away)
        self.start(name)
        self.wait_until_healthy(name)

    def down(self) -> None:
        for container in reversed(self.running.values()):
            container.stop()

    def log(self, name: str) -> str:
        return self.running[name].log.read_text(errors="replace")[-4000:]

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of the webserver's answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(UI, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert not found.get("errors"), found
        return dict(found["data"])

    def location_is_loaded(self) -> bool:
        try:
            return bool(self.graphql("{ assetNodes { id } }")["assetNodes"])
        except (urllib.error.URLError, OSError):
            return False

    def backfill(self, groups: set[str], dates: list[str]) -> str:
        """Launch a backfill of the partitioned assets of `groups` as the UI does; its id."""
        nodes = self.graphql("{ assetNodes { assetKey { path } isPartitioned groupName } }")["assetNodes"]
        chosen = [{"path": n["assetKey"]["path"]} for n in nodes if n["isPartitioned"] and n["groupName"] in groups]
        launch = """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
            __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
        parameters = {"assetSelection": chosen, "partitionNames": dates}
        return str(self.graphql(launch, p=parameters)["launchPartitionBackfill"]["backfillId"])

    def stop_schedules(self) -> None:
        """Switch every schedule off, as the UI does."""
        query = """{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { ... on RepositoryLocation {
            repositories { schedules { scheduleState { id } } } } } } } } }"""
        stop = """mutation($id: String!) { stopRunningSchedule(id: $id) { ... on ScheduleStateResult {
            scheduleState { status } } } }"""
        for location in self.graphql(query)["workspaceOrError"]["locationEntries"]:
            for repository in location["locationOrLoadError"]["repositories"]:
                for schedule in repository["schedules"]:
                    stopped = self.graphql(stop, id=schedule["scheduleState"]["id"])["stopRunningSchedule"]
                    assert stopped["scheduleState"]["status"] == "STOPPED", stopped

    def unfinished_runs(self) -> list[str]:
        query = """query($f: RunsFilter!) { runsOrError(filter: $f) { ... on Runs { results { runId } } } }"""
        under_way = {"statuses": ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"]}
        return [run["runId"] for run in self.graphql(query, f=under_way)["runsOrError"]["results"]]

    def status(self, backfill: str) -> str:
        query = (
            "query($b: String!) { partitionBackfillOrError(backfillId: $b) { ... on PartitionBackfill { status } } }"
        )
        return str(self.graphql(query, b=backfill)["partitionBackfillOrError"]["status"])

    def runs(self, backfill: str) -> list[dict[str, Any]]:
        """The runs of a backfill, oldest first, with the steps that they began and ended and what their events say."""
        query = """query($f: RunsFilter!) { runsOrError(filter: $f) { ... on Runs { results { runId parentRunId status
            eventConnection(limit: 2000) { events { __typename ... on MessageEvent { message stepKey } } } } } } }"""
        tags = {"tags": [{"key": "dagster/backfill", "value": backfill}]}
        found = self.graphql(query, f=tags)["runsOrError"]["results"]
        for run in found:
            run["events"] = run.pop("eventConnection")["events"]
        return list(reversed(found))

    def slots(self) -> dict[str, tuple[int, int]]:
        """How many slots of each pool are held, and how many there are."""
        query = "{ instance { concurrencyLimits { concurrencyKey slotCount activeSlotCount } } }"
        limits = self.graphql(query)["instance"]["concurrencyLimits"]
        return {limit["concurrencyKey"]: (limit["activeSlotCount"], limit["slotCount"]) for limit in limits}


def steps_under_way(run: Mapping[str, Any]) -> set[str]:
    """The steps that a run has begun and not ended."""

    def keys(*kinds: str) -> set[str]:
        return {event["stepKey"] for event in run["events"] if event["__typename"] in kinds}

    return keys("ExecutionStepStartEvent") - keys("ExecutionStepSuccessEvent", "ExecutionStepFailureEvent")
