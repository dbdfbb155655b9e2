"""`hourly_refresh`: one run that brings everything up to date, whichever dates that takes.

It looks at the archive, loads the objects that the ledger lacks (of any date), asks the ledger which event dates are behind,
and rebuilds exactly those, one dbt invocation a contiguous range. After three days of downtime, after late objects and after
killed runs the rule is the same, so that nothing has to be caught up by hand. With nothing new it says so in seconds.

It is a job of one step and not an asset job, because which dates it will touch is known only after loading: what it does is
recorded as materializations, observations and check results of exactly those partitions, each as soon as it has happened
(docs/decisions/hourly-refresh.md).
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    Config,
    Failure,
    JobDefinition,
    Nothing,
    OpExecutionContext,
    Out,
    ResourceParam,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from ingestion_platform.assets.archive_events import archive_versions, changed_versions
from ingestion_platform.assets.checks import BLOCKING, evaluate
from ingestion_platform.assets.keys import ARCHIVE_EVENTS, PUBLISHED_OVERVIEW, RAW_LOGS, USER_AGENTS, WAREHOUSE_POOL
from ingestion_platform.assets.models import Built, Models, build, check_result
from ingestion_platform.assets.raw_logs import load_metadata, readable, summary
from ingestion_platform.partitions import ONE_DAY, Window, chunks, today
from ingestion_platform.resources.archive import Archive, data_version
from ingestion_platform.resources.dbt_project import DbtProject
from ingestion_platform.resources.warehouse import DayLoad, Warehouse
from ingestion_platform.settings import Settings
from ingestion_platform.versions import CODE_VERSION_TAG, DATA_VERSION_TAG, outdated, provenance
from ingestion_platform.windows import ranges

Event = AssetMaterialization | AssetObservation | AssetCheckEvaluation


@dataclass(frozen=True)
class Refresh:
    """The stages of one refresh. Each yields what it did to exactly the partitions concerned."""

    context: OpExecutionContext
    archive: Archive
    warehouse: Warehouse
    dbt: DbtProject
    models: Models
    settings: Settings

    def observe(self) -> Generator[Event, None, int]:
        """Record the dates whose objects changed; returns how many."""
        changed = changed_versions(self.context.instance, self.archive, self.settings.partitions_start)
        for key, version in sorted(changed.items()):
            yield AssetObservation(ARCHIVE_EVENTS, partition=key, tags={DATA_VERSION_TAG: version})
        return len(changed)

    def load(self) -> Generator[Event, None, list[DayLoad]]:
        """Load what the ledger lacks, on any date; returns the dates that were looked into."""
        start, end = self.settings.partitions_start, today() + ONE_DAY
        wanted = archive_versions(self.archive, start)
        held = self.warehouse.loaded_versions(start, end)
        nothing = data_version([])
        differ = [day for day in {*wanted, *held} if wanted.get(day, nothing) != held.get(day, nothing)]
        loads = [load for a, b in ranges(differ) for load in self.warehouse.load(self.archive, a, b)]
        inputs = provenance(self.context.instance, [ARCHIVE_EVENTS])
        for load in loads:
            tags = inputs | {DATA_VERSION_TAG: wanted.get(load.arrival_date, nothing)}
            yield _materialized(RAW_LOGS, load.arrival_date, load_metadata(load), tags)
        if loads:
            yield _checked(readable(loads), blocking=True)
        return loads

    def behind(self) -> list[date]:
        """The event dates that miss something the ledger has."""
        return self.warehouse.behind(self.models.partitioned, self.settings.partitions_start, today() + ONE_DAY)

    def rebuild(self, dates: list[date]) -> Generator[Event, None, None]:
        """Rebuild exactly `dates`, checks and publishing included. Raises Failure for the first chunk that failed."""
        for start, end in ranges(dates):
            for chosen in chunks(Window(start, end), self.settings.partitions_per_run):
                yield from self._rebuild(chosen)

    def _rebuild(self, chosen: Window) -> Generator[Event, None, None]:
        self.context.log.info(f"Rebuilding {chosen}")
        counts = self.warehouse.parse_user_agents(*chosen)
        inputs = provenance(self.context.instance, [RAW_LOGS])
        for day in chosen.days:
            yield _materialized(USER_AGENTS, day, counts, inputs)
        names = self.models.partitioned
        yield from self._built(
            build(self.dbt, self.warehouse, self.models, names, chosen, self.context.log.info), chosen
        )
        refused = []
        for result in evaluate(self.warehouse, self.settings.truth_folder, chosen):
            blocking = result.check_name in BLOCKING
            yield _checked(result, blocking=blocking)
            if blocking and not result.passed:
                refused.append(f"{result.check_name}: {result.description}")
        if refused:
            raise Failure(f"{chosen} is not published: {refused[0]}")
        files = self.warehouse.publish(self.settings.published_dir, *chosen)
        for day in chosen.days:
            yield _materialized(PUBLISHED_OVERVIEW, day, {"files written by this run": len(files)}, {})

    def live(self) -> Generator[Event, None, None]:
        """Write the live views whose SQL changed since they were written (or never were)."""
        keys = {key for key in self.models.keys.values() if key.path[-1] in self.models.live}
        if outdated(self.context.instance, {key: self.models.code_versions[key] for key in keys}):
            yield from self._built(Built(self.dbt.build(self.models.live, None, self.context.log.info), {}, {}), None)

    def _built(self, built: Built, chosen: Window | None) -> Generator[Event, None, None]:
        for result in built.results:
            key = self.models.keys.get(result.unique_id)
            if key is not None and result.succeeded:
                tags = provenance(self.context.instance, self.models.parents[key])
                tags |= {CODE_VERSION_TAG: self.models.code_versions[key], DATA_VERSION_TAG: self.context.run_id}
                days: list[date | None] = [*chosen.days] if chosen is not None else [None]
                for day in days:
                    yield _materialized(key, day, built.metadata(result, day) if day is not None else {}, tags)
            check = self.models.test_keys.get(result.unique_id)
            if check is not None and result.status != "skipped":
                yield _checked(check_result(result, check, f"{chosen or 'all'}"), blocking=True)
        if built.failed:
            raise Failure(built.error())


def _materialized(
    key: AssetKey, day: date | None, metadata: Mapping[str, Any], tags: Mapping[str, str]
) -> AssetMaterialization:
    partition = day.isoformat() if day is not None else None
    return AssetMaterialization(key, partition=partition, metadata=metadata, tags=tags)


def _checked(result: AssetCheckResult, *, blocking: bool) -> AssetCheckEvaluation:
    assert result.asset_key is not None and result.check_name is not None
    return AssetCheckEvaluation(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
        blocking=blocking,
    )


class RefreshConfig(Config):
    """What a launch may ask for besides what is behind."""

    rebuild_changed_models: bool = Field(
        default=False, description="Also rebuild the dates whose models were built by an older version of their SQL."
    )


def refresh_job(models: Models) -> JobDefinition:
    """The job. Its run ends red, after everything that could be done, when an object could not be read."""

    @op(out=Out(Nothing), pool=WAREHOUSE_POOL, description="Observe, load what is missing, rebuild what is behind.")
    def refresh(
        context: OpExecutionContext,
        config: RefreshConfig,
        archive: ResourceParam[Archive],
        warehouse: ResourceParam[Warehouse],
        dbt: ResourceParam[DbtProject],
        settings: ResourceParam[Settings],
    ) -> Iterator[Event]:
        stages = Refresh(context, archive, warehouse, dbt, models, settings)
        warehouse.create_tables()
        changed = yield from stages.observe()
        loads = yield from stages.load()
        dates = set(stages.behind())
        if config.rebuild_changed_models:
            versions = {
                key: models.code_versions[key] for key in models.keys.values() if key.path[-1] in models.partitioned
            }
            old = outdated(context.instance, versions).values()
            dates |= {date.fromisoformat(key) for keys in old for key in keys if key is not None}
        yield from stages.rebuild(sorted(dates))
        yield from stages.live()
        if not (changed or loads or dates):
            context.log.info("Nothing new: the archive holds what is loaded, and every date is up to date.")
        else:
            context.log.info(f"{changed} dates changed in the archive; {summary(loads)}; {len(dates)} dates rebuilt.")
        unreadable = readable(loads)
        if not unreadable.passed:
            raise Failure(f"{unreadable.description}")

    @job(
        executor_def=in_process_executor,
        description="Everything new in the archive, on whichever dates, up to the statistics.",
    )
    def hourly_refresh() -> None:
        refresh()

    return hourly_refresh
