"""`events/user_agents`: one row a distinct user agent string, parsed in Python with ua-parser.

A partition stands for "the user agents of the hits that the models of this date read are parsed"; a string that is known is
not parsed again. Partitioned like its neighbours, so that it runs inside the same backfill run.
"""

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    BackfillPolicy,
    DailyPartitionsDefinition,
    MaterializeResult,
    ResourceParam,
    asset,
)

from ingestion_platform.assets.keys import OWNERS, RAW_LOGS, USER_AGENTS, WAREHOUSE_POOL
from ingestion_platform.partitions import window
from ingestion_platform.resources.warehouse import Warehouse


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
        metadata={"dagster/table_name": "events.user_agents"},
        description="Browser, system, device and bot flag of each distinct user agent string.",
    )
    def user_agents(context: AssetExecutionContext, warehouse: ResourceParam[Warehouse]) -> MaterializeResult[None]:
        chosen = window(list(context.partition_keys))
        warehouse.create_tables()
        return MaterializeResult(metadata=dict(warehouse.parse_user_agents(*chosen)))

    return user_agents
