"""One build of some models' dates: staged by dbt, looked at by the checks, compared with what is published, and published, held or refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from statistics import median
from typing import Any

from ingestion_platform.assets.checks import Audit
from ingestion_platform.assets.comparison import Comparison, compare_rows
from ingestion_platform.assets.figures import Figures, business_figures
from ingestion_platform.assets.keys import OVERVIEW_1D, ROW_COUNT
from ingestion_platform.assets.manifest import Models
from ingestion_platform.changes import Cell, Rules, Version, compare, overtaken, versions
from ingestion_platform.dates import ONE_DAY, Window, today
from ingestion_platform.measures import Measure
from ingestion_platform.resources.dbt_project import DbtProject, Log, NodeResult
from ingestion_platform.resources.proposals import Moved, Proposal, Reader
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.settings import Settings
from ingestion_platform.versions import input_versions

# Runs over the same dates may publish one after the other while this one compares.
_COMPARISONS = 5

# What the UI shows beside a date's hits: how many were left out, and why.
_LEFT_OUT = {"duplicates": "duplicates", "quarantined": "quarantine"}
_WITH_LEFT_OUT = ("logs", OVERVIEW_1D.path[-1])


@dataclass(frozen=True)
class Built:
    """What one build did: dbt's results, the rows of each model by date, what each date came to, the versions of what it was built from, what the
    checks said, and how it differs from what was published. If there is no `error`, it was published, but for the `held` dates."""

    results: list[NodeResult]
    rows: Mapping[str, Mapping[date, int]] = field(default_factory=dict)
    figures: Figures = field(default_factory=dict)
    inputs: Mapping[date, str] = field(default_factory=dict)
    audit: Audit | None = None
    comparison: Comparison | None = None
    publication: int | None = None
    stale: str = ""
    seconds: float = 0.0

    def measure(self) -> Measure:
        """What the build took, for plans."""
        hits = sum(self.rows.get("logs", {}).values())
        # Each statement has its price, however few rows there are: that of a test, most of which read next to nothing.
        price = median([result.seconds for result in self.results if result.kind == "test"] or [0.0])
        by_size = sum(max(0.0, result.seconds - price) for result in self.results)
        return Measure(hits, round(self.seconds, 2), round(self.seconds - by_size, 2))

    @property
    def failed(self) -> list[NodeResult]:
        return [result for result in self.results if result.status in ("error", "fail")]

    def error(self) -> str:
        """One line for the first failure, with the number of others; empty when all went well."""
        if not self.failed:
            refused = self.audit.refusal() if self.audit is not None else ""
            return refused or (self.comparison.defect() if self.comparison is not None else "")
        first = self.failed[0]
        reason = " ".join(first.message.split())[:400]
        others = f" (and {len(self.failed) - 1} more)" if len(self.failed) > 1 else ""
        return f"{first.kind} {first.name}: {reason}{others}"

    @property
    def held(self) -> list[date]:
        """The dates that wait for a person."""
        return self.comparison.held if self.comparison is not None else []

    def held_versions(self, model: str) -> dict[date, Version]:
        """The published versions of a model's dates that are held."""
        changes = self.comparison.changes if self.comparison is not None else ()
        return {
            change.cell.day: change.before
            for change in changes
            if change.cell.model == model and change.before is not None and change.cell.day in self.held
        }

    @property
    def views(self) -> dict[str, str]:
        return {result.relation: result.view for result in self.results if result.view and result.succeeded}

    def metadata(self, result: NodeResult, day: date) -> dict[str, Any]:
        """What the UI shows of one model's date."""
        entries: dict[str, Any] = {"seconds of this model's build": result.seconds}
        if self.stale:
            entries["dates left stale"] = self.stale
        if self.comparison is not None and day in self.held:
            held = self.held_versions(result.name).get(day)
            rows = {ROW_COUNT: held.fingerprint.rows} if held is not None and held.fingerprint.rows else {}
            return {"held": f"by audit {self.comparison.audit_id}: what was published stays as it was", **rows}
        if result.name in self.rows:
            entries[ROW_COUNT] = self.rows[result.name].get(day, 0)
        if result.name == OVERVIEW_1D.path[-1]:
            entries |= self.figures.get(day, {})
        if result.name in _WITH_LEFT_OUT:
            entries |= {label: self.rows[name].get(day, 0) for label, name in _LEFT_OUT.items()}
        return entries


def build(
    dbt: DbtProject,
    warehouse: Warehouse,
    models: Models,
    select: Sequence[str],
    window: Window,
    log: Log,
    settings: Settings,
    audit: Callable[[Reader], Audit] | None = None,
) -> Built:
    """Build the nodes of `select` (unique ids) for the dates of `window`, and publish them, but for the dates that are held for a person:
    all of it at once, or none where anything failed.

    `audit` looks at what was built before anybody sees it, and may refuse it.
    """
    began = time.monotonic()
    warehouse.create_tables()
    latest_load_id = warehouse.latest_load_id()
    inputs = input_versions(warehouse, window, settings.partitions_start)
    names = models.names_of(unique_id for unique_id in select if unique_id in models.keys)
    with warehouse.propose({name: models.relations[name] for name in names}, window) as proposal:
        built = Built(
            dbt.build(models.selectors(models.with_staging(select)), window, log, proposal.environment), inputs=inputs
        )
        if built.failed or not names:
            return built
        proposal.add_views(built.views)
        counted = {*names, *(_LEFT_OUT.values() if {*_WITH_LEFT_OUT} & {*names} else ())}
        with proposal.reading():
            rows = {name: proposal.row_counts(models.relations[name], *window) for name in counted}
            built = replace(built, rows=rows, audit=audit(proposal) if audit is not None else None)
            if OVERVIEW_1D.path[-1] in names:
                built = replace(built, figures=business_figures(proposal, window))
        if built.error():
            return built
        staged = versions(proposal.fingerprints(), models.codes(names), inputs, latest_load_id)
        rules = Rules(models.expected_changes, warehouse.approvals(), settings.hold_changed_code)
        built = _decided(proposal, models, built, staged, rules, log)
    return replace(built, seconds=time.monotonic() - began)


def _decided(
    proposal: Proposal, models: Models, built: Built, staged: Mapping[Cell, Version], rules: Rules, log: Log
) -> Built:
    """Publish and hold, by how what is staged compares with what is published now."""
    for _ in range(_COMPARISONS):
        changes = compare(staged, proposal.published(models.unique_keys), rules)
        if newer := overtaken(changes):
            # They have hits that this run lacks, which would be gone until the next.
            raise Moved(newer)
        comparison = compare_rows(proposal, models, changes)
        held = {*comparison.held}
        try:
            # What is held keeps its files; what is published first has them where they are.
            number = proposal.publish([change for change in comparison.changes if change.cell.day not in held])
        except Moved as moved:
            # Another run was faster: what it published is what this one is compared with.
            refusal = moved
            continue
        if held:
            waiting = [change for change in comparison.changes if change.cell.day in held]
            comparison = replace(comparison, audit_id=proposal.hold(waiting))
        for line in comparison.in_words():
            log(line)
        return replace(built, comparison=comparison, publication=number)
    raise refusal


def left_stale(warehouse: Warehouse, models: Models, first: date, window: Window) -> list[date]:
    """The dates outside of `window` that miss something which the ledger has: hits of these dates that are newly loaded change
    others, too (dates.py), and a run writes only the dates that it was asked for."""
    behind = warehouse.stale_dates(models.names_of(models.partitioned), first, today() + ONE_DAY, first)
    return [day for day in behind if not window.start <= day < window.end]


def lacking_columns(warehouse: Warehouse, models: Models) -> str:
    """Which columns of their models the published tables lack, in a line: live views cannot read them before a date with them is published."""
    warehouse.create_tables()
    held = {
        (relation, column)
        for relation, column in warehouse.query(
            "select lower(table_schema) || '.' || lower(table_name), lower(column_name) from information_schema.columns"
        )
    }
    lacking = {
        relation: missing
        for name, relation in models.relations.items()
        if name in models.unique_keys
        and (missing := [column for column in models.column_types(name) if (relation, column) not in held])
    }
    return "; ".join(f"{relation} has no {', '.join(columns)} yet" for relation, columns in lacking.items())


def build_views(dbt: DbtProject, warehouse: Warehouse, models: Models, select: Sequence[str], log: Log) -> Built:
    """Write the live views of `select` (unique ids) anew, and run their tests. They hold no rows: doing it twice changes nothing."""
    warehouse.create_tables()
    with warehouse.propose({}, None) as proposal:
        built = Built(dbt.build(models.selectors(models.with_staging(select)), None, log, proposal.environment))
        if not built.failed:
            proposal.add_views(built.views)
            proposal.publish([])
    return built
