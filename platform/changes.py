"""What a build would change of what is published, and what becomes of it: published, held for a person, or refused. Pure.

A cell is one model's date. A build gives a version of each cell: from which code and which inputs it was made, and a fingerprint, which
has for each column a digest of all (row key, value). Two versions of a cell are compared by their fingerprints, so that no published row
is read to tell which columns changed.

    never published                 publish
    same fingerprint                nothing to publish, whatever the reason; if rows were altered since, they are published again
    same code, same inputs          a defect: nothing else may change rows. The whole run is refused, and kept for a look
    same code, other inputs         publish: hits came late, were replaced or erased
    other code                      publish what the model's author declared (`meta.expected_changes`) or a person has
                                    approved this code; hold the rest

A date is published or held with all its models: reports that disagree help nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

from ingestion_platform.dates import listed


class Cell(NamedTuple):
    """One model (by name) on one event date."""

    model: str
    day: date


@dataclass(frozen=True)
class Fingerprint:
    """How many rows a cell has and, by column, a digest of them, which only the same `engine` makes the same way."""

    rows: int
    columns: Mapping[str, str]
    engine: str

    def differs_from(self, other: Fingerprint) -> tuple[str, ...]:
        """The columns, sorted, that have other values, are new or are gone."""
        if not self.rows and not other.rows:
            return ()
        names = self.columns.keys() | other.columns.keys()
        return tuple(sorted(name for name in names if self.columns.get(name) != other.columns.get(name)))


@dataclass(frozen=True)
class Version:
    """What a cell was built from, and what it has: digests of the code and of the inputs, the newest load that it could see.

    `publication` is the number of the one that made its rows public; 0 of what is staged. `is_intact`: the rows are those that it
    published; else somebody changed them behind the platform's back.
    """

    code: str
    inputs: str
    load_id: int
    fingerprint: Fingerprint
    publication: int = 0
    is_intact: bool = True


class Reason(StrEnum):
    """Why a cell was built again."""

    NEW = "never published"
    CODE = "other code"
    INPUTS = "other objects"
    ALTERED = "published rows were altered"
    NONE = "same code, same objects"


class Decision(StrEnum):
    """What becomes of a cell."""

    PUBLISH = "publish"
    UNCHANGED = "unchanged"
    HOLD = "hold"
    DEFECT = "defect"


@dataclass(frozen=True)
class Expected:
    """What the author of a model said that new code changes: columns (None: any, and rows too), from a date on."""

    columns: frozenset[str] | None
    since: date = date.min

    def covers(self, day: date, columns: Iterable[str]) -> bool:
        return day >= self.since and (self.columns is None or self.columns.issuperset(columns))


@dataclass(frozen=True)
class Change:
    """One cell: why it was built, in which columns it differs from what is published, and what becomes of it.

    A cell that could be published is held with its date all the same (`held_dates`).
    """

    cell: Cell
    reason: Reason
    decision: Decision
    after: Version
    before: Version | None = None
    columns: tuple[str, ...] = ()

    @property
    def is_difference(self) -> bool:
        return self.decision is not Decision.UNCHANGED


@dataclass(frozen=True)
class Rules:
    """What decides about other code: what authors expect of it, by model; what a person has approved, as (model, code); whether
    anything is held at all."""

    expected: Mapping[str, tuple[Expected, ...]] = field(default_factory=dict)
    approved: Collection[tuple[str, str]] = ()
    hold_changed_code: bool = True


def everything(
    fingerprints: Mapping[Cell, Fingerprint], published: Mapping[Cell, Version], load_id: int
) -> list[Change]:
    """What publishes all that was staged and differs, without a decision: for tools that build models without their code versions."""
    staged = {cell: Version("", f"{load_id}", load_id, made) for cell, made in fingerprints.items()}
    return compare(staged, published, Rules(hold_changed_code=False))


def versions(
    fingerprints: Mapping[Cell, Fingerprint], codes: Mapping[str, str], inputs: Mapping[date, str], load_id: int
) -> dict[Cell, Version]:
    """What was staged, by cell: of models with these code versions, from these inputs by date, all up to a load."""
    return {cell: Version(codes[cell.model], inputs[cell.day], load_id, made) for cell, made in fingerprints.items()}


def compare(staged: Mapping[Cell, Version], published: Mapping[Cell, Version], rules: Rules) -> list[Change]:
    """A `Change` for each staged cell, by date and model."""
    return [_change(cell, staged[cell], published.get(cell), rules) for cell in sorted(staged, key=_by_date)]


def _by_date(cell: Cell) -> tuple[date, str]:
    return cell.day, cell.model


def _change(cell: Cell, after: Version, before: Version | None, rules: Rules) -> Change:
    if before is None:
        return Change(cell, Reason.NEW, Decision.PUBLISH, after)
    reason = (
        Reason.CODE if before.code != after.code else Reason.INPUTS if before.inputs != after.inputs else Reason.NONE
    )
    columns = after.fingerprint.differs_from(before.fingerprint)
    if not columns and not before.is_intact:
        return Change(cell, Reason.ALTERED, Decision.PUBLISH, after, before)
    return Change(cell, reason, _decision(cell, reason, columns, after, rules), after, before, columns)


def _decision(cell: Cell, reason: Reason, columns: tuple[str, ...], after: Version, rules: Rules) -> Decision:
    if not columns:
        return Decision.UNCHANGED
    if reason is Reason.INPUTS:
        return Decision.PUBLISH
    if reason is Reason.NONE:
        return Decision.DEFECT
    allowed = (
        not rules.hold_changed_code
        or (cell.model, after.code) in rules.approved
        or any(expected.covers(cell.day, columns) for expected in rules.expected.get(cell.model, ()))
    )
    return Decision.PUBLISH if allowed else Decision.HOLD


def held_dates(changes: Iterable[Change]) -> list[date]:
    """The dates that wait for a person; all of them, where there is a defect."""
    known = list(changes)
    if defects(known):
        return sorted({change.cell.day for change in known})
    return sorted({change.cell.day for change in known if change.decision is Decision.HOLD})


def defects(changes: Iterable[Change]) -> list[Change]:
    """The cells that differ although nothing that they are made from does."""
    return [change for change in changes if change.decision is Decision.DEFECT]


def overtaken(changes: Iterable[Change]) -> list[Cell]:
    """The cells whose published build could see more loads than this one: another run came later and was faster."""
    return [known.cell for known in changes if known.before is not None and known.before.load_id > known.after.load_id]


def expected_changes(meta: Mapping[str, Any]) -> tuple[Expected, ...]:
    """What a model's `meta.expected_changes` says: a list of {columns: [names] or "all", since: a date}. Raises ValueError."""
    given = meta.get("expected_changes") or []
    if not isinstance(given, list):
        raise ValueError("expected_changes is a list of {columns: [...] or all, since: 2026-01-01}")
    return tuple(map(_expected, given))


def _expected(given: Any) -> Expected:
    if not isinstance(given, Mapping) or "columns" not in given or given.keys() - {"columns", "since"}:
        raise ValueError(f"expected_changes has {given!r}; write {{columns: [...] or all, since: 2026-01-01}}")
    columns = given["columns"]
    if columns != "all" and not (isinstance(columns, list) and all(isinstance(name, str) for name in columns)):
        raise ValueError(f"expected_changes has columns {columns!r}; write a list of names, or all")
    try:
        since = date.fromisoformat(f"{given['since']}") if "since" in given else date.min
    except ValueError:
        raise ValueError(f"expected_changes has since {given['since']!r}; write a date such as 2026-01-01") from None
    return Expected(None if columns == "all" else frozenset(columns), since)


def in_words(changes: Iterable[Change]) -> list[str]:
    """Lines for a run's log: what is published, what is held, and why."""
    known = list(changes)
    waiting, broken = {*held_dates(known)}, bool(defects(known))
    lines = []
    for title, wanted in (
        ("Defect", [c for c in known if c.decision is Decision.DEFECT]),
        ("Held", [c for c in known if c.decision is Decision.HOLD]),
        ("Published", [] if broken else [c for c in known if c.is_difference and c.cell.day not in waiting]),
    ):
        for reason in Reason:
            of_reason = [change for change in wanted if change.reason is reason]
            if of_reason:
                lines.append(f"{title} ({reason}): {_cells_in_words(of_reason)}")
    same = sum(not change.is_difference for change in known)
    if same:
        lines.append(f"Unchanged: {same} of {len(known)} models' dates")
    return lines


def _cells_in_words(changes: Collection[Change]) -> str:
    by_model: dict[str, list[Change]] = {}
    for change in changes:
        by_model.setdefault(change.cell.model, []).append(change)
    said = []
    for model, of_model in by_model.items():
        columns = sorted({name for change in of_model for name in change.columns})
        named = (
            f" ({', '.join(columns[:6])}{f' and {len(columns) - 6} more' if len(columns) > 6 else ''})"
            if columns
            else ""
        )
        said.append(f"{model}{named}")
    return f"{', '.join(said)} on {listed(change.cell.day for change in changes)}"
