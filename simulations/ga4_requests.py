"""A v1 hit as GA4's clients send it: by gtag (`/g/collect`) and by the Measurement Protocol (`/mp/collect`)."""

from __future__ import annotations

import json
from typing import NamedTuple
from urllib.parse import urlencode

from simulations.protocols import Moment, Sent
from simulations.taking import UNSAID, Hit, take, take_products, take_promotion, with_numbers

# A collector that asks for secrets (API_SECRETS) has to list this one.
SENDER = "simulation"

_PAGES = {"pageview": "page_view", "screenview": "screen_view", "exception": "exception"}
_ACTIONS = {
    "detail": "view_item", "click": "select_item", "add": "add_to_cart", "remove": "remove_from_cart", "purchase": "purchase",
    "refund": "refund",
}  # fmt: skip
_PARAMETERS = {
    "ec": "event_category",
    "el": "event_label",
    "pal": "item_list_name",
    "an": "app_name",
    "av": "app_version",
}
_TRANSACTION = {
    "ti": "transaction_id",
    "tr": "value",
    "tt": "tax",
    "ts": "shipping",
    "tcc": "coupon",
    "ta": "affiliation",
}
_OF_EVENT = {
    "screen_view": {"cd": "screen_name"},
    "exception": {"exd": "description", "exf": "fatal"},
    "purchase": _TRANSACTION,
    "refund": _TRANSACTION,
}
_NUMBERS = frozenset({"value", "tax", "shipping", "price", "quantity", "index"})

_QUERY = {name: name for name in ("tid", "cid", "uid", "dl", "dr", "dt", "ul", "sr")}
_CAMPAIGN = {name: name for name in ("cn", "cs", "cm")}
_LETTERS = {"id": "id", "nm": "nm", "br": "br", "ca": "ca", "va": "va", "pr": "pr", "qt": "qt", "cc": "cp", "ps": "lp"}
_PROMOTION_LETTERS = {"id": "pi", "nm": "pn", "cr": "cn", "ps": "cs"}

_PAGE = {
    "dl": "page_location",
    "dr": "page_referrer",
    "dt": "page_title",
    "ul": "language",
    "sr": "screen_resolution",
    "cu": "currency",
}
_ITEM = {
    "id": "item_id", "nm": "item_name", "br": "item_brand", "ca": "item_category", "va": "item_variant", "pr": "price",
    "qt": "quantity", "cc": "coupon", "ps": "index",
}  # fmt: skip
_PROMOTION = {"id": "promotion_id", "nm": "promotion_name", "cr": "creative_name", "ps": "creative_slot"}


class _Event(NamedTuple):
    name: str
    parameters: Hit


def _take_event(hit: Hit) -> _Event | None:
    """The event of a hit and its own parameters; None for one that GA4 has no event for."""
    kind, action = hit.pop("t"), hit.pop("pa", None)
    for name in UNSAID:
        hit.pop(name, None)
    if kind in _PAGES and action is None:
        event = _PAGES[kind]
    elif kind != "event":
        return None
    else:
        own = hit.pop("ea")
        if action is None:
            event = "select_promotion" if hit.pop("promoa", None) == "click" else own
        elif action in _ACTIONS:
            event = _ACTIONS[action]
        else:
            return None
    return _Event(event, take(hit, _PARAMETERS | _OF_EVENT.get(event, {})))


def gtag(given: Hit, moment: Moment) -> Sent | None:
    """The hit as a beacon: what the page's events share in the query string, the event in the body. None where gtag cannot say it."""
    hit, z = dict(given), given["z"]
    del hit["z"]
    event = _take_event(hit)
    if event is None or moment.happened != moment.sent:
        return None
    # `_p` and `_s` are what tells a retry.
    query = {
        "v": "2",
        **take(hit, _QUERY),
        "sid": str(moment.session),
        "_p": str(int(z[:8], 16)),
        "_s": str(int(z[9:13], 16)),
    }
    line = {"en": event.name, "_et": _engagement(z), **take(hit, {"cu": "cu"})}
    if event.name == "select_promotion":
        line |= take_promotion(hit, _PROMOTION_LETTERS)
    else:
        query |= take(hit, _CAMPAIGN)
    for name, value in event.parameters.items():
        line[f"epn.{name}" if name in _NUMBERS else f"ep.{name}"] = value
    for number, product in enumerate(take_products(hit, _LETTERS), start=1):
        line[f"pr{number}"] = "~".join(letters + value.replace("~", "~~") for letters, value in product.items())
    return None if hit else Sent("/g/collect", urlencode(query), "text/plain;charset=UTF-8", urlencode(line))


def measurement_protocol(given: Hit, moment: Moment) -> Sent | None:
    """The hit as a server sends it for a visitor. None where the protocol cannot say it."""
    hit, z = dict(given), given["z"]
    del hit["z"]
    event = _take_event(hit)
    if event is None:
        return None
    query = {"measurement_id": hit.pop("tid"), "api_secret": SENDER}
    visitor = take(hit, {"cid": "client_id", "uid": "user_id"}) | {"user_agent": moment.user_agent}
    if moment.address is not None:
        visitor["ip_override"] = moment.address
    parameters = with_numbers({**take(hit, _PAGE), **event.parameters}, _NUMBERS)
    if event.name == "select_promotion":
        parameters |= take_promotion(hit, _PROMOTION)
    # With the time, what tells a retry from the same done twice.
    parameters |= {"session_id": str(moment.session), "engagement_time_msec": int(_engagement(z))}
    items = [with_numbers(product, _NUMBERS) for product in take_products(hit, _ITEM)]
    event_ = {"name": event.name, "params": {**parameters, **({"items": items} if items else {})}}
    body = {**visitor, "timestamp_micros": moment.happened * 1000, "events": [event_]}
    return (
        None if hit else Sent("/mp/collect", urlencode(query), "application/json", json.dumps(body, ensure_ascii=False))
    )


def _engagement(z: str) -> str:
    return str(1 + int(z[14:18], 16) % 10_000)
