"""The event contract: what a hit is, how it is read from a request body, and which of its values do not fit.

A hit is a flat mapping of Measurement Protocol parameters to TEXT. Whatever the transport (JSON, form, query string), a
number keeps the letters it came with ("12.50" never passes through a float), so that money stays exact; unknown keys
are kept. A hit needs `t` and one of `cid` and `uid`; beyond that nothing a client writes into a value fails its hit: a
value that does not fit its parameter stays as it came and is flagged (`invalid_parameters`).

Only the standard library is imported: this module runs in Lambda and is shared with the simulator and the platform.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any
from urllib.parse import unquote_to_bytes

from collector.parameters import CHOICES, INDEX_BOUNDS, NON_NEGATIVE, PARAMETERS, Kind, Parameter
from collector.spellings import words_in
from collector.texts import BLANKS, Number, number_of, read_json

# `event_at` is received_at minus the queue time; the protocol does not promise to take hits older than this.
MAX_QUEUE_TIME_MS = 4 * 60 * 60 * 1000

# A hit: names to texts. Only a JSON client can nest; what it nests stays JSON.
Hit = dict[str, Any]

_BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}
_INDEX = re.compile(r"([a-z]+)(\d{1,8})(?!\d)", re.ASCII)
_MAX_NESTING = 32
# Longest value whose check is remembered: the words and numbers of the protocol are shorter.
_REMEMBERED_LENGTH = 24
_FORMS = {
    Kind.INTEGER: re.compile(r"-?\d{1,18}", re.ASCII),
    Kind.CURRENCY: re.compile(r"-?(\d+(\.\d*)?|\.\d+)", re.ASCII),
    Kind.NUMBER: re.compile(r"-?(\d+(\.\d*)?|\.\d+)", re.ASCII),
    Kind.BOOLEAN: re.compile(r"[01]|true|false", re.ASCII),
}


# What two hexadecimal digits stand for, where that is ASCII.
_ESCAPED = {
    digits: chr(code)
    for code in range(128)
    for digits in {f"{code:02x}", f"{code:02X}", f"{code >> 4:X}{code & 15:x}", f"{code >> 4:x}{code & 15:X}"}
}


class HitError(ValueError):
    """Why a body or a mapping is no hit: `reason` is a stable code, `detail` a sentence that names the parameter."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


# ---------------------------------------------------------------------------------------------------------------------
# Reading
# ---------------------------------------------------------------------------------------------------------------------
def parse_json(text: str) -> Hit:
    """Read a hit from a JSON object: numbers as their literal text, true/false as words, null left out, nesting kept.

    Raises HitError (`malformed_json`, `not_an_object`).
    """
    try:
        value = read_json(text)
    except ValueError as error:
        raise HitError("malformed_json", f"the body is not JSON: {error}") from None
    if type(value) is not dict:
        raise HitError("not_an_object", "the body has to be one JSON object, parameter names to values")
    return _flatten(value)


def _flatten(hit: Hit) -> Hit:
    """The object with its numbers and words as texts, in place: mostly there is nothing but text."""
    for key in [key for key, item in hit.items() if item.__class__ is not str]:
        item = hit[key]
        if item.__class__ is Number:
            hit[key] = str(item)
        elif item is True:
            hit[key] = "true"
        elif item is False:
            hit[key] = "false"
        elif item is not None:
            hit[key] = nested(item, 1)
        elif "aip" in words_in(key):  # it asks for a cut address by being there, whatever it says
            hit[key] = ""
        else:
            del hit[key]
    return hit


class InexactNumber(ValueError):
    """A number that no writer of JSON would write as it came."""


def nested(value: Any, depth: int = 1, *, exact: bool = False) -> Any:
    """Give nested numbers their JSON type back where that changes no digit; the others stay text, or with `exact` raise InexactNumber."""
    if depth > _MAX_NESTING:
        raise HitError("malformed_json", "the JSON is nested too deeply")
    kind = type(value)
    if kind is str:
        return value
    if kind is dict:
        return {
            key: item if item.__class__ is str else nested(item, depth + 1, exact=exact) for key, item in value.items()
        }
    if kind is list:
        return [nested(item, depth + 1, exact=exact) for item in value]
    if kind is Number:
        number = number_of(value)
        if number.__class__ is not Number:
            return number
        if exact:
            raise InexactNumber(value)
        return str(value)
    return value


def parse_form(text: str) -> Hit:
    """Read a hit from a query string or a form-encoded body; of a repeated name the last value counts.

    Raises HitError (`empty_hit`) where there is no parameter at all.
    """
    hit: Hit = {}
    for pair in text.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            if "%" in name or "+" in name:
                name = _unquote(name)
            hit[name] = _unquote(value) if "%" in value or "+" in value else value
    if not hit:
        raise HitError("empty_hit", "there is no parameter: send name=value pairs or a JSON object")
    return hit


def _unquote(text: str) -> str:
    """What `urllib.parse.unquote_plus` gives, at a fraction of its cost, which is most of the cost of reading a form."""
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    text = text.replace("%3A", ":").replace("%2F", "/")  # of an address that is mostly all
    if "%" not in text:
        return text
    parts = text.split("%")
    try:
        for number in range(1, len(parts)):
            part = parts[number]
            parts[number] = _ESCAPED[part[:2]] + part[2:]
        return "".join(parts)
    except KeyError:  # no ASCII, or no escape
        return unquote_to_bytes(text.encode("utf-8", "replace")).decode("utf-8", "replace")


def parse_body(text: str) -> Hit:
    """Read a hit from a body whose content type does not matter: a body that opens with `{` or `[` is JSON, all others
    are form-encoded (beacons say text/plain for both, and command lines say form for both). Raises HitError."""
    text = text.strip(BLANKS)
    return parse_json(text) if text[:1] in ("{", "[") else parse_form(text)


# ---------------------------------------------------------------------------------------------------------------------
# Judging
# ---------------------------------------------------------------------------------------------------------------------
def require_hit(hit: Mapping[str, Any]) -> None:
    """Raise HitError unless `hit` has a hit type (`t`) and somebody it belongs to (`cid` or `uid`): non-empty text."""
    if not _is_text(hit.get("t")):
        raise HitError("missing_hit_type", "parameter t (hit type) is missing")
    if not _is_text(hit.get("cid")) and not _is_text(hit.get("uid")):
        raise HitError("missing_client_id", "parameter cid (client id) is missing, and uid (user id) too")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip(BLANKS))


@lru_cache(maxsize=1024)
def find_parameter(name: str) -> tuple[Parameter, bool] | None:
    """The contract's row for a parameter name, and whether its indexes are within bounds; None for a custom parameter.

    `find_parameter("pr12cd3")` is the row `pr_cd_`; `pr201id` has that family's row, out of bounds.
    """
    parameter = _BY_NAME.get(name)
    if parameter is not None:
        return None if "_" in name else (parameter, True)
    indexes = _INDEX.findall(name)
    parameter = _BY_NAME.get(_INDEX.sub(r"\1_", name)) if indexes else None
    if parameter is None:
        return None
    return parameter, all(index[0] != "0" and int(index) <= INDEX_BOUNDS[family] for family, index in indexes)


def invalid_parameters(hit: Mapping[str, Any]) -> dict[str, str]:
    """The values of `hit` that do not fit their parameter: name to what was expected, empty for a clean hit.

    Expectations: a kind (`integer`, `currency`, `number`, `boolean`, `text`), `max_bytes`, `index` (out of the family's
    bounds), `choice` (not one of the protocol's words), `non_negative`. An empty value counts as not given.
    """
    if _fits(hit):
        return {}
    return {name: missed for name, value in hit.items() if (missed := _expectation_missed(name, value)) is not None}


def _fits(hit: Mapping[str, Any]) -> bool:
    """Whether every value fits. Runs for every hit, most of which are texts that none of their bounds is near: a bound that is longer than
    all texts together holds, and what is not told by its length are words and numbers that come again and again."""
    try:
        text = "".join(hit.values())
    except TypeError:  # something is nested
        return False
    is_ascii = text.isascii()
    most_bytes = len(text) if is_ascii else 4 * len(text)
    for name, plain_length in _plain_lengths(tuple(hit)):
        if plain_length >= most_bytes:
            return True
        value = hit[name]
        length = len(value)
        if length > plain_length or not (is_ascii or value.isascii()):
            missed = _remembered_expectation if length <= _REMEMBERED_LENGTH else _expectation_missed
            if missed(name, value) is not None:
                return False
    return True


@lru_cache(maxsize=256)
def _plain_lengths(names: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """The names that have a bound, the lowest first. A site's hits have the same few sets of names."""
    lengths = ((name, _plain_length(name)) for name in names)
    return tuple(sorted((pair for pair in lengths if pair[1] < sys.maxsize), key=itemgetter(1)))


def _plain_length(name: str) -> int:
    """How long an ASCII value of a parameter may be and fit whatever it says; -1 where that depends on the value."""
    known = find_parameter(name)
    if known is None:
        return sys.maxsize
    parameter, in_bounds = known
    if not in_bounds or parameter.kind is not Kind.TEXT or name in CHOICES:
        return -1
    return sys.maxsize if parameter.max_bytes is None else parameter.max_bytes


def _expectation_missed(name: str, value: Any) -> str | None:
    known = find_parameter(name)
    if known is None or value == "":
        return None
    (_, _, kind, max_bytes), in_bounds = known
    if not in_bounds:
        return "index"
    if not isinstance(value, str):
        return kind.value
    if kind is Kind.TEXT:
        if max_bytes is not None and len(value.encode("utf-8", "replace")) > max_bytes:
            return "max_bytes"
        choices = CHOICES.get(name)
        return "choice" if choices is not None and value not in choices else None
    if _FORMS[kind].fullmatch(value) is None:
        return kind.value
    return "non_negative" if name in NON_NEGATIVE and value.startswith("-") else None


_remembered_expectation = lru_cache(maxsize=4096)(_expectation_missed)


def queue_time_ms(hit: Mapping[str, Any]) -> int:
    """How long a client held the hit back (`qt`), in ms, within 0..4 h; 0 where it says nothing readable.

    A decimal counts down to the millisecond below, as some clients send one.
    """
    value = hit.get("qt")
    if not isinstance(value, str) or _FORMS[Kind.NUMBER].fullmatch(value) is None:
        return 0
    whole = value.partition(".")[0]
    if whole in ("", "-") or whole.startswith("-"):
        return 0
    return MAX_QUEUE_TIME_MS if len(whole.lstrip("0")) > 9 else min(int(whole), MAX_QUEUE_TIME_MS)
