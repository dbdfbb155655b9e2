"""How the collector reads text: which blanks it trims, which characters it can store, and JSON whose numbers keep their
letters.

Blanks are ASCII white space and nothing else, as in both warehouses: what Unicode counts as space beyond them belongs to
the value. Half a surrogate pair is in no UTF-8 text; it becomes a question mark as soon as it is read, so that two names
that are the same on disk are the same name here.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NoReturn

BLANKS = " \t\n\r\f\v"


class Number(str):
    """A JSON number's literal text, told apart from a JSON string."""


# More letters than these may not come out of a number as they went in; nor is it worth keeping them in mind.
_EXACT_LETTERS = 18


def number_of(letters: str) -> int | float | Number:
    """The number of JSON that is written with just these letters, where Python writes it so, too; else the letters."""
    return _remembered_number(letters) if len(letters) <= _EXACT_LETTERS else Number(letters)


@lru_cache(maxsize=4096)
def _remembered_number(letters: str) -> int | float | Number:
    if "e" not in letters and "E" not in letters:
        number = float(letters) if "." in letters else int(letters)
        if repr(number) == letters:
            return number
    return Number(letters)


def no_such_constant(name: str) -> NoReturn:
    """Refuses NaN and Infinity, which Python's reader takes and no other."""
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=no_such_constant, strict=False)
_WITH_NUMBERS = json.JSONDecoder(
    parse_int=number_of, parse_float=number_of, parse_constant=no_such_constant, strict=False
)


def read_json(text: str, *, with_numbers: bool = False) -> Any:
    """The one JSON value that `text` holds, its numbers as `Number`, or `with_numbers` as `number_of` gives them; of a name that
    an object repeats the last counts.

    Raises ValueError; what nests too deeply, too.
    """
    text = text.strip(BLANKS)
    try:
        value, end = (_WITH_NUMBERS if with_numbers else _DECODER).raw_decode(text)
        if end != len(text):
            raise ValueError(f"more follows the object at character {end}")
        if "\\" in text and ("\\ud" in text or "\\uD" in text):
            value = _storable(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def storable(text: str) -> str:
    """The text as UTF-8 can hold it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _storable(value: Any) -> Any:
    if isinstance(value, Number):
        return value
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(name): _storable(item) for name, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value


def write_json(value: Any) -> str:
    """What `read_json` gave, as JSON again: numbers in their own letters."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write_json(name)}: {write_json(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(write_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
