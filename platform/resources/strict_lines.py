"""Which lines of the archive are JSON: strict JSON decides, on every warehouse.

DuckDB's parser also takes NaN, Infinity and trailing commas, and of a name that an object gives twice it reads the first; Python's takes
NaN, half a surrogate pair, and stops at deep nesting or long numbers with errors of other kinds. Parsing every line again to find the
few that differ would cost a third of a load. So `suspicious` looks at the bytes of many lines at once for what such a line must
contain, and only what it finds is judged.

    refused        NaN, Infinity, trailing commas, half surrogate pairs, nesting beyond MAX_DEPTH
    written anew   a long line whose objects give a name twice: the last counts (of a short line the load's SQL sees to that, unless
                   it is in the collector's exact form: that writes what was a dict, and version 0.1 at most a name without meaning twice)
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

MAX_DEPTH = 400
"""Brackets within brackets: no record needs ten, and readers downstream, this one first, recurse."""

LONG_LINE = 16 * 1024
"""Bytes. Longer lines are judged in any case: what the load's SQL does with a short one would take time by the square."""

REFUSED = "\ufffd"
"""Put before a line, it makes a bad line of whatever follows."""

# Both kinds of brackets, in lower case.
_OPENING, _CLOSING, _COMMA, _SPACE = 0x7B, 0x7D, 0x2C, 0x20
# Bytes looked at in one go, which fit a processor's cache; and what of a word may lie before the end of a window.
_WINDOW, _OVERLAP = 128 * 1024, 3
_CROWD = MAX_DEPTH // 2 - 1
_NOWHERE = np.array([], dtype=np.int64)
# Outside of text, a number can only come after one of these.
_BEFORE_A_NUMBER = np.zeros(256, dtype=bool)
_BEFORE_A_NUMBER[list(b":,[+- \t\r\n")] = True
_HALF_PAIR = re.compile(r"\\u[dD][89abAB]|\\u[dD][c-fC-F]")
# The closing quote may be missing: what follows an open one is looked at once and not again from each quote on.
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.S)


def suspicious(text: bytes, offsets: np.ndarray) -> np.ndarray:
    """The numbers of the lines, which begin at `offsets`, that `judged` has to look at; few of ordinary traffic."""
    found = np.frombuffer(text, dtype=np.uint8)
    positions = [
        start + at
        for start in range(0, len(found), _WINDOW - _OVERLAP)
        for at in _telling(found[start : start + _WINDOW])
    ]
    lines = np.searchsorted(offsets, np.array(positions, dtype=np.int64), side="right") - 1
    return np.unique(np.concatenate((lines, np.flatnonzero(np.diff(offsets) > LONG_LINE))))


def _telling(found: np.ndarray) -> list[int]:
    """Where NaN or Infinity may begin, where a bracket closes after a comma or a blank, and where many close."""
    scratch = _scratch()
    # Letters in lower case, and both closing brackets as one.
    lower = np.bitwise_or(found, 0x20, out=scratch.lower[: len(found)])
    is_n = np.equal(lower, ord("n"), out=scratch.one[: len(found)])
    words = np.equal(lower[1:-1], ord("a"), out=scratch.two[: max(len(found) - 2, 0)])
    words &= is_n[:-2]
    words &= is_n[2:]
    infinity = np.equal(lower[2:], ord("f"), out=scratch.three[: len(words)])
    infinity &= is_n[1:-1]
    infinity &= np.equal(lower[:-2], ord("i"), out=is_n[: len(words)])
    words |= infinity
    begins = np.flatnonzero(words) if words.any() else _NOWHERE
    begins = begins[_BEFORE_A_NUMBER[found[begins - 1]]]
    brackets = np.flatnonzero(np.equal(lower, _CLOSING, out=scratch.one[: len(found)]))
    # A short line that goes too deep closes half of its brackets in this window or in the next.
    crowded = brackets[_CROWD:][brackets[_CROWD:] - brackets[:-_CROWD] < LONG_LINE]
    before = found[brackets - 1]
    brackets = brackets[(before == _COMMA) | (before <= _SPACE)]
    return [*begins.tolist(), *brackets.tolist(), *crowded.tolist()]


class _Scratch:
    """Memory that is used again: new memory would cost three times what is computed in it."""

    def __init__(self) -> None:
        self.lower = np.empty(_WINDOW, dtype=np.uint8)
        self.one, self.two, self.three = (np.empty(_WINDOW, dtype=bool) for _ in range(3))


_of_thread = threading.local()


def _scratch() -> _Scratch:
    if not hasattr(_of_thread, "scratch"):
        _of_thread.scratch = _Scratch()
    scratch: _Scratch = _of_thread.scratch
    return scratch


def judged(line: str) -> str:
    """The line as a strict reader takes it: itself, or written anew, or marked as refused."""
    repeated = False

    def pairs(given: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        made = dict(given)
        repeated |= len(made) < len(given)
        return made

    try:
        if _depth(line) > MAX_DEPTH:
            return REFUSED + line
        # Numbers as their digits: there are longer ones than Python reads, and larger ones than it writes.
        value = json.loads(line, parse_constant=_refuse, parse_int=str, parse_float=str, object_pairs_hook=pairs)
    except ValueError:
        return REFUSED + line
    if _HALF_PAIR.search(line) and not _is_text(value):
        return REFUSED + line
    return json.dumps(value, ensure_ascii=False) + "\n" if repeated else line


def is_json(line: str) -> bool:
    """Whether a strict reader takes the line."""
    return not judged(line).startswith(REFUSED)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _is_text(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _depth(line: str) -> int:
    """How deep the brackets of the line go, those within text left out."""
    if line.count("[") + line.count("{") <= MAX_DEPTH:
        return 0
    bare = np.frombuffer(_TEXT.sub("", line).encode(errors="replace"), dtype=np.uint8) | 0x20
    steps = (bare == _OPENING).astype(np.int32) - (bare == _CLOSING)
    return int(steps.cumsum().max(initial=0))
