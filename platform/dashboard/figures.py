"""The figures of the dashboard: what the published statistics, the marts and the ledger of a warehouse hold of its newest dates. Pure SQL.

In: a warehouse, whichever it is. Out: a `Table` a source, ready to be JSON: a list a column, texts as numbers of a list of what they can
be, amounts as decimal text, so that no digit of them is lost. The page adds rows up, and therefore no source is one in which clients,
users or active sessions are to be added: those come from the statistics as they are, a row a period and property.

Bounded whatever clients send: the newest DAYS dates, fewer where they have more than MOST_HITS (each publication asks anew), HOURS_OF of
them by the hour; the tracking ids, currencies, campaigns, products and reasons that matter most. What is left is one row, '(others)';
amounts of other currencies are left out: no sum mixes currencies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from ingestion_platform.dates import ONE_DAY, Window
from ingestion_platform.resources.warehouse import Warehouse

DAYS = 92
MOST_HITS, LEAST_DAYS = 10_000_000, 14
HOURS_OF = 14
_PROPERTIES, _CURRENCIES = 10, 8
BOUNDS = f"{_CURRENCIES} and {_PROPERTIES}"
# A session goes on for less than two days after the date that it has.
_SESSION_REACH = timedelta(days=2)

_FOLDER = Path(__file__).parent / "sql"
_HITS_SQL = "select event_date, hits + bot_hits from stats.overview_1d where tracking_id = '(all)' and event_date >= ?"

_PARTS = {
    "shown": f"""
    select tracking_id
    from stats.overview_1d
    where event_date >= :first and event_date < :end and tracking_id <> '(all)'
    group by tracking_id
    order by sum(hits) desc, tracking_id
    limit {_PROPERTIES}
""",
    "currencies": f"""
    select currency_code
    from stats.revenue_1d
    where event_date >= :first and event_date < :end and tracking_id = '(all)'
    group by currency_code
    order by sum(transactions) desc, sum(refunds) desc, currency_code
    limit {_CURRENCIES}
""",
}
_PEOPLE = {"population": "not is_bot"}
_CHANNEL = {"label": "coalesce(channel, '(not set)')"}
_CAMPAIGN = {"label": "coalesce(campaign_name, '(no campaign)')"}
_PRODUCT = {"label": "coalesce(product_name, product_id)"}
_CATEGORY = {"label": "product_category"}
_DONE = ("details", "adds", "items")


@dataclass(frozen=True)
class Source:
    """A query (a file of sql/ with the parts that are put into it) and its columns in their order: `keys`, `counts` and `amounts`."""

    file: str
    keys: Sequence[str]
    counts: Sequence[str] = ()
    amounts: Sequence[str] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    hourly: bool = False
    newest_first: bool = False

    @property
    def sql(self) -> str:
        return _text(self.file).format(**{**_PARTS, **self.parts})

    @property
    def columns(self) -> list[str]:
        return [*self.keys, *self.counts, *self.amounts]

    @property
    def relations(self) -> set[str]:
        """The tables that it reads."""
        return set(re.findall(r"\b(?:from|join)\s+((?:raw|events|stats)\.\w+)", self.sql))


_TRAFFIC = (
    "hits",
    "bot_hits",
    "pageviews",
    "active_sessions",
    "new_sessions",
    "active_clients",
    "new_clients",
    "active_users",
    "new_users",
    "details",
    "adds",
    "orders",
    "items",
)


def _period(hourly: bool) -> dict[str, str]:
    return {"at": "period" if hourly else "event_date"}


def _traffic(period: str, hourly: bool) -> Source:
    return Source(
        "traffic", ("period", "tracking_id"), _TRAFFIC, (), _period(hourly) | {"overview": f"overview_{period}"}, hourly
    )


def _money(period: str, hourly: bool) -> Source:
    keys, parts = ("period", "tracking_id", "currency"), _period(hourly) | {"revenue": f"revenue_{period}"}
    return Source("money", keys, ("orders", "refunds"), ("revenue", "tax", "shipping", "refunded"), parts, hourly)


def _visits(parts: Mapping[str, str]) -> Source:
    counts = ("sessions", "hits", "with_detail", "with_add", "with_checkout", "with_purchase")
    return Source("visits", ("period", "tracking_id", "label"), counts, (), parts)


def _sales(file: str, counts: Sequence[str], parts: Mapping[str, str]) -> Source:
    return Source(file, ("period", "tracking_id", "label", "currency"), counts, ("revenue",), parts)


SOURCES: Mapping[str, Source] = {
    "traffic": _traffic("1d", False),
    "traffic_by_hour": _traffic("1h", True),
    "money": _money("1d", False),
    "money_by_hour": _money("1h", True),
    "channels": _visits(_CHANNEL | _PEOPLE),
    "campaigns": _visits(_CAMPAIGN | _PEOPLE),
    "devices": _visits(
        {"label": "case when is_bot then 'bot' else coalesce(device_type, '(not set)') end", "population": "true"}
    ),
    "channel_sales": _sales("sales", ("orders",), _CHANNEL),
    "campaign_sales": _sales("sales", ("orders",), _CAMPAIGN),
    "products": _sales("products", _DONE, _PRODUCT),
    "categories": _sales("products", _DONE, _CATEGORY),
    "arrivals": Source("arrivals", ("period",), ("objects", "archived", "raw", "bad_lines")),
    "modelled": Source("modelled", ("period", "label"), ("hits",)),
    "duplicates": Source("duplicates", ("period", "label"), ("hits",)),
    "quarantine": Source("quarantine", ("period", "label"), ("hits",)),
    "lateness": Source("lateness", ("period", "label"), ("hits",)),
    "versions": Source("versions", ("label", "period"), ("models", "rows"), newest_first=True),
}
"""By the name under which the page has them."""

STATES = Source("", ("period", "label"), ("dates",))
"""How each date stands: not asked of SQL, but of the ledger."""


@dataclass(frozen=True)
class Table:
    """Rows of a source, by column. `texts` has, of the columns that are texts, what their numbers stand for."""

    columns: Mapping[str, Sequence[int | str | None]]
    texts: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, source: Source, rows: Iterable[Sequence[Any]]) -> Table:
        # Sorted here and not by SQL: what DuckDB 2.0.0 sorts sums in is as wide as its guess of their size, and a larger one is an error.
        ordered = sorted(rows, key=lambda row: [(value is not None, value) for value in row[: len(source.keys)]])
        taken = list(zip(*(ordered[::-1] if source.newest_first else ordered), strict=True)) or [()] * len(
            source.columns
        )
        columns: dict[str, Sequence[int | str | None]] = {}
        texts: dict[str, list[str]] = {}
        for name, values in zip(source.columns, taken, strict=True):
            if name in source.keys:
                said = [_said(value) for value in values]
                texts[name] = sorted({*said})
                numbers = {text: number for number, text in enumerate(texts[name])}
                columns[name] = [numbers[text] for text in said]
            elif name in source.counts:
                columns[name] = [int(value or 0) for value in values]
            else:
                columns[name] = [amount(value) for value in values]
        return cls(columns, texts)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def figures(warehouse: Warehouse) -> tuple[Window | None, dict[str, Table]]:
    """The dates that the page shows, and all its tables; no dates and empty tables where nothing is published yet."""
    with warehouse.reading():
        there = warehouse.relations()
        window = _newest_dates(warehouse, there)
        return window, {
            name: Table.of(source, _rows(warehouse, source, window, there)) for name, source in SOURCES.items()
        }


def _newest_dates(warehouse: Warehouse, there: set[str]) -> Window | None:
    bounds = []
    for relation, column in (("stats.overview_1d", "event_date"), ("raw.load_history", "arrival_date")):
        if relation in there:
            bounds += warehouse.query(f"select min({column}), max({column}) from {relation}")
    known = [(first, last) for first, last in bounds if first is not None]
    if not known:
        return None
    end = max(last for _, last in known) + ONE_DAY
    window = Window(max(min(first for first, _ in known), end - timedelta(days=DAYS)), end)
    return within_reach(
        window, dict(warehouse.query(_HITS_SQL, [window.start])) if "stats.overview_1d" in there else {}
    )


def within_reach(window: Window, hits: Mapping[date, int]) -> Window:
    """The newest dates of `window` that have no more than MOST_HITS; LEAST_DAYS of them, however many they have."""
    start, read = window.end, 0
    for day in reversed(window.days):
        read += hits.get(day, 0)
        if read > MOST_HITS and (window.end - day).days > LEAST_DAYS:
            break
        start = day
    return Window(start, window.end)


def _rows(warehouse: Warehouse, source: Source, window: Window | None, there: set[str]) -> list[tuple[Any, ...]]:
    if window is None or not source.relations <= there:
        return []
    first = max(window.start, window.end - timedelta(days=HOURS_OF)) if source.hourly else window.start
    values = {"first": first, "end": window.end, "before": first - _SESSION_REACH}
    names = re.findall(r":(\w+)", source.sql)
    return warehouse.query(re.sub(r":\w+", "?", source.sql), [values[name] for name in names])


def amount(value: Decimal | int | None) -> str:
    """All digits of an amount, and no zeros after them but those of hundredths."""
    text = f"{Decimal(value or 0):.9f}".rstrip("0")
    return text + "0" * max(0, 2 - len(text.partition(".")[2]))


def _said(value: Any) -> str:
    """A period as the page has it (2026-01-31, or 2026-01-31T13:00 of an hour), or a text."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M}"
    return f"{value}" if isinstance(value, date | int) else value or "(not set)"


@cache
def _text(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
