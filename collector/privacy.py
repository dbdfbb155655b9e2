"""What may reach disk: addresses cut to a network, headers on an allow-list, payloads of refused requests scrubbed.

An address is cut to its /24 (IPv4) or /48 (IPv6) network, as Google Analytics' own anonymization does or stricter. What
cannot be read as an address is not kept, since it may well be one in a spelling that we do not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from collector.contract import Hit
from collector.payloads import has_address, hides_address, scrub
from collector.records import Source
from collector.settings import IpMode
from collector.spellings import readings, words_in
from collector.texts import BLANKS, read_json, write_json

# Request headers that are stored; cookies and credentials are not among them and never will be.
KEPT_HEADERS = frozenset(
    {
        "accept-language",
        "content-type",
        "dnt",
        "origin",
        "referer",
        "sec-ch-ua",
        "sec-ch-ua-mobile",
        "sec-ch-ua-platform",
        "sec-gpc",
        "user-agent",
    }
)
MAX_HEADER_LENGTH = 2048


@lru_cache(maxsize=4096)
def truncate_address(address: str) -> str | None:
    """`203.0.113.77` becomes `203.0.113.0`, `2001:db8:1:2::3` becomes `2001:db8:1::`; None where it is no address.

    6to4 (2002::/16) carries an IPv4 address in its first 48 bits, of which 24 stay.
    """
    parsed = _parse(address)
    if parsed is None:
        return None
    host_bits = 8 if isinstance(parsed, IPv4Address) else 88 if parsed.sixtofour else 80
    return str(type(parsed)(int(parsed) >> host_bits << host_bits))


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address.strip(BLANKS).partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed


def storable_address(address: str | None, mode: IpMode) -> str | None:
    """A caller's address as the mode lets it be stored; None for nothing."""
    if address is None or mode is IpMode.DROP:
        return None
    if mode is IpMode.TRUNCATE:
        return truncate_address(address)
    parsed = _parse(address)
    return None if parsed is None else str(parsed)


def truncated(source: Source) -> Source:
    """The source with its address cut, for a hit that asks for it and for all that is refused."""
    return source if source.user_ip is None else source._replace(user_ip=truncate_address(source.user_ip))


def stored_override(value: Any, mode: IpMode) -> str | None:
    """What is kept of an address that a client names itself: its network, whatever the mode lets of the caller's."""
    return truncate_address(value) if isinstance(value, str) and mode is not IpMode.DROP else None


def scrub_hit(hit: Hit, mode: IpMode) -> IpMode:
    """Cut the hit's own addresses in place (`uip` in whatever spelling, at whatever depth), whatever the mode; give the
    mode that holds for the caller's address.

    `aip` asks for truncation by being there: `aip=0` asks for it as well.
    """
    words: set[str] = set()
    names = _telling_names(tuple(hit))
    if names:
        _scrub_names(hit, names, mode, words)
    try:
        may_wrap = _may_wrap_override("\n".join(hit.values()))
    except TypeError:  # something is nested
        may_wrap = True
        for value in hit.values():
            _scrub_nested(value, mode, words)
    if may_wrap:
        for name, value in hit.items():
            hit[name] = _scrub_texts(value, mode)
    return IpMode.TRUNCATE if mode is IpMode.FULL and "aip" in words else mode


@lru_cache(maxsize=256)
def _telling_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names that override the address or ask for it to be cut. A site's hits have the same few sets of names."""
    return tuple(name for name in names if words_in(name))


def _scrub_names(fields: dict[str, Any], names: Iterable[str], mode: IpMode, words: set[str]) -> None:
    for name in names:
        in_name = words_in(name)
        words |= in_name
        if "uip" in in_name:
            stored = stored_override(fields[name], mode)
            if stored is None:
                del fields[name]
            else:
                fields[name] = stored


def _scrub_nested(value: Any, mode: IpMode, words: set[str]) -> None:
    if isinstance(value, dict):
        _scrub_names(value, tuple(value), mode, words)
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _scrub_nested(item, mode, words)


def _may_wrap_override(values: str) -> bool:
    """Whether one of a hit's values may be JSON, a form or a URL with an override of its own. Quick, and mostly not so:
    the word itself, or letters and escapes that may spell it."""
    return "uip" in values.lower() or "%" in values or "\\" in values or not values.isascii()


def _scrub_texts(value: Any, mode: IpMode) -> Any:
    """The value with the overrides cut that are wrapped in its texts. A text that has one and cannot be parsed goes; one
    without an address is left alone, whatever it mentions."""
    if isinstance(value, str):
        return (scrub_payload(value, mode) or "") if hides_address(value) else value
    if isinstance(value, dict):
        return {name: _scrub_texts(item, mode) for name, item in value.items()}
    return [_scrub_texts(item, mode) for item in value] if isinstance(value, list) else value


def scrub_payload(payload: str, mode: IpMode) -> str | None:
    """The text of a refused request with every `uip` in it cut, in whatever spelling and wrapping; None where an address
    may be in it that cannot be told from the rest."""
    return scrub(payload, lambda value: stored_override(value, mode) or "")


# ---------------------------------------------------------------------------------------------------------------------
# Other protocols than v1, in which addresses go by more names
# ---------------------------------------------------------------------------------------------------------------------
_ADDRESS_WORD = re.compile(r"(?<![a-z])ip(?:_?addr(?:ess)?)?(?![a-z])")


# The same where words have no bounds any more, because all letters are small; `uip` is found in any spelling anyway.
_MAY_NAME_ADDRESS = re.compile(r"(?<!u)ip(?:_?addr(?:ess)?)?(?![a-z])|forwarded")


@lru_cache(maxsize=4096)
def _names_address(name: str) -> bool:
    """`ip`, `ip_override`, `clientIp`, `request-ip`, `ep.ip_address`, `X-Forwarded-For`, however it is encoded."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return any(_ADDRESS_WORD.search(reading) or "forwarded" in reading for reading in readings(words))


def scrub_received(original: Any, mode: IpMode) -> None:
    """Cut the addresses in what was received, in place: those of `scrub_hit`, and whatever is named one."""
    _cut_named(original, mode, False)
    if isinstance(original, dict):
        scrub_hit(original, mode)


def _cut_named(value: Any, mode: IpMode, is_named: bool) -> None:
    if isinstance(value, list):
        members: Iterable[tuple[Any, Any]] = list(enumerate(value))
    elif isinstance(value, dict):
        members = list(value.items())
    else:
        return
    for name, item in members:
        named = is_named or (isinstance(name, str) and _names_address(name))
        if named and isinstance(name, str) and has_address(name):  # a request that lies encoded in a name
            del value[name]
        elif named and isinstance(item, str) and has_address(item):
            value[name] = stored_override(item, mode) or ""
        elif item.__class__ in (dict, list):
            _cut_named(item, mode, named)


def scrub_received_payload(payload: str, mode: IpMode) -> str | None:
    """The text of a refused request in such a protocol: what is JSON with its addresses cut; None where an address may be
    in it that cannot be told from the rest."""
    if not has_address(payload):
        return scrub_payload(payload, mode)
    try:
        value = read_json(payload)
        _cut_named(value, mode, False)
        return scrub_payload(write_json(value), mode)
    except RecursionError:
        return None
    except ValueError:
        may_be_named = any(_MAY_NAME_ADDRESS.search(reading) for reading in readings(payload))
        return None if may_be_named else scrub_payload(payload, mode)


def asks_not_to_be_tracked(headers: Mapping[str, str]) -> bool:
    """Whether a browser says Do Not Track or Global Privacy Control. Names in lower case."""
    return headers.get("dnt") == "1" or headers.get("sec-gpc") == "1"


def storable_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are stored, each at most 2,048 characters long. Names in lower case."""
    return {name: value[:MAX_HEADER_LENGTH] for name, value in headers.items() if name in KEPT_HEADERS}
