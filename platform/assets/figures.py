"""What a date came to, as numbers on its partition of `stats/overview_1d`: Dagster plots what is a number there over the dates.

Read from the statistics that were just built, all properties together, before they are published; two small queries for a run's dates.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from ingestion_platform.dates import Window
from ingestion_platform.resources.proposals import Reader

Figures = Mapping[date, Mapping[str, int | float]]

# A currency is what a client says it is: a partition shows the largest, and no word that is none.
_CURRENCIES = 6

_OVERVIEW_SQL = """
select event_date, hits, bot_hits, count_active_sessions, count_active_clients, pageviews, transactions
from stats.overview_1d
where tracking_id = '(all)' and event_date >= ? and event_date < ?
"""
_NAMES = ("hits", "bot hits", "sessions", "clients", "pageviews", "transactions")

_REVENUE_SQL = """
select event_date, currency_code, coalesce(transaction_revenue, 0) - coalesce(refunded_revenue, 0)
from stats.revenue_1d
where tracking_id = '(all)' and event_date >= ? and event_date < ?
order by event_date, transactions desc, currency_code
"""


def business_figures(reader: Reader, window: Window) -> Figures:
    """Hits, sessions, clients, pageviews, transactions and revenue less refunds by currency of each date."""
    figures: dict[date, dict[str, int | float]] = {
        day: dict(zip(_NAMES, map(int, counts), strict=True)) for day, *counts in reader.query(_OVERVIEW_SQL, [*window])
    }
    for day, currency, revenue in reader.query(_REVENUE_SQL, [*window]):
        of_day = figures.setdefault(day, {})
        shown = sum(name.startswith("revenue ") for name in of_day)
        if shown < _CURRENCIES and len(currency) == 3 and currency.isascii() and currency.isupper():
            of_day[f"revenue {currency}"] = float(revenue)
    return figures
