"""GA4's items as v1's products, impressions and promotions.

An item is a mapping of gtag's two letters (`id`, `nm`, `pr`, …) to values; what a site adds to its items has a name of its own
after a dot (`.colour`). A field that an item lacks stays missing: no price is not a price of 0.

    view_item_list                      its items are impressions (`ilNpiM`), a list for each name of one
    view_promotion, select_promotion    promotions (`promoN`), of the event or of its items, each once
    all events but view_item_list       products (`prN`), which count where the event has a product action
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from collector.contract import Hit
from collector.protocols.events import as_parameter, put

Item = dict[str, Any]

# gtag's letters of an item to the letters behind v1's prN.
PRODUCT = {"id": "id", "nm": "nm", "br": "br", "ca": "ca", "va": "va", "pr": "pr", "qt": "qt", "cp": "cc", "lp": "ps"}
# The levels of a category below the first, which v1 writes as one path.
CATEGORIES = ("c2", "c3", "c4", "c5")
PROMOTION = {"pi": "id", "pn": "nm", "cn": "cr", "cs": "ps"}
_OF_PROMOTION = {"promotion_id": "pi", "promotion_name": "pn", "creative_name": "cn", "creative_slot": "cs"}


def put_items(hit: Hit, event: str, fields: Mapping[str, Any], items: Sequence[tuple[int, Item]]) -> list[str]:
    """Give the hit what an event says of things on sale. Gives the names of the fields that are left to read."""
    of_list = fields.get("ep.item_list_name") or fields.get("ep.item_list_id") or None
    if event == "view_item_list":
        _put_impressions(hit, of_list, items)
        return list(fields)
    for index, item in items:
        _put_item(hit, f"pr{index}", item)
    if hit.get("pa") in ("detail", "click"):
        put(hit, "pal", of_list or next((_list_of(item) for _, item in items if _list_of(item)), None))
    if event in ("view_promotion", "select_promotion"):
        return _put_promotions(hit, fields, items)
    return list(fields)


def _put_item(hit: Hit, prefix: str, item: Item) -> None:
    """An item's fields behind `prefix`; a category's levels as one path."""
    for name, value in item.items():
        text = value if value.__class__ is str else as_parameter(value)
        if text is None or name in CATEGORIES:
            continue
        if name == "ca":
            levels = [as_parameter(item[level]) for level in CATEGORIES if level in item]
            text = "/".join([str(text), *(str(level) for level in levels if level)])
        hit[prefix + PRODUCT.get(name, name)] = text


def _list_of(item: Item) -> Any:
    return item.get("ln") or item.get("li")


def _put_impressions(hit: Hit, of_list: Any, items: Sequence[tuple[int, Item]]) -> None:
    lists: dict[str, int] = {}
    shown: dict[int, int] = {}
    for _, item in items:
        name = str(as_parameter(_list_of(item) or of_list) or "")
        number = lists.setdefault(name, len(lists) + 1)
        shown[number] = shown.get(number, 0) + 1
        put(hit, f"il{number}nm", name)
        _put_item(hit, f"il{number}pi{shown[number]}", item)


def _put_promotions(hit: Hit, fields: Mapping[str, Any], items: Sequence[tuple[int, Item]]) -> list[str]:
    """In these events `cn` and `cs` are a creative's, not a campaign's."""
    of_event: Item = {}
    rest = []
    for name, value in fields.items():
        letters = name if name in PROMOTION else _OF_PROMOTION.get(name.removeprefix("ep."))
        if letters is None:
            rest.append(name)
        else:
            of_event[letters] = value
    promotions: list[Item] = []
    for item in [item for _, item in items] or [{}]:
        promotion = {letters: value for letters in PROMOTION if (value := item.get(letters) or of_event.get(letters))}
        if promotion and promotion not in promotions:
            promotions.append(promotion)
    for number, promotion in enumerate(promotions, start=1):
        for letters, value in promotion.items():
            put(hit, f"promo{number}{PROMOTION[letters]}", value)
    return rest
