"""Runs that a command launches and executes itself, on the instance that `dagster dev` shows.

They are ordinary runs of the jobs in the code location: they wait for the warehouse's pool, appear in the UI while they go on,
and can be looked at or launched again there. Nothing else needs to be running.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dagster import AssetCheckSeverity, AssetKey, DagsterEvent, DagsterEventType, DagsterInstance, DagsterRunStatus
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from collector.errors import ExpectedError
from ingestion_platform.assets.change_checks import HELD_TAG
from ingestion_platform.dagster_internals.in_process_runs import create_run
from ingestion_platform.dates import Window
from ingestion_platform.partitions import range_tags

# Dagster's log of each event stays off the terminal: it is in the instance, and the progress bar tells the rest.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class RunFailed(ExpectedError):
    """A run did not go through; the message is one line that says why and where to look."""


@dataclass(frozen=True)
class Work:
    """One run to execute: a job, the dates (None for a job without partitions), and what to tell the user."""

    job: str
    dates: Window | None
    title: str
    assets: Sequence[AssetKey] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


def console() -> Console:
    """A console that keeps writing to the terminal while Dagster captures the output of steps into its compute logs."""
    return Console(file=os.fdopen(os.dup(sys.stdout.fileno()), "w"), highlight=False)


def execute(instance: DagsterInstance, work: Sequence[Work], out: Console) -> list[str]:
    """Execute each piece of `work` in order, with a progress bar; returns the audits in which they hold something.

    Raises RunFailed for the first that fails.
    """
    held: list[str] = []
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[now]}"),
        TimeElapsedColumn(),
        console=out,
        transient=False,
    ) as progress:
        for piece in work:
            task = progress.add_task(piece.title, total=None, now="")
            for event, steps in _events(instance, piece, held):
                if event.is_step_start:
                    progress.update(task, now=f"{event.step_key}".replace("__", "/"))
                elif event.is_step_success:
                    progress.update(task, advance=1, total=steps)
            progress.update(task, now="done", total=1, completed=1)
    return held


def _events(instance: DagsterInstance, work: Work, held: list[str]) -> Iterator[tuple[DagsterEvent, int]]:
    tags = {**(range_tags(work.dates) if work.dates is not None else {}), "clickstream/launched_by": "command line"}
    run = create_run(instance, work.job, tags, {**_QUIET, **work.config}, work.assets)
    reason = ""
    for event in run.events():
        if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed and check.severity == AssetCheckSeverity.ERROR:
                reason = reason or f"{check.asset_key.to_user_string()}, check {check.check_name}: {check.description}"
        if event.is_step_failure:
            reason = reason or f"{event.step_key}: {_reason(event)}"
        yield event, run.steps
    record = instance.get_run_by_id(run.run_id)
    if record is None or record.status != DagsterRunStatus.SUCCESS:
        raise RunFailed(f"{work.title} failed in {reason or 'its start'} (run {run.run_id[:8]}; make dev shows it)")
    if audit := record.tags.get(HELD_TAG):
        held.append(audit)


def _reason(event: DagsterEvent) -> str:
    failure = event.step_failure_data
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return " ".join(failure.user_failure_data.description.split())
    return " ".join(error.message.split()) if error is not None else "no reason given"
