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
from collector.settings import IpMode
from collector.spellings import readings, words_in
from collector.texts import read_json, write_json

_ADDRESS_WORD = re.compile(r"(?<![a-z])ip(?:_?addr(?:ess)?)?(?![a-z])")
# The same where words have no bounds any more, because all letters are small; `uip` is found in any spelling anyway.
_MAY_NAME_ADDRESS = re.compile(r"(?<!u)ip(?:_?addr(?:ess)?)?(?![a-z])|forwarded")


class Seen(NamedTuple):
    """What was seen of an event: whether it is plain (nothing has to be looked for in the values that are made of it), and whether
    it asks for the caller's address to be cut (`aip`), which a translation may leave out."""

    is_plain: bool
    asks_for_cut: bool


def scrub_received(original: Any, mode: IpMode) -> Seen:
    """Cut the addresses in what was received, in place: `uip` in whatever spelling, and whatever is named an address."""
    look = _Look(mode)
    look.through(original, False)
    may_wrap = may_wrap_override("\n".join(look.texts))
    if may_wrap and isinstance(original, dict):
        scrub_texts(original, mode)
    return Seen(not may_wrap and not look.words, "aip" in look.words)


class _Look:
    """One look through a value of JSON: cuts what is named an address, collects the texts, notes which of v1's words their names have."""

    __slots__ = ("_mode", "texts", "words")

    def __init__(self, mode: IpMode) -> None:
        self._mode = mode
        self.texts: list[str] = []
        self.words: set[str] = set()

    def through(self, value: Any, is_named: bool) -> None:
        """`is_named`: an address, by a name further out."""
        if value.__class__ is dict:
            names = tuple(value)
            told = names if is_named else _telling(names)
            if told:
                self._cut(value, told, is_named)
            members = value.values()
        elif value.__class__ is list:
            if is_named:
                value[:] = [_network(item, self._mode) if isinstance(item, str) else item for item in value]
            members = value
        else:
            return
        try:
            self.texts.append("\n".join(members))
        except TypeError:  # not all of it is text
            for item in members:
                kind = item.__class__
                if kind is str:
                    self.texts.append(item)
                elif kind is dict or kind is list:
                    self.through(item, is_named)

    def _cut(self, fields: dict[str, Any], told: tuple[str, ...], is_named: bool) -> None:
        for name in told:
            item, words = fields[name], words_in(name)
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
            elif item.__class__ in (dict, list):
                self.through(item, True)
            elif isinstance(item, str):
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
        _Look(mode).through(value, False)
        return scrub_payload(write_json(value), mode)
    except RecursionError:
        return None
    except ValueError:
        may_be_named = any(_MAY_NAME_ADDRESS.search(reading) for reading in readings(payload))
        return None if may_be_named else scrub_payload(payload, mode)
