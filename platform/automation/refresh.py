"""`hourly_refresh`: one run that brings everything up to date, whichever dates that takes.

It looks at the archive, loads the objects that the ledger lacks (of any date), asks the ledger which event dates are behind,
and rebuilds exactly those, one dbt invocation a contiguous range. After three days of downtime, after late objects and after
killed runs the rule is the same, so that nothing has to be caught up by hand. With nothing new it says so in seconds.

It is a job of one step and not an asset job, because which dates it will touch is known only after loading: what it does is
recorded as materializations, observations and check results of exactly those partitions, each as soon as it has happened
(docs/decisions/hourly-refresh.md).
"""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from dagster import (
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    Config,
    DagsterEvent,
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

from ingestion_platform.assets.archive_events import (
    archive_versions,
    changed_versions,
    layout_result,
    observations,
    passed_over,
)
from ingestion_platform.assets.audit_report import keep_report
from ingestion_platform.assets.builds import Built, build, build_views, lacking_columns
from ingestion_platform.assets.change_checks import record_changes
from ingestion_platform.assets.checks import StatisticsChecks
from ingestion_platform.assets.dashboard import renewals
from ingestion_platform.assets.keys import PUBLISHED_OVERVIEW, STATISTICS, USER_AGENTS, WAREHOUSE_POOL
from ingestion_platform.assets.manifest import Models
from ingestion_platform.assets.models import checked, materializations
from ingestion_platform.assets.partition_checks import blocking_failure
from ingestion_platform.assets.raw_logs import (
    in_one_line,
    objects_readable,
    objects_readable_spec,
    record_loads,
    summary,
)
from ingestion_platform.assets.user_agents import parse
from ingestion_platform.changes import Cell
from ingestion_platform.dagster_internals.partition_events import record
from ingestion_platform.dates import ONE_DAY, Window, chunks, frozen_before, ranges, today
from ingestion_platform.resources.archive import Archive, data_version
from ingestion_platform.resources.dbt_project import DbtProject
from ingestion_platform.resources.warehouse import DayLoad, Warehouse
from ingestion_platform.settings import Settings
from ingestion_platform.user_agents import PARSER_VERSION
from ingestion_platform.versions import input_versions, outdated, provenance, version_tags

Event = DagsterEvent | AssetObservation
"""What a stage yields: what it has recorded. (The recovery job adds observations of its own.)"""


@dataclass(frozen=True)
class Refresh:
    """The stages of one refresh. Each records what it did to exactly the partitions concerned, as soon as it has happened."""

    context: OpExecutionContext
    archive: Archive
    warehouse: Warehouse
    dbt: DbtProject
    models: Models
    settings: Settings
    checks: StatisticsChecks

    def observe(self) -> Generator[Event, None, list[date]]:
        """Record the dates whose objects changed since they were last observed; returns them."""
        changed = changed_versions(self.context.instance, self.archive, self.settings.partitions_start)
        passed = passed_over(self.archive, self.settings.partitions_start)
        yield from record(self.context, [*observations(changed, passed), layout_result(passed)])
        return [date.fromisoformat(key) for key in changed]

    def load(self, changed: Iterable[date]) -> Generator[Event, None, list[DayLoad]]:
        """Load what the ledger lacks, on any date, and look into the dates of `changed`; returns the dates looked into.

        A changed date may hold nothing to load: its object came between the observation and the load of the run before. It is
        recorded all the same, or it would show as stale for ever.
        """
        start, end = self.settings.partitions_start, today() + ONE_DAY
        wanted = archive_versions(self.archive, start)
        held = self.warehouse.loaded_versions(start, end)
        nothing = data_version([])
        differ = {day for day in {*wanted, *held} if wanted.get(day, nothing) != held.get(day, nothing)}
        kept_from = frozen_before(self.settings.archive_retention_days)
        with in_one_line():
            loads = [
                load
                for a, b in ranges(day for day in differ | {*changed} if day >= kept_from)
                for load in self.warehouse.load(self.archive, a, b, frozen_before=kept_from)
            ]
        yield from record_loads(self.context, self.warehouse, loads)
        return loads

    def stale_dates(self) -> list[date]:
        """The event dates that miss something the ledger has."""
        names = self.models.names_of(self.models.partitioned)
        first = self.settings.partitions_start
        return self._not_held(self.warehouse.stale_dates(names, first, today() + ONE_DAY, first))

    def _not_held(self, dates: Iterable[date]) -> list[date]:
        """Those of `dates` of which another build would hold other things than what waits for a person already."""
        waiting = {
            change.cell: change.after
            for audit in self.warehouse.waiting()
            for change in audit.changes
            if change.cell.day in audit.dates()
        }
        known = sorted(dates)
        if not waiting or not known:
            return known
        codes = self.models.codes(self.models.names_of(self.models.partitioned))
        inputs = input_versions(self.warehouse, Window(known[0], known[-1] + ONE_DAY), self.settings.partitions_start)
        return [
            day
            for day in known
            if any(
                (held := waiting.get(Cell(model, day))) is None or (held.code, held.inputs) != (code, inputs[day])
                for model, code in codes.items()
            )
        ]

    def outdated(self) -> set[date]:
        """The event dates that were built by an older version of a model, or of the user agents' parser."""
        versions = {USER_AGENTS: PARSER_VERSION} | self.models.code_versions_of(self.models.partitioned)
        old = outdated(self.context.instance, versions).values()
        return {*self._not_held(date.fromisoformat(key) for keys in old for key in keys if key is not None)}

    def rebuild(self, dates: list[date]) -> Generator[Event, None, None]:
        """Rebuild exactly `dates`, checks and publishing included. Raises Failure for the first chunk that failed."""
        for start, end in ranges(dates):
            for window in chunks(Window(start, end), self.settings.partitions_per_run):
                yield from self._rebuild(window)

    def _rebuild(self, window: Window) -> Generator[Event, None, None]:
        self.context.log.info(f"Rebuilding {window}")
        yield from parse(self.context, self.warehouse, window)
        everything = [*self.models.partitioned, *self.models.tests_of(self.models.partitioned)]
        audit = partial(self.checks.audit, settings=self.settings, window=window)
        log = self.context.log.info
        built = build(self.dbt, self.warehouse, self.models, everything, window, log, self.settings, audit)
        reports, run_id = self.settings.reports_folder, self.context.run_id
        page = keep_report(reports, built.comparison, self.models, run_id=run_id, window=window, log=log)
        yield from self._built(built, window, page)
        files = self.warehouse.export(self.settings.published_dir, *window)
        tags = version_tags(provenance(self.context.instance, STATISTICS), run_id, run_id)
        metadata = {"files written by this run": len(files)}
        yield from record(
            self.context,
            [
                AssetMaterialization(PUBLISHED_OVERVIEW, partition=day.isoformat(), metadata=metadata, tags=tags)
                for day in window.days
            ],
        )

    def live(self) -> Generator[Event, None, None]:
        """Write the live views when their SQL changed since, or this warehouse never had them, once there are marts for them to read.

        Dagster remembers views of a warehouse that is gone, such as a lake that was removed to start over.
        """
        models = self.models
        built = {row[0] for row in self.warehouse.query("select distinct model from raw.build_history")}
        if not built.issuperset(models.names_of(models.partitioned)):
            return
        shown = self.warehouse.query("select count(*) from raw.publications where start_date is null")[0][0]
        if not shown or outdated(self.context.instance, models.code_versions_of(models.live)):
            if lacking := lacking_columns(self.warehouse, models):
                self.context.log.info(
                    f"The live views stay as they are until dates with new columns are published: {lacking}."
                )
                return
            everything = [*models.live, *models.tests_of(models.live)]
            yield from self._built(
                build_views(self.dbt, self.warehouse, models, everything, self.context.log.info), None
            )

    def _built(self, built: Built, window: Window | None, page: Path | None = None) -> Generator[Event, None, None]:
        for result in built.results if not built.error() else ():
            key = self.models.keys.get(result.unique_id)
            if key is not None:
                yield from record(
                    self.context,
                    materializations(self.context.instance, self.models, built, result, window)
                    if window is not None
                    else [self._view(key)],
                )
        yield from record(self.context, checked(self.models, built, f"{window or 'all'}"))
        if built.audit is not None:
            yield from record(
                self.context, self.checks.evaluations(self.context.instance, built.audit, published=not built.error())
            )
        yield from record_changes(self.context, self.models, built, page)
        yield from self.renew_dashboard()
        if built.error():
            raise Failure(f"{window or 'all'} is not published, and stays as it was: {built.error()}")

    def renew_dashboard(self) -> Iterator[DagsterEvent]:
        """Where something was published, held or discarded."""
        yield from renewals(self.context, self.warehouse, self.settings, self.models)

    def _view(self, key: AssetKey) -> AssetMaterialization:
        code = self.models.code_versions[key]
        inputs = provenance(self.context.instance, self.models.parents[key])
        return AssetMaterialization(key, tags=version_tags(inputs, code, code))


class RefreshConfig(Config):
    """What a launch may ask for besides what is behind."""

    rebuild_changed_models: bool = Field(
        default=False, description="Also rebuild the dates whose models were built by an older version of their SQL."
    )


def refresh_job(models: Models, checks: StatisticsChecks) -> JobDefinition:
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
        stages = Refresh(context, archive, warehouse, dbt, models, settings, checks)
        warehouse.create_tables()
        changed = yield from stages.observe()
        loads = yield from stages.load(changed)
        dates = set(stages.stale_dates())
        if config.rebuild_changed_models:
            dates |= stages.outdated()
        yield from stages.rebuild(sorted(dates))
        yield from stages.live()
        if not (changed or loads or dates):
            context.log.info("Nothing new: the archive holds what is loaded, and every date is up to date.")
        else:
            context.log.info(
                f"{len(changed)} dates changed in the archive; {summary(loads)}; {len(dates)} dates rebuilt."
            )
        refused = blocking_failure(objects_readable_spec(), objects_readable(loads))
        if refused is not None:
            raise Failure(refused)

    @job(
        executor_def=in_process_executor,
        description="Everything new in the archive, on whichever dates, up to the statistics.",
    )
    def hourly_refresh() -> None:
        refresh()

    return hourly_refresh
