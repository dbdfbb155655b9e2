"""A v1 hit as Segment's clients send it: one message to `/v1/track`, `/v1/page` or `/v1/screen`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from simulations.protocols import Moment, Sent
from simulations.taking import UNSAID, Hit, take, take_products, take_promotion, with_numbers

_PAGES = {"pageview": ("page", "dt"), "screenview": ("screen", "cd")}
_ACTIONS = {
    "detail": "Product Viewed", "click": "Product Clicked", "add": "Product Added", "remove": "Product Removed",
    "checkout_option": "Checkout Step Completed", "purchase": "Order Completed", "refund": "Order Refunded",
}  # fmt: skip
_ONE_PRODUCT = ("detail", "click", "add", "remove")
_TRANSACTION = {
    "ti": "order_id",
    "tr": "total",
    "tt": "tax",
    "ts": "shipping",
    "tcc": "coupon",
    "ta": "affiliation",
    "cu": "currency",
}
_OF_ACTION = {
    "click": {"pal": "list", "cu": "currency"},
    "checkout_option": {"cos": "step", "col": "payment_method"},
    "purchase": _TRANSACTION,
    "refund": _TRANSACTION,
}
_PRODUCT = {
    "id": "product_id", "nm": "name", "br": "brand", "ca": "category", "va": "variant", "pr": "price", "qt": "quantity",
    "cc": "coupon", "ps": "position",
}  # fmt: skip
_PROMOTION = {"id": "promotion_id", "nm": "name", "cr": "creative", "ps": "position"}
_NUMBERS = frozenset({"total", "tax", "shipping", "price", "quantity"})
_VISITOR = {"cid": "anonymousId", "uid": "userId", "tid": "writeKey", "z": "messageId"}


def segment(given: Hit, moment: Moment) -> Sent | None:
    """The hit as a message. None where Segment's events cannot say it."""
    hit = dict(given)
    kind, action = hit.pop("t"), hit.pop("pa", None)
    for name in UNSAID:
        hit.pop(name, None)
    message: dict[str, Any] = take(hit, _VISITOR)
    if kind in _PAGES and action is None:
        call, name = _PAGES[kind]
        message |= {"name": hit[name]} if name in hit else {}
        if call == "screen":
            hit.pop(name, None)
    elif kind != "event":
        return None
    else:
        call, properties = "track", _take_event(hit, message, action)
        if properties is None:
            return None
        message["properties"] = properties
    message["context"] = _take_context(hit, moment)
    message |= {"originalTimestamp": _iso(moment.happened), "sentAt": _iso(moment.sent)}
    return None if hit else Sent(f"/v1/{call}", "", "application/json", json.dumps(message, ensure_ascii=False))


def _take_event(hit: Hit, message: dict[str, Any], action: str | None) -> dict[str, Any] | None:
    """Name the message's event; its properties, None for an action that is no event of Segment's."""
    own = hit.pop("ea")
    if action is None:
        if hit.pop("promoa", None) != "click":
            message["event"] = own
            return dict(take(hit, {"ec": "category", "el": "label"}))
        message["event"] = "Promotion Clicked"
        hit.pop("ec", None)
        return dict(take_promotion(hit, _PROMOTION))
    if action not in _ACTIONS:
        return None
    message["event"] = _ACTIONS[action]
    hit.pop("ec", None)
    properties = with_numbers(take(hit, _OF_ACTION.get(action, {"cu": "currency"})), _NUMBERS)
    products = [with_numbers(product, _NUMBERS) for product in take_products(hit, _PRODUCT)]
    if action in _ONE_PRODUCT:
        return {**properties, **products[0]} if len(products) == 1 else None
    return {**properties, **({"products": products} if products else {})}


def _take_context(hit: Hit, moment: Moment) -> dict[str, Any]:
    context: dict[str, Any] = {"userAgent": moment.user_agent}
    if moment.address is not None:
        context["ip"] = moment.address
    context |= take(hit, {"ul": "locale"})
    for name, fields in (
        ("page", {"dl": "url", "dr": "referrer", "dt": "title"}),
        ("campaign", {"cn": "name", "cs": "source", "cm": "medium"}),
        ("app", {"an": "name", "av": "version"}),
    ):
        context |= {name: taken} if (taken := take(hit, fields)) else {}
    if "sr" in hit:
        width, _, height = hit.pop("sr").partition("x")
        context["screen"] = {"width": int(width), "height": int(height)}
    return context


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
