"""What may reach disk of what was received in another protocol than v1, where addresses go by more names than `uip`.

An event is looked through once: names that tell an address are known by their objects' sets of names, of which a site has few, and
all texts together are asked whether something may be wrapped in one of them, which is mostly not so. Each message of a batch
comes through here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from collector.payloads import has_address
from collector.privacy import may_wrap_override, scrub_payload, scrub_texts, stored_override
from collector.protocols.events import MAX_NESTING, is_deeper
from collector.settings import IpMode
from collector.spellings import readings, words_in
from collector.texts import Number, read_json, write_json

_ADDRESS_WORD = re.compile(r"(?<![a-z])ip(?:_?addr(?:ess)?)?(?![a-z])")
# The same where words have no bounds any more, because all letters are small; `uip` is found in any spelling anyway.
_MAY_NAME_ADDRESS = re.compile(r"(?<!u)ip(?:_?addr(?:ess)?)?(?![a-z])|forwarded")

# No number of levels is counted down from here to 0.
_ANY_DEPTH = -1


class TooDeep(Exception):
    """It nests more deeply than an event may."""


class Seen(NamedTuple):
    """What was seen of an event: whether it is plain (nothing has to be looked for in the values that are made of it), whether
    it asks for the caller's address to be cut (`aip`), which a translation may leave out, and whether JSON gives it back to the letter."""

    is_plain: bool
    asks_for_cut: bool
    is_exact: bool


def scrub_received(original: Any, mode: IpMode, is_plain: bool = False) -> Seen:
    """Cut the addresses in what was received, in place: `uip` in whatever spelling, and whatever is named an address. `is_plain`: it is
    known that nothing may be wrapped in a text of it. Raises TooDeep."""
    look = _Look(mode, is_plain)
    look.through(original, False, MAX_NESTING)
    may_wrap = not is_plain and may_wrap_override("\n".join(look.texts))
    if may_wrap and isinstance(original, dict):
        scrub_texts(original, mode)
    return Seen(not may_wrap and not look.words, "aip" in look.words, look.is_exact)


class _Look:
    """One look through a value of JSON: cuts what is named an address, collects the texts (but of what is plain), notes which of v1's words its
    names have and whether there is a number that only its letters give back."""

    __slots__ = ("_is_plain", "_mode", "is_exact", "texts", "words")

    def __init__(self, mode: IpMode, is_plain: bool = False) -> None:
        self._mode, self._is_plain = mode, is_plain
        self.is_exact = True
        self.texts: list[str] = []
        self.words: frozenset[str] = frozenset()

    def through(self, value: Any, is_named: bool, levels: int) -> None:
        """`is_named`: an address, by a name further out. `levels` of objects and lists may be in it."""
        if not levels:
            raise TooDeep
        if value.__class__ is dict:
            names = tuple(value)
            told = names if is_named else _telling(names)
            if told:
                self._cut(value, told, is_named, levels)
            members = value.values()
        elif value.__class__ is list:
            if is_named:
                value[:] = [_network(item, self._mode) if item.__class__ is str else item for item in value]
            members = value
        else:
            return
        for item in members:
            kind = item.__class__
            if kind is str:
                if not self._is_plain:
                    self.texts.append(item)
            elif kind is dict or kind is list:
                self.through(item, is_named, levels - 1)
            elif kind is Number:
                self.is_exact = False

    def _cut(self, fields: dict[str, Any], told: tuple[str, ...], is_named: bool, levels: int) -> None:
        for name in told:
            item, words = fields[name], words_in(name)
            if is_deeper(item, levels - 1):  # it may be cut before it is looked through
                raise TooDeep
            self.words |= words
            if "uip" in words:
                stored = stored_override(item, self._mode)
                if stored is None:
                    del fields[name]
                else:
                    fields[name] = stored
            elif not is_named and not _names_address(name):
                continue
            elif has_address(name):  # a request that lies encoded in a name
                del fields[name]
            elif item.__class__ is dict or item.__class__ is list:
                self.through(item, True, levels - 1)
            elif item.__class__ is str:
                fields[name] = _network(item, self._mode)


@lru_cache(maxsize=4096)
def _network(text: str, mode: IpMode) -> str:
    return (stored_override(text, mode) or "") if has_address(text) else text


@lru_cache(maxsize=1024)
def _telling(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if _names_address(name) or words_in(name))


@lru_cache(maxsize=4096)
def _names_address(name: str) -> bool:
    """`ip`, `ip_override`, `clientIp`, `request-ip`, `ep.ip_address`, `X-Forwarded-For`, however it is encoded."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return any(_ADDRESS_WORD.search(reading) or "forwarded" in reading for reading in readings(words))


def scrub_received_payload(payload: str, mode: IpMode) -> str | None:
    """The text of a refused request in such a protocol: what is JSON with its addresses cut; None where an address may be
    in it that cannot be told from the rest."""
    if not has_address(payload):
        return scrub_payload(payload, mode)
    try:
        value = read_json(payload)
        _Look(mode, True).through(value, False, _ANY_DEPTH)
        return scrub_payload(write_json(value), mode)
    except RecursionError:
        return None
    except ValueError:
        may_be_named = any(_MAY_NAME_ADDRESS.search(reading) for reading in readings(payload))
        return None if may_be_named else scrub_payload(payload, mode)
