"""Events about single partitions, recorded in one batch: what a step over a range of dates has to say of each.

Dagster gives a step's result one data version, and a check's result one result without a partition, when the run is over a
range. So a step here says which events it wants: materializations with a version each, observations, and check evaluations
with a partition each. They are written as one batch (platform/dagster_internals/event_storage.py) the moment they are recorded, so that they
last even when the step fails afterwards, and are yielded to Dagster as they are.

In an asset's step `recorded(key)` then stands for the result that Dagster waits for, and `check_outputs(...)` for a check's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    AssetRecordsFilter,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    MaterializeResult,
    OpExecutionContext,
    Output,
)
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.events import BATCH_WRITABLE_EVENTS, DagsterEventBatchMetadata, generate_event_batch_id

Context = AssetExecutionContext | AssetCheckExecutionContext | OpExecutionContext
Event = AssetMaterialization | AssetObservation | AssetCheckEvaluation
Target = AssetCheckEvaluationTargetMaterializationData


def record(context: Context, events: Sequence[Event]) -> list[DagsterEvent]:
    """Write `events` to the event log, and return them for the step to yield."""
    # Imported on use: SQLAlchemy is half a second that loading the code location does not need.
    from ingestion_platform.dagster_internals.event_storage import BatchingEventLogStorage

    step = context.get_step_execution_context()
    batch = generate_event_batch_id()
    made = []
    for at, event in enumerate(events):
        kind, message = _kind(event)
        # Other storages refuse a batch of results and say so on stderr before they write them one by one.
        batched = kind in BATCH_WRITABLE_EVENTS or isinstance(
            context.instance.event_log_storage, BatchingEventLogStorage
        )
        metadata = DagsterEventBatchMetadata(batch, at == len(events) - 1) if batched else None
        match event:
            case AssetMaterialization():
                made.append(DagsterEvent.asset_materialization(step, event, metadata))
            case AssetObservation():
                made.append(DagsterEvent.asset_observation(step, event, metadata))
            case AssetCheckEvaluation():
                made.append(DagsterEvent.from_step(kind, step, event, message, metadata))
    return made


def _kind(event: Event) -> tuple[DagsterEventType, str]:
    match event:
        case AssetMaterialization():
            return DagsterEventType.ASSET_MATERIALIZATION, ""
        case AssetObservation():
            return DagsterEventType.ASSET_OBSERVATION, ""
        case AssetCheckEvaluation():
            result = "passed" if event.passed else "did not pass"
            name = f"{event.asset_key.to_user_string()}: {event.check_name}"
            return DagsterEventType.ASSET_CHECK_EVALUATION, f"{name} {result}. {event.description or ''}".rstrip()


def recorded(key: AssetKey) -> MaterializeResult[None]:
    """The result of an asset whose materializations were recorded: Dagster adds none of its own.

    The metadata key is Dagster's, by which its own observable assets say the same; there is no public one. A test holds that
    each date of a run has exactly one materialization.
    """
    return MaterializeResult(asset_key=key, metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True})


def check_outputs(
    context: AssetExecutionContext | AssetCheckExecutionContext, checks: Sequence[AssetCheckKey]
) -> list[Output[None]]:
    """The outputs of checks whose evaluations were recorded: what Dagster itself makes of an AssetCheckResult."""
    layer = context.get_step_execution_context().job_def.asset_layer
    names = [layer.get_op_output_name(key) for key in checks if key in context.selected_asset_check_keys]
    return [Output(None, output_name=name) for name in names if name is not None]


def unplan_checks(context: AssetExecutionContext) -> None:
    """Take back that this run was going to execute the checks it has not executed: call it when the step fails for a reason of its own.

    A check that a failed run had planned shows as "Execution failed" wherever it stands, though nothing is wrong there; taken back, it
    shows its last result. Dagster has no event for it, so the rows go from the table that its SQL storages share.
    """
    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
    from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

    storage = context.instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return
    columns = AssetCheckExecutionsTable.c
    planned = columns.execution_status == AssetCheckExecutionRecordStatus.PLANNED.value
    with storage.index_connection() as connection:
        connection.execute(AssetCheckExecutionsTable.delete().where(columns.run_id == context.run_id).where(planned))


def targets(instance: DagsterInstance, key: AssetKey, days: Sequence[date]) -> Mapping[str, Target]:
    """The newest materialization of each date by partition key: a result counts as long as it is about the newest."""
    storage = instance.event_log_storage
    wanted = {day.isoformat() for day in days}
    newest = storage.get_latest_storage_id_by_partition(key, DagsterEventType.ASSET_MATERIALIZATION, wanted)
    if not newest:
        return {}
    newest_records = storage.fetch_materializations(
        AssetRecordsFilter(asset_key=key, storage_ids=list(newest.values())), limit=len(newest)
    )
    return {
        f"{record.partition_key}": Target(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
        for record in newest_records.records
    }
