"""What Segment's calls mean in v1's parameters, after its e-commerce specification. RudderStack's clients speak it too.

Events of a shop get the action that GA4's have (`Order Completed` is a `purchase`), so that one site may send both; the client's
own name stays in `_en`. A message's `properties`, `traits` and `context` keep what no table takes as `properties.x`, `traits.x`
and `context.x`.

Revenue: a purchase's `tr` is `total`, which has tax and shipping in it as v1's `tr` has; else `revenue`, else `value`.

`identify`, `group` and `alias` say who somebody is: events without interaction (`ni`), for the user id that they bring.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

PREFIX = "segment"


class Meaning(NamedTuple):
    """What a track call says: the event's action, v1's parameters, and where its goods are: `products`, a single `product` in
    its properties, a `list` of what is shown, a `promotion`; "" for none."""

    action: str
    parameters: Mapping[str, str] = MappingProxyType({})
    goods: str = ""


# Types of calls to the parameters that they have in v1.
CALLS: dict[str, dict[str, str]] = {
    "track": {"t": "event"},
    "page": {"t": "pageview"},
    "screen": {"t": "screenview"},
    "identify": {"t": "event", "ea": "identify", "ni": "1"},
    "group": {"t": "event", "ea": "group", "ni": "1"},
    "alias": {"t": "event", "ea": "alias", "ni": "1"},
}

# Names of tracked events, in lower case.
EVENTS: dict[str, Meaning] = {
    "product viewed": Meaning("view_item", {"pa": "detail"}, "product"),
    "product clicked": Meaning("select_item", {"pa": "click"}, "product"),
    "product added": Meaning("add_to_cart", {"pa": "add"}, "product"),
    "product removed": Meaning("remove_from_cart", {"pa": "remove"}, "product"),
    "cart viewed": Meaning("view_cart", {}, "products"),
    "checkout started": Meaning("begin_checkout", {"pa": "checkout", "cos": "1"}, "products"),
    "checkout step viewed": Meaning("checkout_step", {"pa": "checkout"}, "products"),
    "checkout step completed": Meaning("checkout_step", {"pa": "checkout_option"}, "products"),
    "payment info entered": Meaning("add_payment_info", {"pa": "checkout", "cos": "3"}, "products"),
    "order completed": Meaning("purchase", {"pa": "purchase"}, "products"),
    "order refunded": Meaning("refund", {"pa": "refund"}, "products"),
    "product list viewed": Meaning("view_item_list", {}, "list"),
    "promotion viewed": Meaning("view_promotion", {"promoa": "view"}, "promotion"),
    "promotion clicked": Meaning("select_promotion", {"promoa": "click"}, "promotion"),
    "products searched": Meaning("search"),
}

# Fields of a message.
FIELDS: dict[str, str] = {"anonymousId": "cid", "userId": "uid", "writeKey": "tid", "messageId": "z"}

# Fields of its context, and those of the objects in it.
CONTEXT: dict[str, str] = {"ip": "uip", "userAgent": "ua", "locale": "ul", "sessionId": "_sid"}
CONTEXT_OF: dict[str, dict[str, str]] = {
    "page": {"url": "dl", "referrer": "dr", "title": "dt"},
    "campaign": {
        "name": "cn",
        "source": "cs",
        "medium": "cm",
        "term": "ck",
        "content": "cc",
        "id": "ci",
    },
    "app": {"name": "an", "version": "av"},
}

# Properties of any call, where the context does not say it.
PROPERTIES: dict[str, str] = {"url": "dl", "referrer": "dr", "title": "dt", "currency": "cu"}
# Of a track call that is no shop's, after what Segment sends to Universal Analytics.
PROPERTIES_OF_EVENTS: dict[str, str] = {"category": "ec", "label": "el"}

TRANSACTION: dict[str, str] = {
    "order_id": "ti",
    "tax": "tt",
    "shipping": "ts",
    "coupon": "tcc",
    "affiliation": "ta",
}
# The first that is there is the revenue.
REVENUE = ("total", "revenue", "value")
CHECKOUT: dict[str, str] = {"step": "cos", "payment_method": "col", "shipping_method": "col"}
PROMOTION: dict[str, str] = {"promotion_id": "id", "name": "nm", "creative": "cr", "position": "ps"}
LIST_NAMES = ("list", "list_name", "list_id", "category")

# A product's fields to the letters behind v1's prN. Of an id and a sku the first one is its id.
PRODUCT: dict[str, str] = {
    "product_id": "id",
    "sku": "id",
    "name": "nm",
    "brand": "br",
    "category": "ca",
    "variant": "va",
    "price": "pr",
    "quantity": "qt",
    "coupon": "cc",
    "position": "ps",
}

Properties = dict[str, Any]
