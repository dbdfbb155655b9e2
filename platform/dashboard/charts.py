"""What the dashboard shows: each chart and each figure at the top, which rows of which table it adds up and what it says of them.

The page's script adds up (dashboard.js); drawing.py says how a chart is drawn. To add one, name it here: its page, table and form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Chart:
    """One chart. Rows of `source` are added up by `keys`; `measures` (what it is called, by column) are columns of its table, and
    `drawn` of them are drawn, all where none is named. `form` is how (drawing.py), `unit` "money" where one currency at a time counts, and
    `noun` what its labels are; the table of what is `opened` shows from the start."""

    name: str
    page: str
    title: str
    says: str
    source: str
    keys: tuple[str, ...]
    measures: Mapping[str, str]
    form: str
    drawn: tuple[str, ...] = ()
    unit: str = ""
    noun: str = ""
    opened: bool = False


_FUNNEL = {
    "sessions": "sessions",
    "with_detail": "saw a product",
    "with_add": "filled the cart",
    "with_checkout": "checked out",
    "with_purchase": "bought",
}
_MONEY = {"revenue": "revenue", "tax": "tax", "shipping": "shipping", "refunded": "refunded"}
_PER_PERIOD = "Distinct within each period, which do not add up: who comes on two days is in both."

CHARTS = (
    Chart(
        "channel-revenue", "business", "Revenue by channel", "Purchases by what brought their session, before refunds.",
        "channel_sales", ("label",), {"revenue": "revenue", "orders": "orders"}, "bars", ("revenue",), "money", noun="channel",
    ),
    Chart(
        "money", "business", "Revenue, tax, shipping and refunds", "Tax and shipping as the shop states them beside its revenue.",
        "money", ("period",), {**_MONEY, "orders": "orders", "refunds": "refunds"}, "lines", tuple(_MONEY), "money",
    ),
    Chart(
        "currencies", "business", "All currencies", "Amounts of each are in the table: nothing adds one currency to another.",
        "money", ("currency",), {"orders": "orders", "refunds": "refunds", **_MONEY}, "bars", ("orders",), noun="currency", opened=True,
    ),
    Chart(
        "traffic", "business", "Hits and pageviews", "Hits of known bots are left out; they have a chart of their own.",
        "traffic", ("period",), {"hits": "hits", "pageviews": "pageviews"}, "lines",
    ),
    Chart(
        "sessions", "business", "Sessions", f"Active ones have a hit in the period. {_PER_PERIOD} Started ones add up.",
        "traffic", ("period",), {"new_sessions": "started", "active_sessions": "active"}, "lines",
    ),
    Chart(
        "visitors", "business", "Clients and users", f"New: not seen in the 30 days before. {_PER_PERIOD}",
        "traffic", ("period",),
        {"active_clients": "active clients", "new_clients": "new clients", "active_users": "active users", "new_users": "new users"},
        "lines",
    ),
    Chart(
        "funnel", "business", "From visit to purchase", "Sessions that came so far, whatever they left out on the way.",
        "channels", (), _FUNNEL, "steps",
    ),
    Chart(
        "channel-sessions", "business", "Sessions by channel", "By what brought them; how far they came is in the table.",
        "channels", ("label",), _FUNNEL, "bars", ("sessions",), noun="channel",
    ),
    Chart(
        "campaign-revenue", "business", "Revenue by campaign", "The 15 campaigns with most sessions.",
        "campaign_sales", ("label",), {"revenue": "revenue", "orders": "orders"}, "bars", ("revenue",), "money", noun="campaign",
    ),
    Chart(
        "campaign-sessions", "business", "Sessions by campaign", "The 15 campaigns with most sessions.",
        "campaigns", ("label",), _FUNNEL, "bars", ("sessions",), noun="campaign",
    ),
    Chart(
        "product-revenue", "business", "Revenue by product", "Price times quantity, of the 15 of which most was bought.",
        "products", ("label",), {"revenue": "revenue"}, "bars", (), "money", noun="product",
    ),
    Chart(
        "product-items", "business", "Items bought by product", "The 15 of which most was bought; what was looked at and added is in the table.",
        "products", ("label",), {"items": "items bought", "adds": "added to the cart", "details": "details seen"}, "bars", ("items",), noun="product",
    ),
    Chart(
        "category-revenue", "business", "Revenue by category", "Price times quantity, of the 15 of which most was bought.",
        "categories", ("label",), {"revenue": "revenue"}, "bars", (), "money", noun="category",
    ),
    Chart(
        "devices", "business", "Sessions by device", "A bot's session is one of which every hit is a known machine's.",
        "devices", ("label",), {"sessions": "sessions", "hits": "hits"}, "bars", ("sessions",), noun="device",
    ),
    Chart(
        "bots", "business", "People and bots", "Hits by whether the user agent is known for a machine.",
        "traffic", ("period",), {"hits": "hits of people", "bot_hits": "hits of bots"}, "lines",
    ),
    Chart(
        "arrivals", "quality", "Archived and loaded", "Lines of the archive by the date of their arrival: each is a raw row, or a line that is no JSON.",
        "arrivals", ("period",),
        {"archived": "lines archived", "raw": "raw rows", "bad_lines": "lines that are no JSON", "objects": "objects"},
        "lines", ("archived", "raw"),
    ),
    Chart(
        "modelled", "quality", "Where hits went", "By the date on which they happened: every line is in one of the three.",
        "modelled", ("period", "label"), {"hits": "hits"}, "columns", noun="where",
    ),
    Chart(
        "duplicates", "quality", "Duplicates by kind", "Left out: the same delivery twice, a client's second try, a record that a revision replaces.",
        "duplicates", ("period", "label"), {"hits": "hits"}, "columns", noun="kind",
    ),
    Chart(
        "quarantine", "quality", "Quarantine by reason", "Kept and not modelled.",
        "quarantine", ("period", "label"), {"hits": "lines"}, "columns", noun="reason",
    ),
    Chart(
        "lateness", "quality", "Lateness", "From the hit to its receipt, and to its object in the archive.",
        "lateness", ("period", "label"), {"hits": "hits"}, "columns", noun="how late",
    ),
    Chart(
        "states", "quality", "How each date stands", "Stale: something is loaded that its models have not seen. Held: another build waits for a person.",
        "states", ("period", "label"), {"dates": "dates"}, "strip", noun="state",
    ),
    Chart(
        "versions", "publications", "What changed when", "Models by date that each of the newest 20 publications changed.",
        "versions", ("label", "period"), {"models": "models", "rows": "rows"}, "map", ("models",), noun="publication",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Tile:
    """One figure at the top: `how` a measure of a source becomes it. Where it is a share, `measure` is of `whole`; where it is the top
    one, it is the label that has most of it."""

    name: str
    title: str
    source: str
    measure: str
    how: str = "sum"
    whole: str = ""
    unit: str = ""


TILES = (
    Tile("best-channel", "Most revenue from", "channel_sales", "revenue", "top", unit="money"),
    Tile("revenue", "Revenue", "money", "revenue", unit="money"),
    Tile("refunded", "Refunded", "money", "refunded", unit="money"),
    Tile("orders", "Orders, all currencies", "traffic", "orders"),
    Tile("conversion", "Sessions with a purchase", "channels", "with_purchase", "share", "sessions"),
    Tile("sessions", "Sessions started", "traffic", "new_sessions"),
    Tile("hits", "Hits", "traffic", "hits"),
    Tile("pageviews", "Pageviews", "traffic", "pageviews"),
    Tile("new-clients", "New clients", "traffic", "new_clients"),
    Tile("active-clients", "Active clients", "traffic", "active_clients", "mean"),
    Tile("active-users", "Active users", "traffic", "active_users", "mean"),
)
"""Clients and users that are active are a mean: over periods they do not add up."""
