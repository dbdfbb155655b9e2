"""The instance of a DATA_DIR: the writer's pool, runs whose process is gone, and event batches."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
    MetadataValue,
    asset,
    define_asset_job,
)
from dagster import DailyPartitionsDefinition as Daily
from dagster._core.events import EngineEventData
from dagster._core.launcher.base import WorkerStatus
from dagster._core.test_utils import create_run_for_test

from ingestion_platform import settings as environment
from ingestion_platform.assets.keys import WAREHOUSE_POOL
from ingestion_platform.dagster_internals.event_storage import BatchingEventLogStorage
from ingestion_platform.dagster_internals.run_health import fail_dead_runs
from ingestion_platform.instance import open_instance
from ingestion_platform.partitions import RANGE_END_TAG, RANGE_START_TAG


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    """The instance of a fresh DATA_DIR, as the commands open it."""
    for name in ("DAGSTER_HOME", "DATA_DIR", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")
    with open_instance(environment.read({"DATA_DIR": f"{tmp_path / 'data'}"})) as opened:
        yield opened


def dead_pid() -> int:
    """The pid of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def started(instance: DagsterInstance, pid: int) -> str:
    """A run that says it is executed by `pid` and holds the pool; its id."""
    run = create_run_for_test(instance, status=DagsterRunStatus.STARTED)
    instance.report_engine_event("Started.", run, EngineEventData({"pid": MetadataValue.text(f"{pid}")}))
    claim = instance.event_log_storage.claim_concurrency_slot(WAREHOUSE_POOL, run.run_id, "models")
    assert claim.is_claimed
    return run.run_id


def test_the_pool_of_the_warehouse_has_one_slot(instance: DagsterInstance) -> None:
    """Two builds side by side take twice the memory, which a laptop may not have; the limit must be there for a pool that no run has
    used before."""
    limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
    assert limits == {WAREHOUSE_POOL: 1}
    assert instance.event_log_storage.get_pool_config().pool_granularity.value == "op"
    written = yaml.safe_load(Path(os.environ["DAGSTER_HOME"], "dagster.yaml").read_text())
    assert written["concurrency"]["pools"]["granularity"] == "op"
    assert written["telemetry"]["enabled"] is False


def test_the_pool_is_as_wide_as_its_setting_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the runs that `make replay` executes, which ask the pool, and for the daemon's queue, which must let so many start at once."""
    for name in ("DAGSTER_HOME", "DATA_DIR", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")
    with open_instance(environment.read({"DATA_DIR": f"{tmp_path / 'data'}", "BUILDS_AT_ONCE": "6"})) as opened:
        runs = [create_run_for_test(opened).run_id for _ in range(7)]
        claims = [opened.event_log_storage.claim_concurrency_slot(WAREHOUSE_POOL, run, "models") for run in runs]
        assert [claim.is_claimed for claim in claims] == [True] * 6 + [False]
        limits = opened.get_concurrency_config()
        assert limits.pool_config.default_pool_limit == 6
        assert limits.run_queue_config is not None and limits.run_queue_config.max_concurrent_runs > 6


def test_a_killed_run_is_failed_and_gives_its_slot_back(instance: DagsterInstance) -> None:
    """After `kill -9` a run stayed "started" for ever and kept the writer's slot: nothing else could write."""
    run_id = started(instance, dead_pid())
    assert fail_dead_runs(instance) == [run_id]
    assert instance.get_run_by_id(run_id).status == DagsterRunStatus.FAILURE  # type: ignore[union-attr]
    other = create_run_for_test(instance)
    assert instance.event_log_storage.claim_concurrency_slot(WAREHOUSE_POOL, other.run_id, "models").is_claimed


def test_a_living_run_is_left_alone(instance: DagsterInstance) -> None:
    """`make replay` beside `make dev` must not end the other's runs."""
    run_id = started(instance, os.getpid())
    assert fail_dead_runs(instance) == []
    assert instance.get_run_by_id(run_id).status == DagsterRunStatus.STARTED  # type: ignore[union-attr]
    other = create_run_for_test(instance)
    assert not instance.event_log_storage.claim_concurrency_slot(WAREHOUSE_POOL, other.run_id, "models").is_claimed


def test_the_launcher_tells_the_daemon_of_dead_runs(instance: DagsterInstance) -> None:
    """Dagster's default launcher cannot tell, so that a backfill waited for ever for a run killed with its code server."""
    launcher = instance.run_launcher
    assert launcher.supports_check_run_worker_health
    gone, alive = (instance.get_run_by_id(started_run) for started_run in _two_runs(instance))
    assert gone is not None and alive is not None
    assert launcher.check_run_worker_health(gone).status == WorkerStatus.NOT_FOUND
    assert launcher.check_run_worker_health(alive).status == WorkerStatus.RUNNING


def _two_runs(instance: DagsterInstance) -> list[str]:
    found = []
    for pid in (dead_pid(), os.getpid()):
        run = create_run_for_test(instance, status=DagsterRunStatus.STARTED)
        instance.report_engine_event("Started.", run, EngineEventData({"pid": MetadataValue.text(f"{pid}")}))
        found.append(run.run_id)
    return found


@asset(partitions_def=Daily("2026-01-01"))
def counted() -> None:
    """Something with partitions."""


def test_a_batch_stores_what_single_events_store(instance: DagsterInstance) -> None:
    """Writing a run's events in one transaction must leave the same events, partitions, tags and newest materialization."""
    assert isinstance(instance.event_log_storage, BatchingEventLogStorage)
    located = Definitions([counted], jobs=[define_asset_job("count", [counted])])
    job = located.resolve_job_def("count")
    tags = {RANGE_START_TAG: "2026-01-01", RANGE_END_TAG: "2026-01-03"}
    run = instance.create_run_for_job(job, tags=tags)
    planned = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION_PLANNED).records
    assert {record.partition_key for record in planned} == {"2026-01-01", "2026-01-02", "2026-01-03"}

    for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
        instance.report_runless_asset_event(
            AssetMaterialization("counted", partition=day, tags={"dagster/data_version": f"v{day}"})
        )
    storage = instance.event_log_storage
    key = AssetKey("counted")
    singles = [record.event_log_entry for record in instance.fetch_materializations(key, limit=10).records]
    storage.store_event_batch([single._replace(run_id=run.run_id) for single in reversed(singles)])
    found = instance.fetch_materializations(key, limit=10).records
    assert [record.partition_key for record in found[:3]] == ["2026-01-03", "2026-01-02", "2026-01-01"]
    assert len(found) == 6
    latest = storage.get_latest_tags_by_partition(key, DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"])
    assert latest["2026-01-02"] == {"dagster/data_version": "v2026-01-02"}
    (record,) = instance.get_asset_records([key])
    assert record.asset_entry.last_materialization_record is not None
    assert record.asset_entry.last_materialization_record.storage_id == found[0].storage_id
    assert len(instance.all_logs(run.run_id)) == len(planned) + 3


def test_a_check_that_a_failed_run_did_not_come_to_keeps_its_result(
    instance: DagsterInstance, check_after_failure: Callable[[DagsterInstance], tuple[str, bool]]
) -> None:
    """One model that does not build turned half a hundred checks red, of tables that were published as before."""
    assert check_after_failure(instance) == ("SUCCEEDED", False)
