"""Production's run launcher against real code servers: whose runs are alive, whose are gone, and what cannot be known."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from logging import getLogger
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.launcher.base import WorkerStatus
from dagster._core.test_utils import create_run_for_test
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from dagster._grpc.client import DagsterGrpcClient

from ingestion_platform.dagster_internals.code_server_launcher import CodeServerRunLauncher

CODE = """\
import time
from dagster import Definitions, job, op

@op(pool="warehouse")
def sleep():
    time.sleep(600)

@job
def sleeper():
    sleep()

definitions = Definitions(jobs=[sleeper])
"""

INSTANCE = """\
telemetry: {enabled: false}
concurrency: {pools: {granularity: op, default_limit: 1}}
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
run_launcher: {module: ingestion_platform.dagster_internals.code_server_launcher, class: CodeServerRunLauncher}
run_monitoring: {enabled: true}
run_retries: {enabled: true, max_retries: 1, retry_on_asset_or_op_failure: false}
"""


def wait_for(done: Callable[[], Any], seconds: float = 90) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := done():
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds:g} s")


class CodeServer:
    """`dagster api grpc` on a port of its own; `kill` takes its runs with it, as the end of a container does."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        (folder / "code.py").write_text(CODE)
        self.start()

    def start(self) -> None:
        line = [Path(sys.executable).with_name("dagster"), "api", "grpc", "-p", f"{self.port}", "-f", "code.py"]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                line, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            wait_for(self._answers)
        except BaseException:
            self.kill()  # no fixture knows of it yet
            raise

    def _answers(self) -> bool:
        try:
            DagsterGrpcClient(port=self.port).ping("there?")
        except Exception:
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            return False
        return True

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(INSTANCE)
    monkeypatch.setenv("DAGSTER_HOME", f"{home}")
    with DagsterInstance.from_config(f"{home}") as opened:
        assert isinstance(opened.run_launcher, CodeServerRunLauncher)
        yield opened


@pytest.fixture
def server(instance: DagsterInstance, tmp_path: Path) -> Iterator[CodeServer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    made = CodeServer(tmp_path, port)
    yield made
    made.kill()


def launch(instance: DagsterInstance, server: CodeServer) -> DagsterRun:
    """A run that executes in the server's child and holds the pool's slot."""
    workspace = server.folder / "workspace.yaml"
    workspace.write_text(
        f"load_from: [{{grpc_server: {{host: localhost, port: {server.port}, location_name: clickstream}}}}]"
    )
    line = [Path(sys.executable).with_name("dagster"), "job", "launch", "-w", workspace, "-j", "sleeper"]
    subprocess.run(line, check=True, capture_output=True)
    wait_for(lambda: instance.event_log_storage.get_concurrency_run_ids())
    (run,) = instance.get_runs()
    assert run.status == DagsterRunStatus.STARTED
    return run


def test_a_run_is_given_up_when_a_new_server_does_not_know_it(instance: DagsterInstance, server: CodeServer) -> None:
    """A code server that was replaced took its runs with it, and nobody said so: they stayed "started" for ever. While none answers
    nothing is known, and a healthy run must not be failed (and started twice) because its server is slow."""
    run = launch(instance, server)

    def health() -> WorkerStatus:
        return instance.run_launcher.check_run_worker_health(run).status

    assert health() == WorkerStatus.RUNNING
    server.kill()
    assert health() == WorkerStatus.RUNNING, "no answer proves nothing"
    server.start()
    assert health() == WorkerStatus.NOT_FOUND

    target = GrpcServerTarget(host="localhost", port=server.port, socket=None, location_name="clickstream")
    with WorkspaceProcessContext(instance, target) as workspace:
        assert list(execute_run_monitoring_iteration(workspace, getLogger("test"))) == [None]
    given_up = instance.get_run_by_id(run.run_id)
    assert given_up is not None
    assert given_up.status == DagsterRunStatus.FAILURE
    assert given_up.tags["dagster/will_retry"] == "true"


def test_a_run_that_no_server_was_asked_for_is_left_alone(instance: DagsterInstance) -> None:
    """A run that a command executes in its own process has no code server to ask; it must not be failed for that."""
    run = create_run_for_test(instance, status=DagsterRunStatus.STARTED)
    assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
