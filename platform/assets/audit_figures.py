"""The figures of one model before and after, over its dates: totals, and a small chart of the differences. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from ingestion_platform.assets.audit_values import (
    EXACT,
    difference,
    figure,
    in_short,
    number,
    percent,
    relative,
    visible,
)
from ingestion_platform.assets.comparison import Figure

_BAR, _GAP, CHART_HEIGHT = 7, 2, 26


class Line(NamedTuple):
    """A figure before and after, as it is shown."""

    before: str
    after: str
    difference: str
    percent: str


class Bar(NamedTuple):
    """One date of a chart: a rectangle, up or down from the line of no difference."""

    x: int
    y: float
    height: float
    up: bool
    title: str


@dataclass(frozen=True)
class Sums:
    """One sum or count, on the dates on which it differs."""

    name: str
    others: Sequence[str]
    """The names of others that changed alike."""
    days: Sequence[tuple[date, Figure]]

    @property
    def alike(self) -> str:
        return in_short(self.others)

    @property
    def lines(self) -> list[tuple[date, Line]]:
        return [(day, _line(of_day.before, of_day.after)) for day, of_day in self.days]

    @cached_property
    def _totals(self) -> tuple[str, str] | None:
        before, after = _sum(of_day.before for _, of_day in self.days), _sum(of_day.after for _, of_day in self.days)
        return None if before is None or after is None else (f"{before:f}", f"{after:f}")

    @property
    def total(self) -> Line | None:
        """Of all these dates together; None where one of them is no number."""
        return None if self._totals is None else _line(*self._totals)

    @property
    def weight(self) -> Decimal:
        """How much it changed, as a part of what it was."""
        if self._totals is None:
            return Decimal(0)
        part = relative(*self._totals)
        return Decimal("Infinity") if part is None else abs(part)

    @property
    def width(self) -> int:
        return len(self.days) * (_BAR + _GAP)

    @property
    def zero(self) -> float:
        """Where the chart's line of no difference lies, from its top."""
        up, down = self._most
        return _round(up / (up + down)) if up or down else CHART_HEIGHT

    @property
    def bars(self) -> list[Bar]:
        """The differences by date; none of a single date, which the figures tell as well."""
        up, down = self._most
        if len(self.days) < 2 or not (up or down):
            return []
        found = []
        for n, ((day, of_day), step) in enumerate(zip(self.days, self._steps, strict=True)):
            height = max(1.0, _round(abs(step) / (up + down)))
            title = f"{day}: {difference(of_day.before, of_day.after)}"
            found.append(Bar(n * (_BAR + _GAP) + 1, self.zero - (height if step > 0 else 0), height, step > 0, title))
        return found

    @cached_property
    def _steps(self) -> list[Decimal]:
        return [_step(of_day) for _, of_day in self.days]

    @property
    def _most(self) -> tuple[Decimal, Decimal]:
        """The largest difference upwards and downwards."""
        return max(Decimal(0), *self._steps), -min(Decimal(0), *self._steps)


def sums_of(figures: Iterable[tuple[date, Sequence[Figure]]]) -> list[Sums]:
    """Figures of dates by name, those that changed most first. Where rows came or went, most counts change alike: these stand together."""
    days: dict[str, list[tuple[date, Figure]]] = {}
    for day, of_day in figures:
        for known in of_day:
            days.setdefault(visible(known.name), []).append((day, known))
    alike: dict[tuple[tuple[date, str, str], ...], list[str]] = {}
    for name, kept in days.items():
        alike.setdefault(tuple((day, known.before, known.after) for day, known in kept), []).append(name)
    return sorted(
        (Sums(names[0], names[1:], days[names[0]]) for names in alike.values()), key=lambda sums: -sums.weight
    )


def _line(before: str, after: str) -> Line:
    return Line(figure(before), figure(after), difference(before, after), percent(relative(before, after)))


def _round(part: Decimal) -> float:
    """A part of the chart's height."""
    return round(float(part) * CHART_HEIGHT, 1)


def _step(of_day: Figure) -> Decimal:
    before, after = number(of_day.before), number(of_day.after)
    return Decimal(0) if before is None or after is None else EXACT.subtract(after, before)


def _sum(values: Iterable[str]) -> Decimal | None:
    total = Decimal(0)
    for value in values:
        known = number(value)
        if known is None:
            return None
        total = EXACT.add(total, known)
    return total
