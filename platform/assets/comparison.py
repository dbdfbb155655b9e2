"""How what a run staged differs from what is published: which models, dates and columns, with figures before and after, and rows.

Which columns changed is told by fingerprints (platform/changes.py). Of those cells only, rows are read: sums of what changed, and where
new code changed it or nothing should have, the rows themselves, found by the model's key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from ingestion_platform.assets.manifest import Models
from ingestion_platform.changes import Cell, Change, Decision, Reason, defects, held_dates, in_words
from ingestion_platform.dates import listed
from ingestion_platform.resources.proposals import Proposal

_EXAMPLES = 12
"""Rows that are shown of one model, of those that were altered, came or went."""

_NUMBERS = ("bigint", "integer", "int", "smallint", "decimal", "numeric", "number", "double", "hugeint")


class Figure(NamedTuple):
    """One sum or count of a cell, as text: exact decimals stay exact."""

    name: str
    before: str
    after: str


class Example(NamedTuple):
    """One row: by column what it had and has; None of a row that came or went."""

    day: date
    key: str
    kind: str
    values: Mapping[str, tuple[str | None, str | None]]


@dataclass(frozen=True)
class Difference:
    """One cell's rows before and after; `added`, `removed` and `altered` only where rows were looked at one by one."""

    rows_before: int
    rows_after: int
    figures: tuple[Figure, ...] = ()
    added: int | None = None
    removed: int | None = None
    altered: int | None = None

    def in_words(self) -> str:
        if self.added is None:
            return f"{self.rows_before:,} rows before, {self.rows_after:,} after"
        return f"{self.added:,} rows added, {self.removed:,} removed, {self.altered:,} altered"


@dataclass(frozen=True)
class Comparison:
    """All changes of a run, the differences by cell, and examples by model; `audit_id` where something is held."""

    changes: list[Change]
    differences: Mapping[Cell, Difference] = field(default_factory=dict)
    examples: Mapping[str, list[Example]] = field(default_factory=dict)
    audit_id: str = ""

    @property
    def held(self) -> list[date]:
        return held_dates(self.changes)

    def defect(self) -> str:
        """One line for what differs though nothing that it is made from does; empty when nothing does."""
        broken = defects(self.changes)
        if not broken:
            return ""
        first = broken[0]
        others = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        return (
            f"{first.cell.model} of {first.cell.day} came out otherwise than before, from the same code and the same objects: "
            f"{', '.join(first.columns[:6])}{others}; held as audit {self.audit_id}. If a model was edited meanwhile: make setup, reload "
            "the definitions, and run again"
        )

    def in_words(self) -> list[str]:
        """Lines for a run's log and the terminal."""
        lines = in_words(self.changes)
        if self.audit_id:
            lines.append(
                f"Audit {self.audit_id} waits for you on {listed(self.held)}: make publish AUDIT={self.audit_id}, or make discard "
                f"AUDIT={self.audit_id}"
            )
        return lines


def compare_rows(proposal: Proposal, models: Models, changes: list[Change]) -> Comparison:
    """`changes` with what their rows say. Reads nothing where nothing differs from what is published."""
    by_model: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        if change.columns and change.before is not None and change.cell.model in models.unique_keys:
            by_model[change.cell.model].append(change)
    differences: dict[Cell, Difference] = {}
    examples: dict[str, list[Example]] = {}
    if by_model:
        with proposal.reading():
            for model, of_model in by_model.items():
                rows = _Rows(proposal, models, model, of_model)
                differences |= rows.differences()
                if found := rows.examples():
                    examples[model] = found
    return Comparison(changes, differences, examples)


class _Rows:
    """The rows of one model on the dates where it differs, as they are staged and as they are published."""

    def __init__(self, proposal: Proposal, models: Models, model: str, changes: Sequence[Change]) -> None:
        self._proposal = proposal
        self._model = model
        self._changes = changes
        self._staged = models.relations[model]
        self._published = proposal.published_relation(self._staged)
        self._key = models.unique_keys[model]
        self._types = models.column_types(model)

    def differences(self) -> dict[Cell, Difference]:
        changes = {change.cell.day: change for change in self._changes}
        names = self._columns(self._changes)
        expressions = {self._title(name): self._figure(name) for name in names if name not in self._key}
        before, after = (self._sums(source, expressions.values()) for source in (self._published, self._staged))
        rows = self._row_counts([change for change in self._changes if _looked_at(change)])
        none = [0, *("0" for _ in expressions)]
        found = {}
        for day, change in changes.items():
            (rows_before, *was), (rows_after, *now) = before.get(day, none), after.get(day, none)
            figures = tuple(
                Figure(title, f"{a or 0}", f"{b or 0}")
                for title, a, b in zip(expressions, was, now, strict=True)
                if a != b
            )
            found[change.cell] = Difference(rows_before, rows_after, figures, *rows.get(day, (None, None, None)))
        return found

    def examples(self) -> list[Example]:
        """A few rows, by date and key: of each date some, and of what was altered, came and went."""
        changes = [change for change in self._changes if _looked_at(change)]
        names = [name for name in self._columns(changes) if name not in self._key]
        if not changes:
            return []
        key = " || ' / ' || ".join(f"cast(coalesce(s.{name}, p.{name}) as varchar)" for name in self._key)
        values = "".join(
            f", cast(p.{name} as varchar) as p{n}, cast(s.{name} as varchar) as s{n}" for n, name in enumerate(names)
        )
        both = "".join(f", p{n}, s{n}" for n in range(len(names)))
        rows = self._proposal.query(
            f"select event_date, row_key, gone, came{both} from ("
            "select *, row_number() over (partition by event_date, gone, came order by row_key) as nth from ("
            f"select coalesce(s.event_date, p.event_date) as event_date, {key} as row_key, s.event_date is null as gone, "
            f"p.event_date is null as came{values} from {self._joined(changes)} where {self._differs(names)}"
            f") as differing) as numbered order by nth, event_date, row_key limit {_EXAMPLES}"
        )
        return [
            Example(
                day,
                identity,
                "removed" if gone else "added" if came else "altered",
                {
                    name: pair
                    for name, pair in zip(names, zip(texts[::2], texts[1::2], strict=True), strict=True)
                    if pair[0] != pair[1]
                },
            )
            for day, identity, gone, came, *texts in sorted(rows, key=lambda row: row[:2])
        ]

    def _row_counts(self, changes: Sequence[Change]) -> dict[date, tuple[int, int, int]]:
        if not changes:
            return {}
        names = [name for name in self._columns(changes) if name not in self._key]
        rows = self._proposal.query(
            "select coalesce(s.event_date, p.event_date), count(case when p.event_date is null then 1 end), "
            "count(case when s.event_date is null then 1 end), "
            f"count(case when p.event_date is not null and s.event_date is not null and {self._altered(names)} then 1 end) "
            f"from {self._joined(changes)} group by 1"
        )
        return {day: (added, removed, altered) for day, added, removed, altered in rows}

    def _sums(self, source: str, expressions: Iterable[str]) -> dict[date, list[Any]]:
        rows = self._proposal.query(
            f"select event_date, count(*){''.join(f', {sql}' for sql in expressions)} from {source} "
            f"where event_date in ({_dates(self._changes)}) group by event_date"
        )
        return {day: figures for day, *figures in rows}

    def _columns(self, changes: Iterable[Change]) -> list[str]:
        """The columns that differ on one of the dates, of those that both sides have, in the model's order."""
        differing: set[str] = set()
        shared = set(self._types)
        for change in changes:
            differing.update(change.columns)
            shared &= (change.before or change.after).fingerprint.columns.keys()
        return [name for name in self._types if name in differing & shared and name != "event_date"]

    def _title(self, name: str) -> str:
        return f"{'sum' if self._is_number(name) else 'count'} of {name}"

    def _figure(self, name: str) -> str:
        if self._is_number(name):
            return f"cast(sum({name}) as varchar)"
        if self._types[name] == "boolean":
            return f"cast(count(case when {name} then 1 end) as varchar)"
        return f"cast(count({name}) as varchar)"

    def _is_number(self, name: str) -> bool:
        return self._types[name].startswith(_NUMBERS)

    def _joined(self, changes: Sequence[Change]) -> str:
        s, p = (
            f"(select * from {source} where event_date in ({_dates(changes)}))"
            for source in (self._staged, self._published)
        )
        keys = " and ".join(f"s.{name} = p.{name}" for name in ("event_date", *self._key))
        return f"{s} as s full outer join {p} as p on {keys}"

    def _differs(self, names: Sequence[str]) -> str:
        return f"s.event_date is null or p.event_date is null or {self._altered(names)}"

    def _altered(self, names: Sequence[str]) -> str:
        return "(" + (" or ".join(f"s.{name} is distinct from p.{name}" for name in names) or "1 = 0") + ")"


def _looked_at(change: Change) -> bool:
    """Hits that came later explain what they change; new code, or nothing at all, does not."""
    return change.reason in (Reason.CODE, Reason.NONE) and change.decision is not Decision.UNCHANGED


def _dates(changes: Iterable[Change]) -> str:
    return ", ".join(f"cast('{change.cell.day}' as date)" for change in changes)
