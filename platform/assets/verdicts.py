"""A check's verdict on one date, and how verdicts become Dagster's evaluations: one a date, in runs over a range too."""

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

from ingestion_platform.partitions import ONE_DAY, Window, listed, today, window
from ingestion_platform.recording import targets

_RECENT_DAYS = 7


def dates_to_check(context: AssetExecutionContext | AssetCheckExecutionContext) -> Window:
    """The dates of the run; the last week when it has none, as when checks are executed alone from their page."""
    if context.has_partition_key or context.has_partition_key_range:
        return window(list(context.partition_keys))
    return Window(today() - (_RECENT_DAYS - 1) * ONE_DAY, today() + ONE_DAY)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says of one date."""

    day: date
    passed: bool
    description: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def evaluations(
    instance: DagsterInstance,
    spec: AssetCheckSpec,
    verdicts: Sequence[Verdict],
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR,
) -> list[AssetCheckEvaluation]:
    """`verdicts` as events, each about the newest materialization of its date; call it after those were recorded."""
    about = targets(instance, spec.asset_key, [verdict.day for verdict in verdicts])
    return [
        AssetCheckEvaluation(
            asset_key=spec.asset_key,
            check_name=spec.name,
            passed=verdict.passed,
            metadata=verdict.metadata,
            target_materialization_data=about.get(verdict.day.isoformat()),
            severity=severity,
            description=verdict.description,
            blocking=spec.blocking,
            partition=verdict.day.isoformat(),
        )
        for verdict in verdicts
    ]


def refusal(spec: AssetCheckSpec, verdicts: Sequence[Verdict]) -> str | None:
    """One line that names the dates on which a blocking check failed, None when it did not."""
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if not failed or not spec.blocking:
        return None
    return f"{spec.name} failed on {listed(verdict.day for verdict in failed)}: {failed[0].description}"
