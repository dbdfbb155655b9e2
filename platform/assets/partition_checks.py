"""A check's result on one date, and how results become Dagster's evaluations: one a date, in runs over a range too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    DagsterInstance,
)

from ingestion_platform.dagster_internals.partition_events import targets
from ingestion_platform.dates import ONE_DAY, Window, listed, today
from ingestion_platform.partitions import window_of

_RECENT_DAYS = 7


def dates_to_check(context: AssetExecutionContext | AssetCheckExecutionContext) -> Window:
    """The dates of the run; the last week when it has none, as when checks are executed alone from their page."""
    if context.has_partition_key or context.has_partition_key_range:
        return window_of(list(context.partition_keys))
    return Window(today() - (_RECENT_DAYS - 1) * ONE_DAY, today() + ONE_DAY)


@dataclass(frozen=True, slots=True)
class PartitionCheck:
    """What a check says of one date."""

    day: date
    passed: bool
    description: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def evaluations(
    instance: DagsterInstance | None,
    spec: AssetCheckSpec,
    results: Sequence[PartitionCheck],
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR,
) -> list[AssetCheckEvaluation]:
    """`results` as events, each about the newest materialization of its date; call it after those were recorded. Without an `instance`
    about none: what they looked at was not published."""
    about = targets(instance, spec.asset_key, [result.day for result in results]) if instance is not None else {}
    return [
        AssetCheckEvaluation(
            asset_key=spec.asset_key,
            check_name=spec.name,
            passed=result.passed,
            metadata=result.metadata,
            target_materialization_data=about.get(result.day.isoformat()),
            severity=severity,
            description=result.description,
            blocking=spec.blocking,
            partition=result.day.isoformat(),
        )
        for result in results
    ]


def blocking_failure(spec: AssetCheckSpec, results: Sequence[PartitionCheck]) -> str | None:
    """One line that names the dates on which a blocking check failed, None when it did not."""
    failed = [result for result in results if not result.passed]
    if not failed or not spec.blocking:
        return None
    return f"{spec.name} failed on {listed(result.day for result in failed)}: {failed[0].description}"
