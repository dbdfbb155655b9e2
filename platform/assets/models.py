"""The dbt project as assets: `events/*` and `stats/*` by date of the event, `events_live/*` as views without partitions.

One dbt invocation builds the models of a run's dates where no reader looks. dbt's tests and the checks of the statistics look at what
was built; then all of it is published at once, or none. Every model and test shows as an asset and an asset check; rows are counted by
date, so that each partition carries its own figures, and the versions of what it was made from.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    DagsterEvent,
    DagsterInstance,
    DailyPartitionsDefinition,
    Failure,
    MaterializeResult,
    Output,
    ResourceParam,
)
from dagster_dbt import dbt_assets

from ingestion_platform.assets.checks import Audit, StatisticsChecks
from ingestion_platform.assets.keys import OVERVIEW_1D, OWNERS, ROW_COUNT, WAREHOUSE_POOL
from ingestion_platform.assets.manifest import Models
from ingestion_platform.assets.partition_checks import dates_to_check
from ingestion_platform.dagster_internals.partition_events import check_outputs, record, recorded
from ingestion_platform.dates import ONE_DAY, Window, listed, today
from ingestion_platform.resources.dbt_project import DbtProject, Log, NodeResult
from ingestion_platform.resources.warehouse import Reader, Warehouse
from ingestion_platform.settings import Settings
from ingestion_platform.versions import digest, input_versions, provenance, version_tags

# What the UI shows beside the rows of a date's hits: how many were left out, and why.
_COUNTED_BESIDE_LOGS = {"duplicates": "duplicates", "quarantined": "quarantine"}

STALE_TAG = "clickstream/dates_left_stale"
"""A run's tag: the dates that lacked something when it had built its own. A later run of the same backfill may be about to build them."""


@dataclass(frozen=True)
class Built:
    """What one build did: dbt's results, the rows of each model by date, the versions of what each date was built from, and what the
    audit said. It was published if there is no `error`."""

    results: list[NodeResult]
    rows: Mapping[str, Mapping[date, int]] = field(default_factory=dict)
    inputs: Mapping[date, str] = field(default_factory=dict)
    audit: Audit | None = None
    stale: str = ""

    @property
    def failed(self) -> list[NodeResult]:
        return [result for result in self.results if result.status in ("error", "fail")]

    def error(self) -> str:
        """One line for the first failure, with the number of others; empty when all went well."""
        if not self.failed:
            return self.audit.refusal() if self.audit is not None else ""
        first = self.failed[0]
        reason = " ".join(first.message.split())[:400]
        others = f" (and {len(self.failed) - 1} more)" if len(self.failed) > 1 else ""
        return f"{first.kind} {first.name}: {reason}{others}"

    @property
    def views(self) -> dict[str, str]:
        return {result.relation: result.view for result in self.results if result.view and result.succeeded}

    def metadata(self, result: NodeResult, day: date) -> dict[str, Any]:
        """What the UI shows of one model's date."""
        entries: dict[str, Any] = {"seconds of this model's build": result.seconds}
        if self.stale:
            entries["dates left stale"] = self.stale
        if result.name in self.rows:
            entries[ROW_COUNT] = self.rows[result.name].get(day, 0)
        if result.name == "logs":
            entries |= {label: self.rows[name].get(day, 0) for label, name in _COUNTED_BESIDE_LOGS.items()}
        return entries


def build(
    dbt: DbtProject,
    warehouse: Warehouse,
    models: Models,
    select: Sequence[str],
    window: Window,
    log: Log,
    audit: Callable[[Reader], Audit] | None = None,
) -> Built:
    """Build the nodes of `select` (unique ids) for the dates of `window`, and publish them: all of them, or none where anything failed.

    `audit` looks at what was built before anybody sees it, and may refuse it.
    """
    warehouse.create_tables()
    latest_load_id = warehouse.latest_load_id()
    inputs = input_versions(warehouse, window)
    names = models.names_of(unique_id for unique_id in select if unique_id in models.keys)
    with warehouse.propose({name: models.relations[name] for name in names}, window) as proposal:
        built = Built(
            dbt.build(models.selectors([*models.staging, *select]), window, log, proposal.environment), inputs=inputs
        )
        if built.failed or not names:
            return built
        proposal.add_views(built.views)
        counted = [*names, *(_COUNTED_BESIDE_LOGS.values() if "logs" in names else ())]
        with proposal.reading():
            rows = {name: proposal.row_counts(models.relations[name], *window) for name in counted}
            built = replace(built, rows=rows, audit=audit(proposal) if audit is not None else None)
        if not built.error():
            proposal.publish(names, latest_load_id)
    return built


def left_stale(warehouse: Warehouse, models: Models, first: date, window: Window) -> list[date]:
    """The dates outside of `window` that miss something which the ledger has: hits of these dates that are newly loaded change
    others, too (dates.py), and a run writes only the dates that it was asked for."""
    behind = warehouse.stale_dates(models.names_of(models.partitioned), first, today() + ONE_DAY, first)
    return [day for day in behind if not window.start <= day < window.end]


def build_views(dbt: DbtProject, warehouse: Warehouse, models: Models, select: Sequence[str], log: Log) -> Built:
    """Write the live views of `select` (unique ids) anew, and run their tests. They hold no rows: doing it twice changes nothing."""
    warehouse.create_tables()
    with warehouse.propose({}, None) as proposal:
        built = Built(dbt.build(models.selectors([*models.staging, *select]), None, log, proposal.environment))
        if not built.failed:
            proposal.add_views(built.views)
            proposal.publish([], warehouse.latest_load_id())
    return built


def materializations(
    instance: DagsterInstance, models: Models, built: Built, result: NodeResult, window: Window
) -> list[AssetMaterialization]:
    """A model that was built, as one event a date."""
    key = models.keys[result.unique_id]
    inputs, code = provenance(instance, models.parents[key]), models.code_versions[key]
    return [
        AssetMaterialization(
            key,
            partition=day.isoformat(),
            metadata=built.metadata(result, day),
            tags=version_tags(inputs, code, digest(code, built.inputs[day])),
        )
        for day in window.days
    ]


def checked(models: Models, built: Built, where: str) -> list[AssetCheckEvaluation]:
    """dbt's tests as evaluations, one a run. All count as blocking: dbt itself skips what is below a test that failed."""
    return [
        AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=result.status in ("pass", "success"),
            severity=AssetCheckSeverity.WARN if result.status == "warn" else AssetCheckSeverity.ERROR,
            metadata={"dates": where, "failing rows": result.failures or 0, "seconds": result.seconds},
            description=" ".join(result.message.split())[:500] or None,
            blocking=True,
        )
        for result in built.results
        if (key := models.test_keys.get(result.unique_id)) is not None and result.status != "skipped"
    ]


def selection(context: AssetExecutionContext, models: Models) -> list[str]:
    """What dbt is to build, exactly: the selected models, those of their tests that are selected and have all they look at, and
    selected tests of models that are not selected."""
    selected = [unique_id for unique_id, key in models.keys.items() if key in context.selected_asset_keys]
    checks = context.selected_asset_check_keys
    with_them = [test for test in models.tests_of(selected) if models.test_keys.get(test) in checks]
    lone = [
        test
        for test, key in models.test_keys.items()
        if key in checks and key.asset_key not in context.selected_asset_keys
    ]
    return [*selected, *dict.fromkeys([*with_them, *lone])]


def partitioned_models(
    models: Models, daily: DailyPartitionsDefinition, policy: BackfillPolicy, checks: StatisticsChecks
) -> AssetsDefinition:
    """`events/*` and `stats/*`."""

    @dbt_assets(
        name="models",
        manifest=models.manifest,
        select=" ".join(models.selectors(models.partitioned)),
        dagster_dbt_translator=models.translator,
        partitions_def=daily,
        backfill_policy=policy,
        pool=WAREHOUSE_POOL,
    )
    def build_models(
        context: AssetExecutionContext,
        dbt: ResourceParam[DbtProject],
        warehouse: ResourceParam[Warehouse],
        settings: ResourceParam[Settings],
    ) -> Iterator[MaterializeResult[None] | DagsterEvent | Output[None]]:
        window = dates_to_check(context)
        # The checks on the statistics speak of all models: of a few of them, there may be nothing yet to compare them with.
        complete = OVERVIEW_1D in context.selected_asset_keys
        audit = partial(checks.audit, settings=settings, window=window) if complete else None
        built = build(dbt, warehouse, models, selection(context, models), window, context.log.info, audit)
        if stale := listed(left_stale(warehouse, models, settings.partitions_start, window)):
            built = replace(built, stale=stale)
            context.instance.add_run_tags(context.run_id, {STALE_TAG: stale})
            context.log.info(
                f"Left stale by this run: {stale}. The hourly refresh rebuilds them, or a replay of these dates."
            )
        for result in built.results if not built.error() else ():
            key = models.keys.get(result.unique_id)
            if key is not None:
                yield from record(context, materializations(context.instance, models, built, result, window))
                yield recorded(key)
        tests = checked(models, built, f"{window}")
        yield from record(context, tests)
        yield from check_outputs(context, [test.asset_check_key for test in tests])
        if built.audit is not None:
            yield from record(context, checks.evaluations(context.instance, built.audit))
        if built.error():
            raise Failure(f"{window} is not published, and stays as it was: {built.error()}")

    return build_models


def live_models(models: Models) -> AssetsDefinition:
    """`events_live/*`: views, which read the marts' watermark when they are queried; building them only writes their SQL.

    A backfill launches each as soon as what it reads is recorded, in several runs, while the run that writes the marts goes on.
    """

    @dbt_assets(
        name="live_models",
        manifest=models.manifest,
        select=" ".join(models.selectors(models.live)),
        dagster_dbt_translator=models.translator,
        pool=WAREHOUSE_POOL,
    )
    def build_live_models(
        context: AssetExecutionContext, dbt: ResourceParam[DbtProject], warehouse: ResourceParam[Warehouse]
    ) -> Iterator[MaterializeResult[None] | DagsterEvent | Output[None]]:
        built = build_views(dbt, warehouse, models, selection(context, models), context.log.info)
        for result in built.results:
            key = models.keys.get(result.unique_id)
            if key is not None and result.succeeded:
                yield MaterializeResult(asset_key=key)
        tests = checked(models, built, "all")
        yield from record(context, tests)
        yield from check_outputs(context, [test.asset_check_key for test in tests])
        if built.failed:
            raise Failure(built.error())

    return build_live_models


def exposures(models: Models) -> list[AssetSpec]:
    """dbt's exposures as external assets at the end of the graph."""
    return [
        AssetSpec(
            key=AssetKey([exposure["name"]]),
            deps=[models.keys[unique_id] for unique_id in exposure["depends_on"]["nodes"] if unique_id in models.keys],
            description=exposure["description"] or exposure.get("label") or "",
            group_name="exposures",
            kinds={exposure["type"]},
            owners=[exposure["owner"]["email"]] if exposure["owner"].get("email") else OWNERS,
            metadata={"url": exposure["url"]} if exposure.get("url") else {},
        )
        for exposure in models.manifest["exposures"].values()
    ]
