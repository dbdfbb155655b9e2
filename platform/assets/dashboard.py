"""`published/dashboard`: a page to look at, DATA_DIR/published/dashboard.html, made of what is published and of the ledger.

Nobody has to ask for it: each run that publishes, holds or discards something renews it when it has done so (`renewals`), whichever
job that was. What it depends on is said once, by dbt's exposure `commerce_dashboard`.
"""

from collections.abc import Iterator
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    DagsterEvent,
    MaterializeResult,
    MetadataValue,
    OpExecutionContext,
    ResourceParam,
    asset,
)

from ingestion_platform.assets.keys import DASHBOARD, OWNERS, RAW_LOGS, WAREHOUSE_POOL
from ingestion_platform.assets.manifest import Models
from ingestion_platform.dagster_internals.partition_events import record, recorded
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.settings import Settings
from ingestion_platform.versions import provenance, version_tags

Context = AssetExecutionContext | OpExecutionContext


def dashboard_asset(models: Models) -> AssetsDefinition:
    """The asset: writes the page anew, whether it is behind or not."""

    @asset(
        key=DASHBOARD,
        deps=_parents(models),
        # Not among those that are built by date: a backfill of a group would launch a run for it alone.
        group_name="exposures",
        owners=OWNERS,
        kinds={"python", "html"},
        pool=WAREHOUSE_POOL,
        description="Business, data quality and publications on one page that needs no network: PUBLISHED_DIR/dashboard.html. "
        "Renewed by each run that publishes, holds or discards something.",
    )
    def dashboard(
        context: AssetExecutionContext, warehouse: ResourceParam[Warehouse], settings: ResourceParam[Settings]
    ) -> Iterator[DagsterEvent | MaterializeResult[None]]:
        yield from _renewed(context, warehouse, settings, models, always=True)
        yield recorded(DASHBOARD)

    return dashboard


def renewals(context: Context, warehouse: Warehouse, settings: Settings, models: Models) -> Iterator[DagsterEvent]:
    """Renew the page where it is behind, and record that.

    Rows are public by now and must stay so, whatever a page comes to: a run that cannot write it says so and goes on. The next
    one that publishes, and `make dashboard`, find it behind.
    """
    try:
        events = list(_renewed(context, warehouse, settings, models))
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:400]
        context.log.warning(f"The dashboard stays as it was ({reason}); make dashboard tries again.")
    else:
        yield from events


def _renewed(
    context: Context, warehouse: Warehouse, settings: Settings, models: Models, *, always: bool = False
) -> list[DagsterEvent]:
    # Imported on use: a run that publishes nothing needs none of it.
    from ingestion_platform.dashboard.renewal import renew

    page = renew(warehouse, settings, models.names_of(models.partitioned), always=always)
    if page is None:
        return []
    tags = version_tags(provenance(context.instance, _parents(models)), page.made_of, page.made_of)
    metadata: dict[str, Any] = {
        "page": MetadataValue.path(f"{page.path}"),
        "link": MetadataValue.url(page.path.as_uri()),
        "bytes": page.bytes,
        "seconds": page.seconds,
    }
    return record(context, [AssetMaterialization(DASHBOARD, metadata=metadata, tags=tags)])


def _parents(models: Models) -> list[AssetKey]:
    return [RAW_LOGS, *models.read_by(DASHBOARD)]
