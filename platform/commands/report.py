"""What the demo prints at its end: the days as a table and a chart, what each asset holds, and where to go next."""

from __future__ import annotations

from datetime import date
from typing import Any

import plotext
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingestion_platform.partitions import Window
from ingestion_platform.resources import wiring
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.settings import Settings

_DAYS_SQL = """
select event_date, hits, bot_hits, count_active_sessions, count_active_clients, count_new_clients, pageviews, transactions
from stats.overview_1d
where tracking_id = '(all)' and event_date >= ? and event_date < ?
order by event_date
"""

_REVENUE_SQL = """
select event_date, string_agg(cast(round(transaction_revenue, 0) as bigint) || ' ' || currency_code, ', ' order by currency_code)
from stats.revenue_1d
where tracking_id = '(all)' and transaction_revenue > 0 and event_date >= ? and event_date < ?
group by event_date
"""

_HOLDINGS = (
    ("raw/logs", "raw.logs", "every line of the archive, once"),
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
    warehouse = wiring.warehouse(settings)
    days = warehouse.query(_DAYS_SQL, list(shown))
    out.rule("[bold]3[/] · stats/overview_1d")
    out.print(days_table(days, dict(warehouse.query(_REVENUE_SQL, list(shown)))))
    out.print(chart(days, out.width))
    out.rule("[bold]4[/] · What each asset holds")
    out.print(holdings(warehouse))
    out.rule("[bold]5[/] · What next")
    address = f"http://127.0.0.1:{settings.dagster_port}"
    out.print(
        f"[bold]make dev[/]      opens Dagster at {address}\n"
        f"              Lineage: {address}/asset-groups · pick stats/overview_1d, then Materialize, choose dates: that is a replay\n"
        "[bold]make collect[/]  serves /collect for your own traffic; the schedule of make dev picks it up every hour\n"
        f"[bold]make replay[/]   FROM={shown.start} TO={shown.days[-1]} rebuilds those dates, to the same rows\n"
        f"Statistics as Parquet: {settings.published_dir}",
        soft_wrap=True,
    )


def days_table(days: list[tuple[Any, ...]], revenue: dict[date, str]) -> Table:
    """One line a day."""
    table = Table(box=None, header_style="bold")
    for name in ("date", "hits", "bot hits", "sessions", "clients", "new clients", "pageviews", "orders", "revenue"):
        table.add_column(name, justify="left" if name in ("date", "revenue") else "right", no_wrap=name != "revenue")
    for day in days:
        table.add_row(f"{day[0]}", *(f"{value:,}" for value in day[1:]), revenue.get(day[0], ""))
    return table


def chart(days: list[tuple[Any, ...]], width: int) -> Text:
    """Sessions and pageviews by day, as bars of characters."""
    plotext.clear_figure()
    plotext.plot_size(min(width, 100), 15)
    plotext.theme("clear")
    labels = [f"{day[0]:%m-%d}" for day in days]
    plotext.multiple_bar(labels, [[day[6] for day in days], [day[3] for day in days]], labels=["pageviews", "sessions"])
    return Text.from_ansi(plotext.build())


def holdings(warehouse: Warehouse) -> Table:
    """Rows by asset."""
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    for asset, relation, meaning in _HOLDINGS:
        table.add_row(asset, f"{warehouse.query(f'select count(*) from {relation}')[0][0]:,}", meaning)
    return table
