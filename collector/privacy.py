"""What may reach disk: addresses cut to a network, headers on an allow-list, payloads of refused requests scrubbed.

An address is cut to its /24 (IPv4) or /48 (IPv6) network, as Google Analytics' own anonymization does or stricter. What
cannot be read as an address is not kept, since it may well be one in a spelling that we do not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from collector.contract import Hit
from collector.payloads import hides_address, scrub
from collector.records import Source
from collector.settings import IpMode
from collector.spellings import words_in
from collector.texts import BLANKS

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


def scrub_hit(hit: Hit, mode: IpMode, *, is_plain: bool = False) -> IpMode:
    """Cut the hit's own addresses in place (`uip` in whatever spelling, at whatever depth), whatever the mode; give the
    mode that holds for the caller's address.

    `aip` asks for truncation by being there: `aip=0` asks for it as well. `is_plain`: whoever made the hit has looked at what its
    values were made of, and nothing is named, nested or wrapped in them.
    """
    words: set[str] = set()
    names = _telling_names(tuple(hit))
    if names:
        _scrub_names(hit, names, mode, words)
    if not is_plain:
        try:
            may_wrap = may_wrap_override("\n".join(hit.values()))
        except TypeError:  # something is nested
            may_wrap = True
            for value in hit.values():
                _scrub_nested(value, mode, words)
        if may_wrap:
            scrub_texts(hit, mode)
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


def may_wrap_override(values: str) -> bool:
    """Whether one of a hit's values may be JSON, a form or a URL with an override of its own. Quick, and mostly not so:
    the word itself, or letters and escapes that may spell it."""
    return "uip" in values.lower() or "%" in values or "\\" in values or not values.isascii()


def scrub_texts(fields: dict[str, Any], mode: IpMode) -> None:
    """Cut what is wrapped in the texts of an object, in place."""
    for name, value in fields.items():
        fields[name] = _scrub_texts(value, mode)


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


def asks_not_to_be_tracked(headers: Mapping[str, str]) -> bool:
    """Whether a browser says Do Not Track or Global Privacy Control. Names in lower case."""
    return headers.get("dnt") == "1" or headers.get("sec-gpc") == "1"


def storable_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are stored, each at most 2,048 characters long. Names in lower case."""
    return {name: value[:MAX_HEADER_LENGTH] for name, value in headers.items() if name in KEPT_HEADERS}
