"""What the demo prints at its end: the days as a table and a chart, what each asset holds, and where to go next."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from math import ceil
from typing import Any

from rich.console import Console
from rich.table import Table

from ingestion_platform.dashboard.renewal import page_of
from ingestion_platform.dates import Window
from ingestion_platform.resources import environments
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.settings import Settings

_DAYS_SQL = """
select event_date, hits, bot_hits, count_active_sessions, count_active_clients, count_new_clients, pageviews, transactions
from stats.overview_1d
where tracking_id = '(all)' and event_date >= ? and event_date < ?
order by event_date
"""

_REVENUE_SQL = """
select event_date, currency_code, transaction_revenue
from stats.revenue_1d
where tracking_id = '(all)' and transactions > 0 and event_date >= ? and event_date < ?
order by event_date, transactions desc, currency_code
"""

_HOURS_SQL = """
select event_date, period, pageviews
from stats.overview_1h
where tracking_id = '(all)' and event_date >= ? and event_date < ?
order by period
"""

_COLUMNS = {
    "date": "UTC",
    "hits": "what clients sent, bots left out",
    "bots": "hits of known bots, in no other column",
    "sessions": "visits: half an hour without a hit ends one",
    "clients": "browsers and devices",
    "new": "clients not seen in the 30 days before",
    "pages": "pageviews",
    "orders": "purchases; a thank-you page opened again is none",
    "revenue": "of the currency with the most orders, refunds not taken off",
}

_BLOCKS = " ▁▂▃▄▅▆▇█"

_HOLDINGS = (
    ("raw/logs", "raw.logs", "lines of the archive, each once"),
    ("raw/logs", "raw.bad_lines", "lines that are no JSON, in quarantine too"),
    ("events/logs", "events.logs", "hits, enriched, in sessions"),
    ("events/duplicates", "events.duplicates", "deliveries and retries that were left out"),
    ("events/quarantine", "events.quarantine", "refused and unreadable lines, with reasons"),
    ("events/sessions", "events.sessions", "visits"),
    ("events/product_actions", "events.product_actions", "products seen, added, bought"),
    ("events/purchases", "events.purchases", "orders"),
    ("events/user_agents", "events.user_agents", "browsers, devices, bots"),
    ("stats/overview_1h", "stats.overview_1h", "measures by hour and tracking id"),
)


def print_report(settings: Settings, shown: Window, out: Console) -> None:
    """Print the statistics of the dates of `shown`, what the assets hold, and what to do next."""
    warehouse = environments.warehouse(settings)
    days = warehouse.query(_DAYS_SQL, list(shown))
    out.rule("[bold]3[/] · stats/overview_1d")
    print_figures(days, warehouse.query(_REVENUE_SQL, list(shown)), warehouse.query(_HOURS_SQL, list(shown)), out)
    out.rule("[bold]4[/] · What each asset holds")
    out.print(holdings(warehouse))
    out.rule("[bold]5[/] · What next")
    address = f"http://127.0.0.1:{settings.dagster_port}"
    out.print(
        "The tour of README.md, stop by stop, on these data. First, for the commands that take dates:\n"
        f"              export FROM={shown.start} TO={shown.days[-1]}\n"
        f"[bold]make dashboard[/] opens all of this as a page: {page_of(settings)}\n"
        f"[bold]make dev[/]      opens Dagster; {address}/asset-groups is the graph. Its Materialize all, with dates, is a replay\n"
        "[bold]make plan[/]     says what a replay of these dates would do; [bold]make replay[/] does it, to the same rows\n"
        "[bold]make setup[/]    after an edit of a model; what the edit changes make replay holds, until [bold]make publish[/] ([bold]make rollback[/])\n"
        "[bold]make status[/]   how each date stands, what waits and what is wrong\n"
        "[bold]make collect[/]  serves /collect for your own traffic; the schedule of make dev picks it up every hour\n"
        "[bold]make docs[/]     these pages, and what each column means\n"
        f"Statistics as Parquet: {settings.published_dir}",
        soft_wrap=True,
    )


def print_figures(
    days: list[tuple[Any, ...]],
    revenue: list[tuple[date, str, Decimal]],
    hours: list[tuple[date, datetime, int]],
    out: Console,
) -> None:
    """Print the table and the chart, each with what its signs mean."""
    out.print(days_table(days, revenue))
    out.print("[dim]" + " · ".join(f"{name}: {meaning}" for name, meaning in _COLUMNS.items()) + ".[/]")
    if len({row[0] for row in revenue}) < len(revenue):
        out.print("[dim]+2: orders in 2 more currencies, which no sum mixes (stats/revenue_1d has each).[/]")
    out.print()
    out.print(chart(hours))
    top = _highest(hours)
    out.print(
        f"[dim]A block an hour (UTC), as high as its pageviews: █ {top:,}, ▁ up to {ceil(top / 8):,}, blank 0.[/]"
    )


def days_table(days: list[tuple[Any, ...]], revenue: list[tuple[date, str, Decimal]]) -> Table:
    """One line a day. Of several currencies the one with the most orders is shown, with the number of others: sums never mix them."""
    by_day = {day: list(rows) for day, rows in groupby(revenue, lambda row: row[0])}
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name in ("date", "revenue") else "right", no_wrap=True)
    for day in days:
        table.add_row(f"{day[0]}", *(f"{value:,}" for value in day[1:]), _revenue(by_day.get(day[0], [])))
    return table


def _revenue(rows: list[tuple[date, str, Decimal]]) -> str:
    if not rows:
        return ""
    others = f" +{len(rows) - 1}" if len(rows) > 1 else ""
    return f"{rows[0][2]:,.2f} {rows[0][1]}{others}"


def chart(hours: list[tuple[date, datetime, int]]) -> Table:
    """Pageviews hour by hour (UTC), a line a day: the shape of each day, on one scale."""
    highest = _highest(hours)
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("pageviews")
    table.add_column("0h    6h    12h   18h", no_wrap=True)
    for day, of_day in groupby(hours, lambda hour: hour[0]):
        blocks = "".join(_BLOCKS[ceil(pageviews / highest * (len(_BLOCKS) - 1))] for _, _, pageviews in of_day)
        table.add_row(f"{day}", f"[cyan]{blocks}[/]")
    return table


def _highest(hours: list[tuple[date, datetime, int]]) -> int:
    return max((pageviews for _, _, pageviews in hours), default=0) or 1


def holdings(warehouse: Warehouse) -> Table:
    """Rows by asset."""
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    for asset, relation, meaning in _HOLDINGS:
        table.add_row(asset, f"{warehouse.query(f'select count(*) from {relation}')[0][0]:,}", meaning)
    return table
