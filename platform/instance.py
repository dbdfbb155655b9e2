"""The Dagster instance of a DATA_DIR: its configuration and the warehouse's pool.

`open_instance` writes DATA_DIR/dagster/dagster.yaml, so that every command, and the daemon of `dagster dev`, sees the same
limits without anybody editing a file. Three of its lines were settled by trying (docs/decisions/writer-pool.md): pools count
steps and not runs; the pool's limit is set explicitly besides the default; a pool's slot is given back soon after its run ended.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import DagsterInstance

from ingestion_platform.assets.keys import WAREHOUSE_POOL
from ingestion_platform.dagster_internals.run_health import fail_dead_runs
from ingestion_platform.resources.environments import pool_limit
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
    max_concurrent_runs: {runs}
run_queue:
  dequeue_interval_seconds: 1
event_log_storage:
  module: ingestion_platform.dagster_internals.event_storage
  class: BatchingEventLogStorage
  config:
    base_dir: {home}/history/runs
# A run whose process was killed is marked as failed, gives its slot of the pool back, and is started once more.
run_launcher:
  module: ingestion_platform.dagster_internals.run_health
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

# Beside those that build: what only looks at the archive, simulates traffic or keeps house.
_RUNS_WITHOUT_THE_POOL = 3


def configure(settings: Settings) -> None:
    """Write the instance's configuration and put DAGSTER_HOME into the environment of this process and its children."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    limit = pool_limit(settings)
    text = _CONFIGURATION.format(limit=limit, runs=limit + _RUNS_WITHOUT_THE_POOL, home=settings.dagster_home)
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
    with _alone(settings.dagster_home):
        configure(settings)
        instance = DagsterInstance.get()
        instance.event_log_storage.set_concurrency_slots(WAREHOUSE_POOL, pool_limit(settings))
    fail_dead_runs(instance)
    return instance


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold `home` for the block. Dagster looks whether its tables and the pool are there and then makes them, without a transaction: of two
    commands that were the first in a DATA_DIR one died."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".opening.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
