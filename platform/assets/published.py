"""`published/overview`: the statistics as Parquet files, for readers who must not wait for the warehouse.

A file a model and date under PUBLISHED_DIR, each replaced whole, so that a notebook reads while a backfill runs. Comes after
the blocking checks of the statistics: what fails them is not published.
"""

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    BackfillPolicy,
    DailyPartitionsDefinition,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    asset,
)

from ingestion_platform.assets.keys import OVERVIEW_1D, OVERVIEW_1H, OWNERS, PUBLISHED_OVERVIEW, WAREHOUSE_POOL
from ingestion_platform.partitions import window
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.settings import Settings


def published_asset(daily: DailyPartitionsDefinition, policy: BackfillPolicy) -> AssetsDefinition:
    """The asset."""

    @asset(
        key=PUBLISHED_OVERVIEW,
        deps=[OVERVIEW_1H, OVERVIEW_1D],
        partitions_def=daily,
        backfill_policy=policy,
        group_name="published",
        owners=OWNERS,
        kinds={"python", "parquet"},
        pool=WAREHOUSE_POOL,
        description="stats/overview_1h and stats/overview_1d as Parquet, one file a model and date.",
    )
    def overview(
        context: AssetExecutionContext, warehouse: ResourceParam[Warehouse], settings: ResourceParam[Settings]
    ) -> MaterializeResult[None]:
        chosen = window(list(context.partition_keys))
        files = warehouse.publish(settings.published_dir, *chosen)
        return MaterializeResult(
            metadata={"folder": MetadataValue.path(settings.published_dir), "files written by this run": len(files)}
        )

    return overview
