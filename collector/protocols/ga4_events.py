"""What GA4's events mean in v1's parameters: one table for both of GA4's doors, in the names that gtag uses.

gtag's names are the common ones, since they are flat as v1's are: `en` the event, `ep.x` and `epn.x` its parameters as text
and as numbers, `up.x` and `upn.x` the user's. `ga4_mp` writes its JSON in these names; items come apart as
`ga4_shopping` reads them.

Revenue: a purchase's `tr` is GA4's `value` as it came. Google advises to leave tax and shipping out of `value`, v1 had them in
`tr`; nothing is added here, since nobody can see whose advice a site follows.

`user_engagement` is the client's clockwork and no interaction (`ni`): a visit of one page stays one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from collector.contract import Hit
from collector.protocols.events import ENGAGEMENT_MS, EVENT_NAME, SESSION_ID, keep, put
from collector.protocols.ga4_shopping import Item, put_items

PREFIX = "ga4"

# An event's name to the parameters that it has in v1. Without `t` it is an event, its action the name.
EVENTS: dict[str, dict[str, str]] = {
    "page_view": {"t": "pageview"},
    "screen_view": {"t": "screenview"},
    "exception": {"t": "exception"},
    "user_engagement": {"ni": "1"},
    "view_item": {"pa": "detail"},
    "select_item": {"pa": "click"},
    "add_to_cart": {"pa": "add"},
    "remove_from_cart": {"pa": "remove"},
    "begin_checkout": {"pa": "checkout", "cos": "1"},
    "add_shipping_info": {"pa": "checkout", "cos": "2"},
    "add_payment_info": {"pa": "checkout", "cos": "3"},
    "purchase": {"pa": "purchase"},
    "refund": {"pa": "refund"},
    "view_promotion": {"promoa": "view"},
    "select_promotion": {"promoa": "click"},
}

# Fields of a hit, gtag's name to v1's.
FIELDS: dict[str, str] = {
    "v": "v",
    "tid": "tid",
    "cid": "cid",
    "uid": "uid",
    "dl": "dl",
    "dr": "dr",
    "dt": "dt",
    "ul": "ul",
    "sr": "sr",
    "cu": "cu",
    "ua": "ua",
    "uip": "uip",
    "_uip": "uip",
    "aip": "aip",
    "cn": "cn",
    "cs": "cs",
    "cm": "cm",
    "ck": "ck",
    "cc": "cc",
    "ci": "ci",
    "gclid": "gclid",
    "dclid": "dclid",
    "en": EVENT_NAME,
    "sid": SESSION_ID,
    "_et": ENGAGEMENT_MS,
}

# Parameters that mean the same in every event.
PARAMETERS: dict[str, str] = {
    "page_location": "dl",
    "page_referrer": "dr",
    "page_title": "dt",
    "language": "ul",
    "screen_resolution": "sr",
    "currency": "cu",
    "session_id": SESSION_ID,
    "engagement_time_msec": ENGAGEMENT_MS,
    "event_category": "ec",
    "event_label": "el",
    "app_name": "an",
    "app_version": "av",
}

_TRANSACTION = {
    "transaction_id": "ti",
    "value": "tr",
    "tax": "tt",
    "shipping": "ts",
    "coupon": "tcc",
    "affiliation": "ta",
}
# Parameters that mean it in some events only.
PARAMETERS_OF: dict[str, dict[str, str]] = {
    "purchase": _TRANSACTION,
    "refund": _TRANSACTION,
    "screen_view": {"screen_name": "cd", "firebase_screen": "cd"},
    "exception": {"description": "exd", "fatal": "exf"},
    "add_shipping_info": {"shipping_tier": "col"},
    "add_payment_info": {"payment_type": "col"},
    "campaign_details": {
        "campaign": "cn",
        "source": "cs",
        "medium": "cm",
        "term": "ck",
        "content": "cc",
        "campaign_id": "ci",
    },
}


@lru_cache(maxsize=256)
def _targets(event: str, names: tuple[str, ...]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """An event's fields with what they are in v1, and those that have no name there. A site's events have the same few sets of names."""
    targets = [(name, _target(event, name)) for name in names]
    return (
        tuple((name, target) for name, target in targets if target is not None),
        tuple(name for name, target in targets if target is None),
    )


def _target(event: str, name: str) -> str | None:
    if name in FIELDS or name[:2] != "ep":
        return FIELDS.get(name)
    parameter = name.partition(".")[2]
    return PARAMETERS_OF.get(event, {}).get(parameter) or PARAMETERS.get(parameter)


def translate(
    fields: Mapping[str, Any], items: Sequence[tuple[int, Item]], given: Mapping[str, str], received_at: int
) -> Hit:
    """The hit of one event. `fields` in gtag's names, `items` by their index; `given` counts before the fields."""
    event = fields.get("en")
    event = event if isinstance(event, str) else ""
    hit: Hit = {**given, "t": "event", **EVENTS.get(event, {})}
    if hit["t"] == "event":
        hit["ea"] = event
    rest = put_items(hit, event, fields, items)
    known, unknown = _targets(event, tuple(rest))
    taken = set()
    for name, target in known:
        value = fields[name]
        if value.__class__ is str and value:  # `put`, spelled out: this runs for every parameter of every event
            if hit.setdefault(target, value) != value:
                taken.add(name)
        elif not put(hit, target, value):
            taken.add(name)
    # When all that has a name has it; what found its name taken by another value lies between the others as it came.
    for name in [name for name in rest if name in taken or name in unknown] if taken else unknown:
        keep(hit, name, fields[name], PREFIX)
    return hit
