"""`events/user_agents`: one row a distinct user agent string, parsed in Python with ua-parser.

A partition stands for "the user agents of the hits that the models of this date read are parsed"; a string that is known is
not parsed again. Partitioned like its neighbours, so that it runs inside the same backfill run.
"""

from collections.abc import Iterator

from dagster import (
    AssetExecutionContext,
    AssetMaterialization,
    AssetsDefinition,
    BackfillPolicy,
    DagsterEvent,
    DailyPartitionsDefinition,
    MaterializeResult,
    ResourceParam,
    asset,
)

from ingestion_platform.assets.keys import OWNERS, RAW_LOGS, USER_AGENTS, WAREHOUSE_POOL
from ingestion_platform.dagster_internals.partition_events import Context, record, recorded
from ingestion_platform.dates import Window
from ingestion_platform.partitions import window_of
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.user_agents import PARSER_VERSION
from ingestion_platform.versions import digest, input_versions, provenance, version_tags


def parse(context: Context, warehouse: Warehouse, window: Window) -> list[DagsterEvent]:
    """Parse what the dates of `window` need, and record it of each."""
    versions = input_versions(warehouse, window)
    counts = warehouse.parse_user_agents(*window)
    inputs = provenance(context.instance, [RAW_LOGS])
    return record(
        context,
        [
            AssetMaterialization(
                USER_AGENTS,
                partition=day.isoformat(),
                metadata=dict(counts),
                tags=version_tags(inputs, PARSER_VERSION, digest(PARSER_VERSION, versions[day])),
            )
            for day in window.days
        ],
    )


def user_agents_asset(daily: DailyPartitionsDefinition, policy: BackfillPolicy) -> AssetsDefinition:
    """The asset."""

    @asset(
        key=USER_AGENTS,
        deps=[RAW_LOGS],
        partitions_def=daily,
        backfill_policy=policy,
        group_name="events",
        owners=OWNERS,
        kinds={"python", "table"},
        pool=WAREHOUSE_POOL,
        code_version=PARSER_VERSION,
        metadata={"dagster/table_name": "events.user_agents"},
        description="Browser, system, device and bot flag of each distinct user agent string.",
    )
    def user_agents(
        context: AssetExecutionContext, warehouse: ResourceParam[Warehouse]
    ) -> Iterator[MaterializeResult[None] | DagsterEvent]:
        warehouse.create_tables()
        yield from parse(context, warehouse, window_of(list(context.partition_keys)))
        yield recorded(USER_AGENTS)

    return user_agents
