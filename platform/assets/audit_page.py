"""What an audit's page says, ready for its template: a head, a heat map of dates by models, a part for each model that differs. Pure.

The parts of models have their cells (audit_cells.py), their figures (audit_figures.py) and examples of rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple

from ingestion_platform.assets.audit_cells import Outcome, Square, square_of
from ingestion_platform.assets.audit_figures import Sums, sums_of
from ingestion_platform.assets.audit_values import Shown, shown, visible
from ingestion_platform.assets.comparison import Comparison, Difference, Example
from ingestion_platform.assets.kept_code import CodeChange
from ingestion_platform.changes import Change, Reason, defects
from ingestion_platform.dates import Window, listed


class Row(NamedTuple):
    """One example: each column that differs with its two values."""

    example: Example
    key: str
    columns: list[tuple[str, Shown, Shown]]


@dataclass(frozen=True)
class Part:
    """One model of the run."""

    name: str
    relation: str
    anchor: str
    squares: Sequence[Square]
    examples: Sequence[Row]
    code: Sequence[CodeChange]

    @cached_property
    def by_day(self) -> Mapping[date, Square]:
        return {square.day: square for square in self.squares}

    @property
    def differing(self) -> list[Square]:
        return [square for square in self.squares if square.outcome is not Outcome.SAME]

    @property
    def waits(self) -> bool:
        return any(square.outcome.waits for square in self.squares)

    @property
    def decides(self) -> bool:
        """Whether dates wait because of it."""
        return any(square.outcome in (Outcome.DEFECT, Outcome.HELD) for square in self.squares)

    @property
    def outcomes(self) -> list[tuple[Outcome, int]]:
        """How many dates came to what."""
        counts = Counter(square.outcome for square in self.squares)
        return [(outcome, counts[outcome]) for outcome in Outcome if counts[outcome]]

    @property
    def columns(self) -> list[tuple[str, str, int]]:
        """The columns that differ, how (altered, new, gone) and on how many dates."""
        counts: Counter[tuple[str, str]] = Counter()
        for change in (square.change for square in self.squares):
            if change.before is not None:
                for name in change.columns:
                    new = name not in change.before.fingerprint.columns
                    gone = name not in change.after.fingerprint.columns
                    counts[visible(name), "new" if new else "gone" if gone else "altered"] += 1
        return [
            (name, how, dates) for (name, how), dates in sorted(counts.items(), key=lambda kept: (-kept[1], kept[0]))
        ]

    @property
    def extent(self) -> str:
        """How many rows differ, of the dates whose rows were looked at one by one."""
        looked_at = [square for square in self.differing if square.difference and square.difference.added is not None]
        if not looked_at:
            return ""
        counts = [
            sum(getattr(square.difference, kind) for square in looked_at) for kind in ("added", "removed", "altered")
        ]
        before, after = (sum(square.rows[side] for square in looked_at) for side in (0, 1))
        return f"{Difference(before, after, (), *counts).in_words()}, of {before:,} rows before"

    @cached_property
    def sums(self) -> list[Sums]:
        return sums_of([(square.day, square.difference.figures) for square in self.squares if square.difference])

    @property
    def reasons(self) -> list[Reason]:
        """Why its dates that differ were built again."""
        return [reason for reason in Reason if any(square.change.reason is reason for square in self.differing)]


@dataclass(frozen=True)
class Page:
    """All of it."""

    audit_id: str
    parts: Sequence[Part]
    days: Sequence[date]
    summary: Sequence[str]
    waiting: str
    published: str
    unchanged: str
    has_defect: bool
    code: Sequence[CodeChange]

    @property
    def differing(self) -> list[Part]:
        """Models with a date that differs: first those because of which dates wait, then those that wait with them."""
        return sorted(
            (part for part in self.parts if part.differing), key=lambda part: (not part.decides, not part.waits)
        )

    @property
    def same(self) -> list[Part]:
        return [part for part in self.parts if not part.differing]


def page_of(
    comparison: Comparison, relations: Mapping[str, str], code: Mapping[str, list[CodeChange]], window: Window
) -> Page:
    """The page of a comparison, in which something waits; `relations` (schema.name) and changes of code are by the model's name."""
    waiting = {*comparison.held}
    changes: dict[str, list[Change]] = {}
    for change in comparison.changes:
        changes.setdefault(change.cell.model, []).append(change)
    names = sorted(changes, key=lambda name: relations.get(name, name))
    parts = [
        Part(
            name,
            relations.get(name, name),
            # Names of models are theirs; these go into links.
            f"m{n}",
            [square_of(comparison, change, waiting, relations.get(name, name), f"m{n}") for change in changes[name]],
            [_row(example) for example in comparison.examples.get(name, ())],
            code.get(name, ()),
        )
        for n, name in enumerate(names)
    ]
    free = {change.cell.day for change in comparison.changes} - waiting
    published = {change.cell.day for change in comparison.changes if change.is_difference} & free
    return Page(
        audit_id=comparison.audit_id,
        parts=parts,
        days=window.days,
        summary=[visible(line) for line in comparison.in_words() if not line.startswith("Audit ")],
        waiting=listed(waiting),
        published=listed(published),
        unchanged=listed(free - published),
        has_defect=bool(defects(comparison.changes)),
        code=list(dict.fromkeys(change for part in parts for change in part.code)),
    )


def _row(example: Example) -> Row:
    return Row(example, visible(example.key), [(visible(name), *shown(*pair)) for name, pair in example.values.items()])
