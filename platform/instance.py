"""The Dagster instance of a DATA_DIR: its configuration, the writer's pool, and runs whose process is gone.

`open_instance` writes DATA_DIR/dagster/dagster.yaml, so that every command, and the daemon of `dagster dev`, sees the same
limits without anybody editing a file. Three of its lines were settled by trying (docs/decisions/writer-pool.md): pools count
steps and not runs; the pool's limit is set explicitly besides the default; a pool's slot is given back soon after its run ended.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.events import DagsterEventType
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher

from ingestion_platform.assets.keys import WAREHOUSE_POOL
from ingestion_platform.resources.wiring import POOL_LIMITS
from ingestion_platform.settings import Settings

_CONFIGURATION = """\
# Written by `python -m ingestion_platform` at every start: changes made here are lost. deploy/dagster.yaml is for production.
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  pools:
    granularity: op
    default_limit: {limit}
    # No run is started only to wait: two running ones would take turns step by step, and each wait grows up to 15 s.
    op_granularity_run_buffer: 0
  runs:
    max_concurrent_runs: 4
run_queue:
  dequeue_interval_seconds: 1
event_log_storage:
  module: ingestion_platform.event_storage
  class: BatchingEventLogStorage
  config:
    base_dir: {home}/history/runs
# A run whose process was killed is marked as failed, gives its slot of the pool back, and is started once more.
run_launcher:
  module: ingestion_platform.instance
  class: WatchedRunLauncher
run_monitoring:
  enabled: true
  poll_interval_seconds: 15
  start_timeout_seconds: 180
  cancel_timeout_seconds: 60
  free_slots_after_run_end_seconds: 5
run_retries:
  enabled: true
  max_retries: 1
  retry_on_asset_or_op_failure: false
"""

_EVENTS_A_BATCH = "1000"

_RUNNING = (DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)


def configure(settings: Settings) -> None:
    """Write the instance's configuration and put DAGSTER_HOME into the environment of this process and its children."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    text = _CONFIGURATION.format(limit=POOL_LIMITS[settings.environment], home=settings.dagster_home)
    path = settings.dagster_home / "dagster.yaml"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = _EVENTS_A_BATCH
    os.environ["DAGSTER_HOME"] = f"{settings.dagster_home}"
    # Relative paths of the environment would mean another folder in a child that runs elsewhere.
    os.environ["DATA_DIR"] = f"{settings.data_dir}"
    os.environ["PUBLISHED_DIR"] = f"{settings.published_dir}"
    key = os.environ.get("SNOWFLAKE_PRIVATE_KEY", "")
    if key and "BEGIN" not in key:
        os.environ["SNOWFLAKE_PRIVATE_KEY"] = f"{Path(key).expanduser().absolute()}"


def open_instance(settings: Settings) -> DagsterInstance:
    """The instance under DATA_DIR/dagster, configured, with the pool's limit set and dead runs marked as failed."""
    configure(settings)
    instance = DagsterInstance.get()
    instance.event_log_storage.set_concurrency_slots(WAREHOUSE_POOL, POOL_LIMITS[settings.environment])
    fail_dead_runs(instance)
    return instance


def fail_dead_runs(instance: DagsterInstance) -> list[str]:
    """Mark runs as failed whose process on this machine is gone and give their slots back; returns their ids.

    What such a run had recorded stays; launching its dates again completes them.
    """
    dead = [run for run in instance.get_runs(RunsFilter(statuses=list(_RUNNING))) if process_is_gone(instance, run)]
    for run in dead:
        instance.report_run_failed(run, "The run's process is gone: it was killed, or the machine restarted.")
    finished = instance.event_log_storage.get_concurrency_run_ids()
    for run_id in finished:
        holder = instance.get_run_by_id(run_id)
        if holder is None or holder.is_finished:
            instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return [run.run_id for run in dead]


def process_is_gone(instance: DagsterInstance, run: DagsterRun) -> bool:
    """Whether `run` has said which process executes it and no such process is alive."""
    pids = [
        pid
        for record in instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ENGINE_EVENT).records
        if (pid := _pid(record.event_log_entry.dagster_event)) is not None
    ]
    return bool(pids) and not _alive(pids[-1])


def _pid(event: Any) -> int | None:
    metadata: Mapping[str, Any] = event.engine_event_data.metadata if event is not None else {}
    value = metadata.get("pid")
    return int(value.value) if value is not None and f"{value.value}".isdigit() else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's launcher, which can also tell the monitoring daemon that a run's process is gone.

    The code server notices the death of its own children; this covers runs whose code server died with them, and runs that a
    command of this project executed in its own process.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        gone = process_is_gone(self._instance, run)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND if gone else WorkerStatus.RUNNING)
