"""The goods of Segment's e-commerce events as v1's products, impressions, promotions, transactions.

A product's fields that v1 does not know keep their name behind a dot (`pr1.size`). A single product's event has them among its
properties, where what is no product's stays.
"""

from __future__ import annotations

from typing import Any

from collector.contract import Hit
from collector.protocols.events import as_parameter, mapping, put, says_something, take
from collector.protocols.segment_events import (
    CHECKOUT,
    LIST_NAMES,
    PRODUCT,
    PROMOTION,
    REVENUE,
    TRANSACTION,
    Properties,
)


def put_goods(hit: Hit, goods: str, properties: Properties) -> None:
    """Move what a shop's event says from its properties into the hit; what is left there is no goods'."""
    action = hit.get("pa")
    listed = properties.get("products")
    products = [mapping(product) for product in listed] if isinstance(listed, list) else []
    if goods == "list":
        _put_impressions(hit, properties, products)
    elif goods == "promotion":
        take(hit, properties, PROMOTION, "promo1")
    elif products:
        for number, product in enumerate(products, start=1):
            _put_product(hit, f"pr{number}", product)
    elif goods == "product":
        take(hit, properties, PRODUCT, "pr1")
    if products and goods:
        del properties["products"]
    if action in ("detail", "click"):
        put(
            hit,
            "pal",
            next((properties[name] for name in LIST_NAMES[:3] if says_something(properties.get(name))), None),
        )
    if action in ("purchase", "refund"):
        revenue = next((name for name in REVENUE if properties.get(name) not in (None, "")), None)
        if revenue is not None:
            put(hit, "tr", properties.pop(revenue))
        take(hit, properties, TRANSACTION)
    elif action in ("checkout", "checkout_option"):
        if properties.get("step") not in (None, ""):
            hit.pop("cos", None)
        take(hit, properties, CHECKOUT)


def _put_product(hit: Hit, prefix: str, product: dict[str, Any]) -> None:
    rest = dict(product)
    take(hit, rest, PRODUCT, prefix)
    for name, value in rest.items():
        put(hit, f"{prefix}.{name}", value)


def _put_impressions(hit: Hit, properties: Properties, products: list[dict[str, Any]]) -> None:
    name = next((as_parameter(properties[name]) for name in LIST_NAMES if says_something(properties.get(name))), None)
    put(hit, "il1nm", name)
    for number, product in enumerate(products, start=1):
        _put_product(hit, f"il1pi{number}", product)
