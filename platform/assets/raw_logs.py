"""`raw/logs`: the archive's objects as rows of RAW.LOGS, each object once.

A partition is a date of arrival. Materializing dates makes the table hold exactly the archive's objects of those dates. The
dates around them that the models of the same run read are loaded as well (`dates.load_window`), so that backfills may come
in any order and chunking; such a date is recorded as a materialization of its own. Each date has the version of its own objects,
and what the archive holds is observed on the way, so that an object that comes later makes its date show as stale.

An object that cannot be read costs nothing but itself: the others are loaded, and the blocking check `objects_readable` fails on its
date, with the object's name. An object that is gone stops its date, and so does an archive that is missing or another's: every row
stays, and `objects_readable` says so (platform/resources/guard.py).
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from dagster import (
    AssetCheckSpec,
    AssetExecutionContext,
    AssetMaterialization,
    AssetsDefinition,
    BackfillPolicy,
    Config,
    DagsterEvent,
    DailyPartitionsDefinition,
    Failure,
    MaterializeResult,
    OpExecutionContext,
    Output,
    ResourceParam,
    asset,
)
from pydantic import Field

from ingestion_platform.assets.archive_events import changed_versions, observations
from ingestion_platform.assets.keys import ARCHIVE_EVENTS, OWNERS, RAW_LOGS, ROW_COUNT, WAREHOUSE_POOL
from ingestion_platform.assets.partition_checks import PartitionCheck, blocking_failure, evaluations
from ingestion_platform.assets.raw_columns import COLUMNS
from ingestion_platform.dagster_internals.partition_events import check_outputs, record, recorded, unplan_checks
from ingestion_platform.dates import ONE_DAY, PartitionError, Window, frozen_before, load_window, refuse_frozen, today
from ingestion_platform.measures import LOAD_TAG, Measure
from ingestion_platform.partitions import window_of
from ingestion_platform.resources.archive import Archive, ArchiveError
from ingestion_platform.resources.proposals import WarehouseError
from ingestion_platform.resources.warehouse import DayLoad, Warehouse
from ingestion_platform.settings import Settings
from ingestion_platform.versions import provenance, version_tags

_PUT_BACK = (
    "Put a whole copy in its place and materialize its date again; to do without it, take it out of the archive and name it in "
    "remove_objects."
)


class RawLogsConfig(Config):
    """What a launch may ask for."""

    full_reload: bool = Field(
        default=False,
        description="Delete the rows of the chosen dates and load their objects again, in one transaction.",
    )
    remove_objects: list[str] = Field(
        default=[],
        description="Keys of objects that are gone from the archive on purpose: their rows are removed. An object that is gone and not "
        "named here stops the load of its date, and every row stays.",
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


def objects_readable(loads: Sequence[DayLoad]) -> list[PartitionCheck]:
    """The check `objects_readable` of loaded dates."""
    return [
        PartitionCheck(
            load.arrival_date,
            not load.errors,
            load.errors[0] if load.errors else "Every object was read to its end.",
            {
                "unreadable objects": len(load.errors),
                **({"what to do": _PUT_BACK, "all of them": load.errors[:100]} if load.errors else {}),
            },
        )
        for load in loads
    ]


def objects_readable_spec(daily: DailyPartitionsDefinition | None = None) -> AssetCheckSpec:
    """The check's spec."""
    return AssetCheckSpec(
        "objects_readable",
        asset=RAW_LOGS,
        blocking=True,
        description="No object of the date is corrupt, cut short or gone, and the archive is the one that was loaded before.",
        partitions_def=daily,
    )


def record_loads(
    context: AssetExecutionContext | OpExecutionContext, warehouse: Warehouse, loads: Sequence[DayLoad]
) -> list[DagsterEvent]:
    """Record `loads`: a materialization a date that was loaded whole, with the version of what the table holds, and `objects_readable`'s results."""
    if not loads:
        return []
    held = warehouse.loaded_versions(loads[0].arrival_date, loads[-1].arrival_date + ONE_DAY)
    inputs = provenance(context.instance, [ARCHIVE_EVENTS])
    materialized = record(
        context,
        [
            AssetMaterialization(
                RAW_LOGS,
                partition=load.arrival_date.isoformat(),
                metadata=load_metadata(load),
                tags=version_tags(inputs, context.run_id, held[load.arrival_date]),
            )
            for load in loads
            # A date that was not loaded whole is not materialized: it shows as failed, and as stale.
            if not load.errors
        ],
    )
    checked = record(context, evaluations(context.instance, objects_readable_spec(), objects_readable(loads)))
    return [*materialized, *checked]


def raw_logs_asset(daily: DailyPartitionsDefinition, policy: BackfillPolicy, start: date) -> AssetsDefinition:
    """The asset; `start` is the first date that is a partition."""

    @asset(
        key=RAW_LOGS,
        deps=[ARCHIVE_EVENTS],
        partitions_def=daily,
        backfill_policy=policy,
        group_name="raw",
        owners=OWNERS,
        kinds={"python", "table"},
        pool=WAREHOUSE_POOL,
        check_specs=[objects_readable_spec(daily)],
        metadata={"dagster/column_schema": COLUMNS, "dagster/table_name": "raw.logs"},
        description="One row a line of the archive, by date of arrival; loaded by object, each once (RAW.LOAD_HISTORY).",
    )
    def raw_logs(
        context: AssetExecutionContext,
        config: RawLogsConfig,
        archive: ResourceParam[Archive],
        warehouse: ResourceParam[Warehouse],
        settings: ResourceParam[Settings],
    ) -> Iterator[MaterializeResult[None] | DagsterEvent | Output[None]]:
        window = window_of(list(context.partition_keys))
        with in_one_line():
            refuse_frozen(window, settings.archive_retention_days)
        # Partitions only, as the refresh loads: what lies before the first or after today changes no row, whoever is launched.
        margins = load_window(window)
        around = Window(max(margins[0], start), min(margins[1], today() + ONE_DAY))
        # Seen before it is loaded: what arrives in between is then newer than this load, and shows as such.
        with in_one_line():
            changed = changed_versions(context.instance, archive, *around)
            began = time.monotonic()
            loads = warehouse.load(
                archive,
                *around,
                full_reload=window if config.full_reload else None,
                remove=config.remove_objects,
                frozen_before=frozen_before(settings.archive_retention_days),
            )
            measured = Measure(sum(load.bytes_loaded for load in loads), round(time.monotonic() - began, 2))
        context.instance.add_run_tags(context.run_id, {LOAD_TAG: measured.tag()})
        yield from record(context, observations(changed))
        context.log.info("%s", summary(loads))
        yield from record_loads(
            context,
            warehouse,
            [
                load
                for load in loads
                if window.start <= load.arrival_date < window.end
                or load.objects_loaded
                or load.objects_removed
                or load.errors
            ],
        )
        yield recorded(RAW_LOGS)
        yield from check_outputs(context, [objects_readable_spec().key])
        refused = blocking_failure(objects_readable_spec(), objects_readable(loads))
        if refused is not None:
            unplan_checks(context)
            raise Failure(refused)

    return raw_logs


@contextmanager
def in_one_line() -> Iterator[None]:
    """What the archive or the warehouse says for users to read fails the step as that line, without the way it came."""
    try:
        yield
    except (ArchiveError, PartitionError, WarehouseError) as error:
        raise Failure(f"{error}") from None


def summary(loads: Sequence[DayLoad]) -> str:
    """What a load did, in a sentence."""
    objects = sum(load.objects_loaded for load in loads)
    rows = sum(load.rows_loaded for load in loads)
    removed = sum(load.objects_removed for load in loads)
    gone = f", rows of {removed} objects removed" if removed else ""
    return f"{objects} objects loaded, {rows} rows{gone}"
