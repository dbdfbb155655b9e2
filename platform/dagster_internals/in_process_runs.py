"""A run of one of the code location's jobs, created as the UI would and executed in this process.

`execute_job` of Dagster's public interface gives a run without the code location's origin: the UI could neither show it among the
job's runs nor launch it again. Can go when `execute_job` takes the origin, or tells events as they happen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dagster import AssetKey, DagsterEvent, DagsterInstance, DagsterRun
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.execution.api import execute_run_iterator
from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.workspace.load_target import WorkspaceFileTarget

from ingestion_platform.settings import PROJECT_DIR

_MODULE = "ingestion_platform.definitions"
_REPOSITORY = "__repository__"


@dataclass(frozen=True)
class InProcessRun:
    """A run that waits to be executed; `steps` is how many it has."""

    instance: DagsterInstance
    job: ReconstructableJob
    run: DagsterRun
    steps: int

    @property
    def run_id(self) -> str:
        return self.run.run_id

    def events(self) -> Iterator[DagsterEvent]:
        """Execute the run; each event as it happens."""
        return execute_run_iterator(self.job, self.run, self.instance)


def create_run(
    instance: DagsterInstance,
    job_name: str,
    tags: Mapping[str, str],
    config: Mapping[str, Any],
    assets: Sequence[AssetKey] = (),
) -> InProcessRun:
    """A run of the job `job_name`, of `assets` only where some are named."""
    repository = ReconstructableRepository.for_module(_MODULE, "defs", os.fspath(PROJECT_DIR))
    job = ReconstructableJob(repository, job_name)
    if assets:
        job = job.get_subset(asset_selection=frozenset(assets))
    definition = job.get_definition()
    run = instance.create_run_for_job(
        job_def=definition,
        tags=tags,
        run_config=config,
        asset_selection=frozenset(assets) or None,
        remote_job_origin=_origin(job_name),
        job_code_origin=job.get_python_origin(),
    )
    return InProcessRun(instance, job, run, len(definition.nodes))


def _origin(job_name: str) -> RemoteJobOrigin:
    (location,) = WorkspaceFileTarget([os.fspath(PROJECT_DIR / "workspace.yaml")]).create_origins()
    return RemoteRepositoryOrigin(location, _REPOSITORY).get_job_origin(job_name)
