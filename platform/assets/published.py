"""`published/overview`: the statistics as Parquet files, for tools that want no database.

A file a model and date under PUBLISHED_DIR, each replaced whole, so that a notebook reads while a backfill runs. Comes after
the blocking checks of the statistics: what fails them is not published. A run that publishes without them (this asset alone, from
its page) makes them here: Dagster holds a step back only for checks of its own run.
"""

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    BackfillPolicy,
    DailyPartitionsDefinition,
    Failure,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    asset,
)

from ingestion_platform.assets.checks import CHECKS_STEP, StatisticsChecks, builds_statistics
from ingestion_platform.assets.keys import OWNERS, PUBLISHED_OVERVIEW, STATISTICS, WAREHOUSE_POOL
from ingestion_platform.partitions import window_of
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.settings import Settings


def published_asset(
    daily: DailyPartitionsDefinition, policy: BackfillPolicy, checks: StatisticsChecks
) -> AssetsDefinition:
    """The asset; what fails `checks` is not published."""

    @asset(
        key=PUBLISHED_OVERVIEW,
        deps=STATISTICS,
        partitions_def=daily,
        backfill_policy=policy,
        group_name="published",
        owners=OWNERS,
        kinds={"python", "parquet"},
        pool=WAREHOUSE_POOL,
        description="overview_1h, overview_1d, revenue_1h and revenue_1d as Parquet, one file a model and date.",
    )
    def overview(
        context: AssetExecutionContext, warehouse: ResourceParam[Warehouse], settings: ResourceParam[Settings]
    ) -> MaterializeResult[None]:
        window = window_of(list(context.partition_keys))
        if not builds_statistics(context) and CHECKS_STEP not in {node.name for node in context.job_def.nodes}:
            audit = checks.audit(warehouse, settings, window)
            if audit.refusals:
                raise Failure(f"{window} is not published: {audit.refusal()}")
        files = warehouse.export(settings.published_dir, *window)
        return MaterializeResult(
            metadata={"folder": MetadataValue.path(settings.published_dir), "files written by this run": len(files)}
        )

    return overview
