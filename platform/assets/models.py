"""The dbt project as assets: `events/*` and `stats/*` by date of the event, `events_live/*` as views without partitions.

One dbt invocation builds the models of a run's dates where no reader looks. dbt's tests and the checks of the statistics look at what
was built; then all of it is published at once, or none. Every model and test shows as an asset and an asset check; rows are counted by
date, so that each partition carries its own figures, and the versions of what it was made from.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

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

from ingestion_platform.assets.audit_report import keep_report
from ingestion_platform.assets.builds import Built, build, build_views, lacking_columns, left_stale
from ingestion_platform.assets.change_checks import record_changes
from ingestion_platform.assets.checks import StatisticsChecks
from ingestion_platform.assets.dashboard import renewals
from ingestion_platform.assets.keys import OVERVIEW_1D, OWNERS, WAREHOUSE_POOL
from ingestion_platform.assets.manifest import Models
from ingestion_platform.assets.partition_checks import dates_to_check
from ingestion_platform.dagster_internals.partition_events import check_outputs, record, recorded
from ingestion_platform.dates import Window, listed
from ingestion_platform.measures import BUILD_TAG
from ingestion_platform.resources.dbt_project import DbtProject, NodeResult
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.settings import Settings
from ingestion_platform.versions import digest, provenance, version_tags

STALE_TAG = "clickstream/dates_left_stale"
"""A run's tag: the dates that lacked something when it had built its own. A later run of the same backfill may be about to build them."""


def materializations(
    instance: DagsterInstance, models: Models, built: Built, result: NodeResult, window: Window
) -> list[AssetMaterialization]:
    """A model that was built, as one event a date. Of a date that is held it is what is published still, as it was before."""
    key = models.keys[result.unique_id]
    inputs, code = provenance(instance, models.parents[key]), models.code_versions[key]
    held = built.held_versions(result.name)
    return [
        AssetMaterialization(
            key,
            partition=day.isoformat(),
            metadata=built.metadata(result, day),
            tags=version_tags(inputs, held[day].code or "unknown", digest(held[day].code, held[day].inputs))
            if day in held
            else version_tags(inputs, code, digest(code, built.inputs[day])),
        )
        for day in window.days
        if day in held or day not in built.held
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
        built = build(dbt, warehouse, models, selection(context, models), window, context.log.info, settings, audit)
        page = keep_report(
            settings.reports_folder,
            built.comparison,
            models,
            run_id=context.run_id,
            window=window,
            log=context.log.info,
        )
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
            yield from record(context, checks.evaluations(context.instance, built.audit, published=not built.error()))
        yield from record_changes(context, models, built, page)
        yield from renewals(context, warehouse, settings, models)
        if complete:
            context.instance.add_run_tags(context.run_id, {BUILD_TAG: built.measure().tag()})
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
        if lacking := lacking_columns(warehouse, models):
            raise Failure(f"the live views stay as they are until a date with new columns is published: {lacking}")
        built = build_views(dbt, warehouse, models, selection(context, models), context.log.info)
        for result in built.results if not built.error() else ():
            key = models.keys.get(result.unique_id)
            if key is not None:
                yield MaterializeResult(asset_key=key)
        tests = checked(models, built, "all")
        yield from record(context, tests)
        yield from check_outputs(context, [test.asset_check_key for test in tests])
        if built.failed:
            raise Failure(built.error())

    return build_live_models


def exposures(models: Models) -> list[AssetSpec]:
    """dbt's exposures as external assets at the end of the graph, but for those that an asset of ours is."""
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
        if "asset" not in exposure["config"]["meta"]
    ]
