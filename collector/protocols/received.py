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
from collector.protocols.events import MAX_NESTING, Event, is_deeper, pruned
from collector.protocols.shared import Shared
from collector.settings import IpMode
from collector.spellings import readings, words_in
from collector.texts import Number, read_json, write_json

_ADDRESS_WORD = re.compile(r"(?<![a-z])ip(?:_?addr(?:ess)?)?(?![a-z])")
# The same where words have no bounds any more, because all letters are small; `uip` is found in any spelling anyway.
_MAY_NAME_ADDRESS = re.compile(r"(?<!u)ip(?:_?addr(?:ess)?)?(?![a-z])|forwarded")

# A name that tells: which of v1's words it has, and whether it names an address.
Told = tuple[str, frozenset[str], bool]
_ONLY_TEXT, _NESTS = {str}, {dict, list}
# No number of levels is counted down from here to 0.
_ANY_DEPTH = -1


class _TooDeep(Exception):
    """It nests more deeply than an event may."""


class Seen(NamedTuple):
    """What was seen of an event: whether it is plain (nothing has to be looked for in the values that are made of it), whether
    it asks for the caller's address to be cut (`aip`), which a translation may leave out, and whether JSON gives it back to the letter."""

    is_plain: bool
    asks_for_cut: bool
    is_exact: bool


def look_at(event: Event, mode: IpMode) -> tuple[Event, Seen]:
    """Cut the addresses in an event, in place. Of one that nests too deeply comes back its refusal."""
    try:
        return event, scrub_received(event.original, mode, event.is_plain, event.shared)
    except _TooDeep:
        event = pruned(event)
        return event, scrub_received(event.original, mode)


def scrub_received(original: Any, mode: IpMode, is_plain: bool = False, shared: Shared | None = None) -> Seen:
    """Cut the addresses in what was received, in place: `uip` in whatever spelling, and whatever is named an address. `is_plain`: it is
    known that nothing may be wrapped in a text of it."""
    look = _Look(mode, is_plain, shared)
    look.through(original, False, MAX_NESTING)
    may_wrap = not is_plain and may_wrap_override("\n".join(look.texts))
    if may_wrap and isinstance(original, dict):
        scrub_texts(original, mode)
    return Seen(not may_wrap and not look.words, "aip" in look.words, look.is_exact)


class _Look:
    """One look through a value of JSON: cuts what is named an address, collects the texts (but of what is plain), notes which of v1's words its
    names have and whether there is a number that only its letters give back."""

    __slots__ = ("_is_plain", "_mode", "_shared", "is_exact", "texts", "words")

    def __init__(self, mode: IpMode, is_plain: bool, shared: Shared | None = None) -> None:
        self._mode, self._is_plain, self._shared = mode, is_plain, shared
        self.is_exact = True
        self.texts: list[str] = []
        self.words: frozenset[str] = frozenset()

    def through(self, value: Any, is_named: bool, levels: int) -> None:
        """`is_named`: an address, by a name further out. `levels` of objects and lists may be in it."""
        if not levels:
            raise _TooDeep
        if value.__class__ is dict:
            names = tuple(value)
            told = tuple((name, words_in(name), True) for name in names) if is_named else _telling(names)
            if told:
                self._cut(value, told, levels)
            members = value.values()
        elif value.__class__ is list:
            if is_named:
                value[:] = [_network(item, self._mode) if item.__class__ is str else item for item in value]
            members = value
        else:
            return
        kinds = set(map(type, members))
        if not self._is_plain:
            self.texts += members if kinds == _ONLY_TEXT else [item for item in members if item.__class__ is str]
        if Number in kinds:
            self.is_exact = False
        if not kinds.isdisjoint(_NESTS):
            for item in members:
                kind = item.__class__
                if kind is dict or kind is list:
                    if self._shared is not None and item is self._shared.value:
                        self._at(self._shared, levels - 1)
                    else:
                        self.through(item, is_named, levels - 1)

    def _at(self, shared: Shared, levels: int) -> None:
        if shared.seen is None:
            look = _Look(self._mode, self._is_plain)
            look.through(shared.value, False, levels)
            shared.seen = look
        self.words |= shared.seen.words
        self.texts += shared.seen.texts
        self.is_exact = self.is_exact and shared.seen.is_exact

    def _cut(self, fields: dict[str, Any], told: tuple[Told, ...], levels: int) -> None:
        for name, words, is_address in told:
            item = fields[name]
            if is_deeper(item, levels - 1):  # it may be cut before it is looked through
                raise _TooDeep
            self.words |= words
            if "uip" in words:
                stored = stored_override(item, self._mode)
                if stored is None:
                    del fields[name]
                else:
                    fields[name] = stored
            elif not is_address:
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
def _telling(names: tuple[str, ...]) -> tuple[Told, ...]:
    told = ((name, words_in(name), _names_address(name)) for name in names)
    return tuple(one for one in told if one[1] or one[2])


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
