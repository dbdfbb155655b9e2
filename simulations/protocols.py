"""Which wire format each visit's client speaks, and a hit as that client sends it.

The simulator plans in Measurement Protocol v1. A visit has one client (drawn by share), which says a hit in its own words wherever
the collector's translation gives the same hit again, but for what no figure is made of: the name of a shop's action (`ea`:
`view_item` instead of `detail`), what says that nobody interacted (`ni`), viewport, encoding and colours, and in Segment the category
of a shop's event. All else that a protocol cannot say goes by v1, so that the truth is the same whatever the shares are:

    ga4, ga4_mp, segment   pages with products, lists or promotions on them; timings; social hits; `sc`; values of events (`ev`); what
                           happens on an app's screen but opens none; queue times that are wrong on purpose
    ga4                    queue times: gtag has none
    ga4, ga4_mp            options of a checkout
    ga4_mp                 campaigns as parameters
    segment                exceptions
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

# Shares by name, none is v1 alone.
Shares = tuple[tuple[str, float], ...]

V1 = "v1"
PROTOCOLS = (V1, "ga4", "ga4_mp", "segment")
_ALIASES = {"ga4mp": "ga4_mp"}


class Moment(NamedTuple):
    """When a hit happens and is sent (epoch ms), whose browser it is, from where (None: the request's own), and in which session (a number)."""

    happened: int
    sent: int
    user_agent: str
    address: str | None
    session: int


class Sent(NamedTuple):
    """A request: what follows the collector's address, and its body."""

    path: str
    query: str
    content_type: str
    body: str


def read_shares(text: str) -> Shares:
    """`v1=0.6,ga4=0.2,ga4_mp=0.1,segment=0.1`; what is not named has no share. Raises ValueError, in words that follow a name."""
    given: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, share = (side.strip() for side in part.partition("="))
        try:
            given[_ALIASES.get(name, name)] = float(share or 1)
        except ValueError:
            raise ValueError(f"has {share!r} for {name}: write a share such as {name}=0.2") from None
    return checked(given)


def checked(given: Mapping[str, float]) -> Shares:
    """The shares in the order of PROTOCOLS. Raises ValueError."""
    for name, share in given.items():
        if name not in PROTOCOLS:
            raise ValueError(f"names {name!r}: a protocol is one of {', '.join(PROTOCOLS)}")
        if not 0 <= share < float("inf"):
            raise ValueError(f"has {share} for {name}: a share is 0 or more")
    shares = tuple((name, float(given[name])) for name in PROTOCOLS if given.get(name))
    if given and not shares:
        raise ValueError("gives everybody a share of 0")
    return () if len(shares) == 1 and shares[0][0] == V1 else shares
