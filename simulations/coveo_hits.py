"""What the events of a Coveo session are in the protocol's words.

Each browsing row is a hit, but products bought at the same instant and page are one purchase. A search is an event (`ec=search`) that
shows its answer as a list; each product clicked in it is a `click` from that list, at the search's instant, since the data set does not
say when. The page with the results has a browsing row of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from simulations.audience import Shop, exchange, money
from simulations.coveo import Article, BrowsingEvent
from simulations.coveo_searches import Search
from simulations.shapes import PRICE_BUCKETS

Event = BrowsingEvent | Search
Said = dict[str, str]

RESULTS = "Search results"
# A hit may have 8,192 bytes; a hash has 64.
SHOWN = 50


def hits_of(
    events: list[Event], shop: Shop, articles: dict[str, Article], transaction_ids: str
) -> Iterator[tuple[int, Said]]:
    """The hits of a session's events, which are in order of time: when each was (epoch ms), and what it says of page and event."""
    for row, (_, group) in enumerate(groupby(enumerate(events), key=_one_hit)):
        first, *others = [event for _, event in group]
        if isinstance(first, Search):
            for said in _search(first, articles, shop):
                yield first.at, said
            continue
        together = [first, *(event for event in others if isinstance(event, BrowsingEvent))]
        yield (
            first.at,
            {
                "t": "pageview" if first.is_pageview else "event",
                "dl": f"https://{shop.host}/{first.url}",
                **_action(together, articles, shop.currencies[0], f"{transaction_ids}-{row}"),
            },
        )


def _one_hit(numbered: tuple[int, Event]) -> tuple[Any, ...]:
    """Events with the same key are one hit: the lines of a purchase, and otherwise each event for itself."""
    number, event = numbered
    if isinstance(event, BrowsingEvent) and event.action == "purchase":
        return ("purchase", event.at, event.url)
    return (number,)


def _search(search: Search, articles: dict[str, Article], shop: Shop) -> Iterator[Said]:
    """The search's event and a click for each product that was clicked."""
    page = {"t": "event", "dl": f"https://{shop.host}/search" + (f"?q={search.query}" if search.query else "")}
    event = {"ec": "search", "ea": "submit"} | ({"el": search.query} if search.query else {})
    shown = search.results[:SHOWN]
    results = {"il1nm": RESULTS} if shown else {}
    yield page | event | results | {f"il1pi{i}id": sku for i, sku in enumerate(shown, 1)}
    for sku in search.clicked:
        place = {"pr1ps": str(search.results.index(sku) + 1)} if sku in search.results else {}
        click = {"pa": "click", "cu": shop.currencies[0], "ec": "ecommerce", "ea": "click", "pal": RESULTS}
        yield page | click | _product(1, sku, articles, shop.currencies[0])[0] | place


def _action(events: list[BrowsingEvent], articles: dict[str, Article], currency: str, transaction_id: str) -> Said:
    """What an event did to its products."""
    action = events[0].action
    if not action:
        return {}
    parameters = {"pa": action, "cu": currency}
    if not events[0].is_pageview:
        parameters |= {"ec": "ecommerce", "ea": action}
    total = 0
    for i, event in enumerate(events, 1):
        product, price = _product(i, event.sku, articles, currency)
        parameters |= product
        parameters[f"pr{i}qt"] = "1"
        total += price
    if action == "purchase":
        parameters |= {"ti": transaction_id, "tr": money(total, currency)}
    return parameters


def _product(number: int, sku: str, articles: dict[str, Article], currency: str) -> tuple[Said, int]:
    """A product as the hit's `number`th, and its price in the currency's smallest unit, 0 where none is known."""
    article = articles.get(sku, Article("", None))
    said = {f"pr{number}id": sku}
    if article.category:
        said[f"pr{number}ca"] = article.category
    if article.price_bucket is None:
        return said, 0
    price = exchange(_price(sku, article.price_bucket), currency)
    return said | {f"pr{number}pr": money(price, currency)}, price


def _price(sku: str, bucket: int) -> int:
    """A price within the bucket, in hundredths, the same at every run."""
    low, high = PRICE_BUCKETS[min(max(bucket, 1), 10) - 1], PRICE_BUCKETS[min(max(bucket, 1), 10)]
    return low + 1 + number_of(sku) % (high - low)


def number_of(text: str) -> int:
    """A number that belongs to a text, in every process (Python's own hash() does not)."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
