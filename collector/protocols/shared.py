"""What the events of one request have in common: found by its letters, worked out once."""

from __future__ import annotations

import marshal
from typing import Any


class Shared:
    """An object that several events of a request have, the same in each. What is worked out for the first holds for the others:
    `seen` when it was looked through, `translated` in its protocol."""

    __slots__ = ("seen", "translated", "value")

    def __init__(self, value: dict[str, Any]) -> None:
        self.value = value
        self.seen: Any = None
        self.translated: Any = None


def shared_by(value: Any, known: dict[bytes, Shared | None]) -> Shared | None:
    """An object as all events of a request share it that have it to the letter: the messages of a page or a server differ in what happened,
    hardly in their context. None for the first, and where it has to be looked at alone. (To Python 1, 1.0 and true are equal, to marshal not; it has no word for
    a number that is its letters.)"""
    if value.__class__ is not dict:
        return None
    try:
        letters = marshal.dumps(value, 2)
    except ValueError:
        return None
    if letters not in known:
        known[letters] = None  # most that differ come once, and sharing has its price
        return None
    found = known[letters]
    if found is None:
        found = known[letters] = Shared(value)
    return found
