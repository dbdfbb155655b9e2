"""Real parts for the platform's tests: a temporary DATA_DIR with DuckDB and dbt, and a Dagster instance that ends with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, Definitions, ExecuteInProcessResult

from ingestion_platform import settings as environment
from ingestion_platform.definitions import definitions
from ingestion_platform.partitions import Window, range_tags, today
from ingestion_platform.resources import wiring
from ingestion_platform.resources.archive import Archive
from ingestion_platform.settings import PROJECT_DIR, Settings
from simulations.config import TrafficConfig
from simulations.history import write_day

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Place:
    """A platform of its own: a fresh DATA_DIR and an instance that is gone after the test."""

    def __init__(self, root: Path, instance: DagsterInstance) -> None:
        self.settings: Settings = environment.read({"DATA_DIR": f"{root / 'data'}"})
        self.instance = instance
        self.archive: Archive = wiring.archive(self.settings)
        self.located: Definitions = definitions(self.settings)

    def launch(self, job: str, window: Window | None = None, **options: Any) -> ExecuteInProcessResult:
        """Run a job of the code location in this process: launch("replay", window) or launch("hourly_refresh")."""
        return self.located.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags=dict(range_tags(window)) if window is not None else {},
            run_config=_QUIET | options.pop("run_config", {}),
            raise_on_error=False,
            **options,
        )

    def simulate(self, day: date, hits: int = 150, truth: bool = True) -> None:
        """Write a past date of traffic into the archive; nothing of it arrives late. Without `truth` the check of that name
        has nothing to hold it against, and the test may add to the date what it likes."""
        shape = TrafficConfig(hits_per_day=hits, outages=0.0, late_objects=0.0, objects_per_hour=1)
        folder = self.settings.truth_folder
        write_day(self.archive.put, day, shape, folder if truth else folder.with_name("elsewhere"))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query against the warehouse."""
        return wiring.warehouse(self.settings).query(sql)

    def count(self, relation: str) -> int:
        """Rows of a relation."""
        return int(self.rows(f"select count(*) from {relation}")[0][0])

    def command(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m ingestion_platform ...` as a user would, on this DATA_DIR."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER")}
        return subprocess.run(
            [sys.executable, "-m", "ingestion_platform", *arguments],
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

    @staticmethod
    def past(days: int) -> date:
        """The date so many days ago."""
        return today() - timedelta(days=days)

    @staticmethod
    def materialized(result: ExecuteInProcessResult, asset: str) -> set[str]:
        """The partitions of `asset` that a run recorded as materialized."""
        events = result.get_asset_materialization_events()
        return {
            f"{event.partition}" for event in events if event.asset_key and event.asset_key.to_user_string() == asset
        }


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A platform of its own."""
    with DagsterInstance.ephemeral() as instance:
        yield Place(tmp_path, instance)
