"""One build of some models' dates: staged by dbt, looked at by the audit, and published whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from ingestion_platform.assets.checks import Audit
from ingestion_platform.assets.keys import ROW_COUNT
from ingestion_platform.assets.manifest import Models
from ingestion_platform.dates import ONE_DAY, Window, today
from ingestion_platform.resources.dbt_project import DbtProject, Log, NodeResult
from ingestion_platform.resources.warehouse import Reader, Warehouse
from ingestion_platform.versions import input_versions

# What the UI shows beside the rows of a date's hits: how many were left out, and why.
_COUNTED_BESIDE_LOGS = {"duplicates": "duplicates", "quarantined": "quarantine"}


@dataclass(frozen=True)
class Built:
    """What one build did: dbt's results, the rows of each model by date, the versions of what each date was built from, and what the
    audit said. It was published if there is no `error`."""

    results: list[NodeResult]
    rows: Mapping[str, Mapping[date, int]] = field(default_factory=dict)
    inputs: Mapping[date, str] = field(default_factory=dict)
    audit: Audit | None = None
    stale: str = ""

    @property
    def failed(self) -> list[NodeResult]:
        return [result for result in self.results if result.status in ("error", "fail")]

    def error(self) -> str:
        """One line for the first failure, with the number of others; empty when all went well."""
        if not self.failed:
            return self.audit.refusal() if self.audit is not None else ""
        first = self.failed[0]
        reason = " ".join(first.message.split())[:400]
        others = f" (and {len(self.failed) - 1} more)" if len(self.failed) > 1 else ""
        return f"{first.kind} {first.name}: {reason}{others}"

    @property
    def views(self) -> dict[str, str]:
        return {result.relation: result.view for result in self.results if result.view and result.succeeded}

    def metadata(self, result: NodeResult, day: date) -> dict[str, Any]:
        """What the UI shows of one model's date."""
        entries: dict[str, Any] = {"seconds of this model's build": result.seconds}
        if self.stale:
            entries["dates left stale"] = self.stale
        if result.name in self.rows:
            entries[ROW_COUNT] = self.rows[result.name].get(day, 0)
        if result.name == "logs":
            entries |= {label: self.rows[name].get(day, 0) for label, name in _COUNTED_BESIDE_LOGS.items()}
        return entries


def build(
    dbt: DbtProject,
    warehouse: Warehouse,
    models: Models,
    select: Sequence[str],
    window: Window,
    log: Log,
    audit: Callable[[Reader], Audit] | None = None,
) -> Built:
    """Build the nodes of `select` (unique ids) for the dates of `window`, and publish them: all of them, or none where anything failed.

    `audit` looks at what was built before anybody sees it, and may refuse it.
    """
    warehouse.create_tables()
    latest_load_id = warehouse.latest_load_id()
    inputs = input_versions(warehouse, window)
    names = models.names_of(unique_id for unique_id in select if unique_id in models.keys)
    with warehouse.propose({name: models.relations[name] for name in names}, window) as proposal:
        built = Built(
            dbt.build(models.selectors([*models.staging, *select]), window, log, proposal.environment), inputs=inputs
        )
        if built.failed or not names:
            return built
        proposal.add_views(built.views)
        counted = [*names, *(_COUNTED_BESIDE_LOGS.values() if "logs" in names else ())]
        with proposal.reading():
            rows = {name: proposal.row_counts(models.relations[name], *window) for name in counted}
            built = replace(built, rows=rows, audit=audit(proposal) if audit is not None else None)
        if not built.error():
            proposal.publish(names, latest_load_id)
    return built


def left_stale(warehouse: Warehouse, models: Models, first: date, window: Window) -> list[date]:
    """The dates outside of `window` that miss something which the ledger has: hits of these dates that are newly loaded change
    others, too (dates.py), and a run writes only the dates that it was asked for."""
    behind = warehouse.stale_dates(models.names_of(models.partitioned), first, today() + ONE_DAY, first)
    return [day for day in behind if not window.start <= day < window.end]


def build_views(dbt: DbtProject, warehouse: Warehouse, models: Models, select: Sequence[str], log: Log) -> Built:
    """Write the live views of `select` (unique ids) anew, and run their tests. They hold no rows: doing it twice changes nothing."""
    warehouse.create_tables()
    with warehouse.propose({}, None) as proposal:
        built = Built(dbt.build(models.selectors([*models.staging, *select]), None, log, proposal.environment))
        if not built.failed:
            proposal.add_views(built.views)
            proposal.publish([], warehouse.latest_load_id())
    return built
