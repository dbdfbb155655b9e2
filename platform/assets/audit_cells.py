"""The cells of an audit's heat map: what became of each model's date, and how much of it differs. Pure.

A cell is one of six, told by a letter and a colour; how strong the colour is says how many of its rows differ.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import Enum

from ingestion_platform.assets.audit_values import in_short, visible
from ingestion_platform.assets.comparison import Comparison, Difference
from ingestion_platform.changes import Change, Decision, Reason


class Outcome(Enum):
    """What became of a cell: the letter on the heat map, and words."""

    DEFECT = ("D", "refused")
    HELD = ("H", "held")
    WAITS = ("W", "waits with its date")
    PUBLISHED = ("P", "published")
    NEW = ("N", "published for the first time")
    SAME = ("=", "unchanged")

    @property
    def letter(self) -> str:
        return self.value[0]

    @property
    def words(self) -> str:
        return self.value[1]

    @property
    def waits(self) -> bool:
        return self in (Outcome.DEFECT, Outcome.HELD, Outcome.WAITS)


@dataclass(frozen=True)
class Square:
    """One cell of the heat map, and one row of its model's table."""

    change: Change
    outcome: Outcome
    difference: Difference | None
    relation: str
    anchor: str

    @property
    def day(self) -> date:
        return self.change.cell.day

    @property
    def rows(self) -> tuple[int, int]:
        """Before and after."""
        if self.difference is not None:
            return self.difference.rows_before, self.difference.rows_after
        before = self.change.before
        return before.fingerprint.rows if before is not None else 0, self.change.after.fingerprint.rows

    @property
    def share(self) -> float | None:
        """The part of the rows that differ; where they were not looked at one by one, that by which their number differs."""
        most = max(self.rows)
        if self.outcome is Outcome.SAME or not most:
            return 0.0
        of = self.difference
        if of is None or of.added is None or of.removed is None or of.altered is None:
            return abs(self.rows[1] - self.rows[0]) / most or None
        return min(1.0, (of.added + of.removed + of.altered) / most)

    @property
    def level(self) -> int:
        """How strong its colour is, 0 to 4."""
        if self.outcome is Outcome.SAME:
            return 0
        if self.change.before is None:
            return 2
        return 1 + sum((self.share or 0.0) >= bound for bound in (0.01, 0.1, 0.5))

    @property
    def columns(self) -> str:
        """Those that differ, in short; none of what was never published."""
        names = self.change.columns if self.change.before is not None else ()
        return in_short([visible(name) for name in names])

    @property
    def title(self) -> str:
        words = f"{visible(self.relation)} on {self.day}: {self.outcome.words} ({self.change.reason})"
        return f"{words}; {self.extent}" if self.extent else words

    @property
    def extent(self) -> str:
        """How much of it differs, in words."""
        if self.outcome is Outcome.SAME or self.change.before is None:
            return f"{self.rows[1]:,} rows"
        if self.difference is None:
            return ""
        share = "" if self.share is None or self.difference.altered is None else f" ({self.share:.1%} of the rows)"
        return f"{self.difference.in_words()}{share}"


def square_of(comparison: Comparison, change: Change, waiting: Collection[date], relation: str, anchor: str) -> Square:
    """The cell of a change; `waiting` are the dates that are held."""
    return Square(
        change,
        _outcome(change, waiting),
        comparison.differences.get(change.cell),
        relation,
        f"{anchor}-{change.cell.day}",
    )


def _outcome(change: Change, waiting: Collection[date]) -> Outcome:
    match change.decision:
        case Decision.DEFECT:
            return Outcome.DEFECT
        case Decision.HOLD:
            return Outcome.HELD
        case Decision.UNCHANGED:
            return Outcome.SAME
        case Decision.PUBLISH if change.cell.day in waiting:
            return Outcome.WAITS
        case Decision.PUBLISH:
            return Outcome.NEW if change.reason is Reason.NEW else Outcome.PUBLISHED
