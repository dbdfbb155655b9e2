"""The check `changes` of each model: whether the last run over a date left its rows as they were, and if not, what became of that.

It is recorded with what a run builds, by date: a warning where something is held for a person or was refused, with what differs.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    DagsterEvent,
    DagsterInstance,
    DailyPartitionsDefinition,
    MetadataValue,
    OpExecutionContext,
    Output,
    ResourceParam,
    TableRecord,
    multi_asset_check,
)

from ingestion_platform.assets.builds import Built
from ingestion_platform.assets.comparison import Comparison
from ingestion_platform.assets.manifest import Models
from ingestion_platform.assets.partition_checks import PartitionCheck, dates_to_check, evaluations
from ingestion_platform.changes import Cell, Change, Decision
from ingestion_platform.dagster_internals.partition_events import check_outputs, record
from ingestion_platform.resources.warehouse import Warehouse

CHECK = "changes"

STEP = "changes_since_published"

HELD_TAG = "clickstream/held_audit"
"""A run's tag: the audit in which it holds something, the newest of them."""

_DESCRIPTION = (
    "What the last run over a date would change, or changed, of what was published before; a warning where it is held."
)


def change_specs(models: Models, daily: DailyPartitionsDefinition | None) -> dict[AssetKey, AssetCheckSpec]:
    """The check of each partitioned model, by the model's key."""
    return {
        key: AssetCheckSpec(CHECK, asset=key, description=_DESCRIPTION, partitions_def=daily)
        for key in models.keys_of(models.partitioned)
    }


def record_changes(
    context: AssetExecutionContext | OpExecutionContext, models: Models, built: Built, page: Path | None = None
) -> list[DagsterEvent]:
    """Record the result of each model and date that a run built, and name what it holds where alerts and commands look. `page` is what
    there is to look at of it."""
    if built.comparison is not None and built.comparison.audit_id:
        context.instance.add_run_tags(context.run_id, {HELD_TAG: built.comparison.audit_id})
    return record(context, change_evaluations(context.instance, models, built, page))


def change_evaluations(
    instance: DagsterInstance, models: Models, built: Built, page: Path | None = None
) -> list[AssetCheckEvaluation]:
    """The result of each model and date that a run built; none where it did not come as far as comparing."""
    comparison = built.comparison
    if comparison is None:
        return []
    specs, keys = change_specs(models, None), models.keys_by_name
    by_key: dict[AssetKey, list[PartitionCheck]] = {}
    for change in comparison.changes:
        by_key.setdefault(keys[change.cell.model], []).append(_result(comparison, change, page))
    return [
        event
        for key, results in by_key.items()
        for event in evaluations(instance, specs[key], results, AssetCheckSeverity.WARN)
    ]


def evaluations_of(
    instance: DagsterInstance, models: Models, cells: Iterable[Cell], said: str
) -> list[AssetCheckEvaluation]:
    """That nothing waits any more of these cells, and why."""
    specs, keys = change_specs(models, None), models.keys_by_name
    by_key: dict[AssetKey, list[PartitionCheck]] = {}
    for cell in cells:
        by_key.setdefault(keys[cell.model], []).append(PartitionCheck(cell.day, True, said))
    return [
        event
        for key, results in by_key.items()
        for event in evaluations(instance, specs[key], results, AssetCheckSeverity.WARN)
    ]


def _result(comparison: Comparison, change: Change, page: Path | None) -> PartitionCheck:
    difference = comparison.differences.get(change.cell)
    said = f"{change.reason}: {difference.in_words()}" if difference is not None else f"{change.reason}"
    columns = f" in {', '.join(change.columns)}" if change.columns else ""
    metadata: dict[str, Any] = {"reason": f"{change.reason}"}
    if change.columns:
        metadata["columns"] = ", ".join(change.columns)
    if difference is not None and difference.figures:
        metadata["figures"] = MetadataValue.table(
            [TableRecord(dict(figure._asdict())) for figure in difference.figures]
        )
    held = change.cell.day in comparison.held
    match change.decision:
        case Decision.UNCHANGED:
            description = f"Nothing changed ({change.reason})"
        case Decision.PUBLISH if not held:
            description = f"Published ({said}{columns})"
        case Decision.DEFECT:
            description = f"Refused ({said}{columns})"
        case _:
            description = f"Held ({said}{columns})"
    if held:
        metadata["audit"] = comparison.audit_id
        if page is not None:
            metadata["page"] = MetadataValue.path(f"{page}")
    waits = held and change.is_difference
    if waits:
        description += (
            f"; the date waits: make publish AUDIT={comparison.audit_id}, or make discard AUDIT={comparison.audit_id}"
        )
    return PartitionCheck(change.cell.day, not waits, description, metadata)


def change_checks(models: Models, daily: DailyPartitionsDefinition) -> AssetChecksDefinition:
    """The checks as one step. A run that builds models has recorded them by then; alone it says what is held."""
    specs = change_specs(models, daily)

    @multi_asset_check(name=STEP, specs=list(specs.values()), can_subset=True)
    def check(
        context: AssetCheckExecutionContext, warehouse: ResourceParam[Warehouse]
    ) -> Iterator[DagsterEvent | Output[None]]:
        yield from check_outputs(context, [spec.key for spec in specs.values()])
        built = context.job_def.asset_layer.executable_asset_keys
        selected = {key: spec for key, spec in specs.items() if spec.key in context.selected_asset_check_keys}
        alone = {key: spec for key, spec in selected.items() if key not in built}
        if not alone:
            return
        window = dates_to_check(context)
        waiting = _waiting(warehouse)
        names = {key: name for name, key in models.keys_by_name.items()}
        for key, spec in alone.items():
            results = [
                PartitionCheck(
                    day, (names[key], day) not in waiting, waiting.get((names[key], day), "Nothing is held.")
                )
                for day in window.days
            ]
            yield from record(context, evaluations(context.instance, spec, results, AssetCheckSeverity.WARN))

    return check


def _waiting(warehouse: Warehouse) -> Mapping[tuple[str, Any], str]:
    """By model and date what is held of it."""
    return {
        (change.cell.model, change.cell.day): f"Held as audit {audit.audit_id} ({change.reason})"
        for audit in warehouse.waiting()
        for change in audit.changes
        if change.is_difference and change.cell.day in audit.dates()
    }
