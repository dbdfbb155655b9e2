"""Values as an audit's page shows them: nothing in them is invisible, long ones are cut around what differs, figures have a difference.

Values are what strangers sent. What is returned here is text, which the template escapes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from decimal import Context, Decimal, InvalidOperation
from typing import NamedTuple

_AROUND = 60
"""Characters of what two values share that are shown on each side of what differs."""

_MOST = 240
"""Characters of a value at most."""


EXACT = Context(prec=150)
"""Figures have up to 60 places on each side of the point."""


class Shown(NamedTuple):
    """A value in three parts, the middle one being what differs; `is_null` of none at all."""

    start: str = ""
    middle: str = ""
    end: str = ""
    is_null: bool = False


def shown(before: str | None, after: str | None) -> tuple[Shown, Shown]:
    """Two values of one column, side by side."""
    if before is None or after is None:
        return _alone(before), _alone(after)
    start = _shared(before, after)
    # What both begin with is not what both end with.
    end = _shared(before[start:][::-1], after[start:][::-1])
    return _in_parts(before, start, end), _in_parts(after, start, end)


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    different = (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(different, min(len(one), len(other)))


def _alone(value: str | None) -> Shown:
    return Shown(is_null=True) if value is None else Shown(middle=visible(_cut(value)))


def _in_parts(value: str, start: int, end: int) -> Shown:
    first, middle, last = value[:start], value[start : len(value) - end], value[len(value) - end :]
    if len(first) > _AROUND:
        first = f"…{first[-_AROUND:]}"
    if len(last) > _AROUND:
        last = f"{last[:_AROUND]}…"
    return Shown(visible(first), visible(_cut(middle)), visible(last))


def _cut(value: str) -> str:
    return value if len(value) <= _MOST else f"{value[:_MOST]}… ({len(value):,} characters)"


def visible(text: str) -> str:
    """`text` with all that has no shape of its own, or changes that of others, by its code: controls, marks of direction, odd blanks.

    Texts that differ stay different: the bracket of these codes is shown by its code, too.
    """
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    plain = character == " " or (unicodedata.category(character)[0] not in "CZ" and character != "⟨")
    return character if plain else f"⟨U+{ord(character):04X}⟩"


def in_short(names: Sequence[str]) -> str:
    """A few of `names`, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 4 else ""
    return ", ".join(names[: 3 if more else 4]) + more


def number(text: str) -> Decimal | None:
    """A figure's number; None of what is none, or too long to be written out."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and (not value or abs(value.adjusted()) < 60) else None


def figure(text: str) -> str:
    """A figure with its thousands apart, without zeros that say nothing."""
    value = number(text)
    if value is None:
        return visible(_cut(text))
    written = f"{value:,f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def difference(before: str, after: str) -> str:
    """By how much a figure changed, with its sign."""
    was, now = number(before), number(after)
    if was is None or now is None:
        return ""
    return f"{'+' if now >= was else '−'}{figure(f'{EXACT.subtract(now, was).copy_abs():f}')}"


def relative(before: str, after: str) -> Decimal | None:
    """The same as a part of what it was; None where it was nothing."""
    was, now = number(before), number(after)
    return None if was is None or now is None or not was else EXACT.subtract(now, was) / abs(was)


def percent(part: Decimal | None) -> str:
    """A part, signed, as few digits as tell it from nothing."""
    if part is None:
        return ""
    size = abs(part * 100)
    if not size:
        return "0 %"
    if size < Decimal("0.01"):
        return f"{'+' if part > 0 else '−'}<0.01 %"
    digits = 0 if size >= 100 else 1 if size >= 10 else 2
    return f"{'+' if part > 0 else '−'}{size:,.{digits}f} %"
