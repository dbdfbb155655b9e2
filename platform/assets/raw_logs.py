"""`raw/logs`: the archive's objects as rows of RAW.LOGS, each object once.

A partition is a date of arrival. Materializing dates makes the table hold exactly the archive's objects of those dates. The
dates around them that the models of the same run read are loaded as well (`windows.load_window`), so that backfills may come
in any order and chunking; such a date is recorded as a materialization of its own.

An object that cannot be read costs nothing but itself: the others are loaded, and the blocking check `readable` fails with
the object's name.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetMaterialization,
    AssetsDefinition,
    BackfillPolicy,
    Config,
    DailyPartitionsDefinition,
    DataVersion,
    MaterializeResult,
    ResourceParam,
    TableColumn,
    TableSchema,
    asset,
)
from pydantic import Field

from ingestion_platform.assets.keys import ARCHIVE_EVENTS, OWNERS, RAW_LOGS, ROW_COUNT, WAREHOUSE_POOL
from ingestion_platform.partitions import Window, today, window
from ingestion_platform.resources.archive import Archive, data_version
from ingestion_platform.resources.warehouse import DayLoad, Warehouse
from ingestion_platform.windows import load_window

COLUMNS = TableSchema(
    columns=[
        TableColumn("log_id", "varchar", "uuid5 of <file name>:<row>; the same on every warehouse"),
        TableColumn("event_id", "varchar", "minted by the collector; the key of duplicate deliveries"),
        TableColumn("event_at", "timestamp", "request_timestamp less the queue time `qt` (0 to 4 h), UTC"),
        TableColumn("arrival_date", "date", "date in the object's key, UTC: the partition"),
        TableColumn("request_timestamp", "timestamp", "when the collector received the hit, UTC"),
        TableColumn("client_id", "varchar"),
        TableColumn("log_filename", "varchar", "the archive object's key"),
        TableColumn("log_file_row_number", "bigint", "line in the object, from 1"),
    ]
)


_PUT_BACK = "Put a whole copy in its place, or take it out of the archive, and materialize its date again."


class RawLogsConfig(Config):
    """What a launch may ask for."""

    full_reload: bool = Field(
        default=False,
        description="Delete the rows of the chosen dates and load their objects again, in one transaction.",
    )


def load_metadata(load: DayLoad) -> dict[str, Any]:
    """What the UI shows of one arrival date."""
    return {
        ROW_COUNT: load.rows,
        "rows loaded by this run": load.rows_loaded,
        "objects": load.objects,
        "objects loaded by this run": load.objects_loaded,
        "objects removed by this run": load.objects_removed,
        "compressed bytes": load.bytes,
        "bad lines": load.bad_lines,
    }


def readable(loads: Sequence[DayLoad]) -> AssetCheckResult:
    """The check `readable` over some loaded dates."""
    errors = [error for load in loads for error in load.errors]
    return AssetCheckResult(
        asset_key=RAW_LOGS,
        check_name="readable",
        passed=not errors,
        metadata={
            "unreadable objects": len(errors),
            **({"what to do": _PUT_BACK, "all of them": errors[:100]} if errors else {}),
        },
        description=errors[0] if errors else "Every object was read to its end.",
    )


def raw_logs_asset(daily: DailyPartitionsDefinition, policy: BackfillPolicy) -> AssetsDefinition:
    """The asset."""

    @asset(
        key=RAW_LOGS,
        deps=[ARCHIVE_EVENTS],
        partitions_def=daily,
        backfill_policy=policy,
        group_name="raw",
        owners=OWNERS,
        kinds={"python", "table"},
        pool=WAREHOUSE_POOL,
        check_specs=[
            AssetCheckSpec(
                "readable", asset=RAW_LOGS, blocking=True, description="No object of the dates is corrupt or cut short."
            )
        ],
        metadata={"dagster/column_schema": COLUMNS, "dagster/table_name": "raw.logs"},
        description="One row a line of the archive, by date of arrival; loaded by object, each once (RAW.LOAD_HISTORY).",
    )
    def raw_logs(
        context: AssetExecutionContext,
        config: RawLogsConfig,
        archive: ResourceParam[Archive],
        warehouse: ResourceParam[Warehouse],
    ) -> Iterator[MaterializeResult[None] | AssetCheckResult]:
        chosen = window(list(context.partition_keys))
        around = Window(*load_window(*chosen))
        loads = warehouse.load(archive, around.start, around.end, full_reload=chosen if config.full_reload else None)
        for load in loads:
            key = load.arrival_date.isoformat()
            if chosen.start <= load.arrival_date < chosen.end:
                context.add_asset_metadata(load_metadata(load), partition_key=key)
            elif load.objects_loaded and daily.has_partition_key(key) and load.arrival_date <= today():
                context.log_event(AssetMaterialization(RAW_LOGS, partition=key, metadata=load_metadata(load)))
        context.log.info("%s", summary(loads))
        yield MaterializeResult(asset_key=RAW_LOGS, data_version=DataVersion(data_version(archive.objects(*chosen))))
        yield readable(loads)

    return raw_logs


def summary(loads: Sequence[DayLoad]) -> str:
    """What a load did, in a sentence."""
    objects = sum(load.objects_loaded for load in loads)
    rows = sum(load.rows_loaded for load in loads)
    removed = sum(load.objects_removed for load in loads)
    gone = f", rows of {removed} objects removed" if removed else ""
    return f"{objects} objects loaded, {rows} rows{gone}"
