"""Runs whose process on this machine is gone: found, marked as failed, and their slots of the pool given back.

Dagster's launcher cannot tell (`supports_check_run_worker_health` is false), and a run that a command executes in its own process
has no launcher at all; both are found by the process id that Dagster notes in the run's first engine event. Can go when
`DefaultRunLauncher` checks the health of its runs by itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher

_RUNNING = (DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)


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
