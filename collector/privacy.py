"""What may reach disk: addresses cut to a network, headers on an allow-list, payloads of refused requests scrubbed.

An address is cut to its /24 (IPv4) or /48 (IPv6) network, as Google Analytics' own anonymization does or stricter. What
cannot be read as an address is not kept, since it may well be one in a spelling that we do not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import unquote

from collector.contract import Hit
from collector.records import Source
from collector.settings import IpMode

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

_UIP_IN_TEXT = re.compile(r"""(\buip["']?\s*[=:]\s*["']?)([^&"'\s,}]*)""", re.IGNORECASE)


@lru_cache(maxsize=4096)
def truncate_address(address: str) -> str | None:
    """`203.0.113.77` becomes `203.0.113.0`, `2001:db8:1:2::3` becomes `2001:db8:1::`; None where it is no address."""
    parsed = _parse(address)
    if parsed is None:
        return None
    host_bits = 8 if isinstance(parsed, IPv4Address) else 80
    return str(type(parsed)(int(parsed) >> host_bits << host_bits))


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address.strip().partition("%")[0])
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


def scrub_hit(hit: Hit, mode: IpMode) -> IpMode:
    """Cut the hit's own address (`uip`) in place, whatever the mode; give the mode that holds for the caller's address.

    `aip` asks for truncation by being there: `aip=0` asks for it as well.
    """
    if "uip" in hit:
        uip = hit["uip"]
        stored = truncate_address(uip) if isinstance(uip, str) and mode is not IpMode.DROP else None
        if stored is None:
            del hit["uip"]
        else:
            hit["uip"] = stored
    return IpMode.TRUNCATE if mode is IpMode.FULL and "aip" in hit else mode


def scrub_payload(payload: str, mode: IpMode) -> str:
    """The text of a refused request with every `uip` in it cut, be it JSON or form-encoded."""

    def scrubbed(match: re.Match[str]) -> str:
        kept = None if mode is IpMode.DROP else truncate_address(unquote(match[2]))
        return match[1] + (kept or "")

    return _UIP_IN_TEXT.sub(scrubbed, payload)


def asks_not_to_be_tracked(headers: Mapping[str, str]) -> bool:
    """Whether a browser says Do Not Track or Global Privacy Control. Names in lower case."""
    return headers.get("dnt") == "1" or headers.get("sec-gpc") == "1"


def storable_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are stored, each at most 2,048 characters long. Names in lower case."""
    return {name: value[:MAX_HEADER_LENGTH] for name, value in headers.items() if name in KEPT_HEADERS}
