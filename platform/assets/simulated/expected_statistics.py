"""Whether the statistics of simulated dates are the simulator's: overview_1h, overview_1d, revenue_1h, revenue_1d, by tracking id.

Every hour of a date is compared, also those in which nothing happened. Who is new is compared only where all dates of the lookback
are known. The rows of all properties together, '(all)', are held against those of each by the check `overview`, since others
than the simulator may send hits on the same dates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from ingestion_platform.dates import Window
from ingestion_platform.resources.proposals import Reader
from simulations.config import HISTORY_TRACKING_PREFIX
from simulations.figures_by_hour import PERIODS, WHOLE_DAY
from simulations.truth import ExpectedDate

_COUNTS = (
    "hits", "bot_hits", "count_active_sessions", "count_new_sessions", "count_active_users", "count_active_clients", "pageviews",
    "sum_of_pa_click", "pa_clicks", "sum_of_pa_detail", "pa_details", "sum_of_pa_add", "pa_adds", "sum_of_pa_remove", "pa_removes",
)  # fmt: skip
_AMOUNTS = ("transaction_revenue", "transaction_tax", "transaction_shipping")
_NEW = ("count_new_users", "count_new_clients")
OVERVIEW = (*_COUNTS, *_NEW, "transactions", "currency_code", *_AMOUNTS, "purchased_items", "purchased_products")
REVENUE = ("transactions", *_AMOUNTS, "avg_order_value", "refunds", "refunded_revenue")

_SQL = """
select event_date, tracking_id, period, 0 as whole_day, {columns} from stats.{name}_1h
where event_date >= ? and event_date < ? and tracking_id like ?
union all
select event_date, tracking_id, period, 1, {columns} from stats.{name}_1d
where event_date >= ? and event_date < ? and tracking_id like ?
"""


class Statistics:
    """What the warehouse's statistics say of simulated history."""

    def __init__(self, reader: Reader, window: Window) -> None:
        self.overview: dict[tuple[date, str, str], dict[str, Any]] = {}
        self.revenue: dict[tuple[date, str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
        bounds = [*window, f"{HISTORY_TRACKING_PREFIX}%"] * 2
        for day, tracking_id, period, whole, *figures in reader.query(
            _SQL.format(name="overview", columns=", ".join(OVERVIEW)), bounds
        ):
            place = WHOLE_DAY if whole else f"{period:%H}"
            self.overview[day, tracking_id, place] = dict(zip(OVERVIEW, figures, strict=True))
        for day, tracking_id, period, whole, currency, *figures in reader.query(
            _SQL.format(name="revenue", columns=", ".join(("currency_code", *REVENUE))), bounds
        ):
            place = WHOLE_DAY if whole else f"{period:%H}"
            self.revenue[day, tracking_id, place][currency] = dict(zip(REVENUE, figures, strict=True))

    def differences(self, truth: ExpectedDate) -> Iterator[str]:
        """A line for each figure of a date that is not what the truth says, by tracking id and period."""
        day = truth.day
        for tracking_id, periods in sorted((truth.statistics or {}).items()):
            for period in PERIODS:
                figures = periods.get(period, {})
                where = f"{day} {tracking_id} {period if period == WHOLE_DAY else f'{period}:00'}"
                made = self.overview.get((day, tracking_id, period))
                wanted = expected_overview(figures)
                if truth.lookback_complete:
                    wanted |= {name: figures.get(name, 0) for name in _NEW}
                yield from _compare(f"{where}: overview's", made, wanted)
                revenue = self.revenue.get((day, tracking_id, period), {})
                money = expected_revenue(figures)
                for currency in sorted({*revenue, *money}):
                    yield from _compare(f"{where}: revenue's {currency}", revenue.get(currency), money.get(currency))


def expected_overview(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The row of overview_1h or overview_1d that a period's figures make."""
    money = {currency: amounts for currency, amounts in figures.get("money", {}).items() if amounts.get("transactions")}
    bought = figures.get("bought", {})
    totals: dict[str, Any] = dict.fromkeys(_AMOUNTS, Decimal(0) if not money else None)
    code = None
    if len(money) == 1:
        ((code, only),) = money.items()
        totals = {name: Decimal(only[name]) for name in _AMOUNTS}
    return {
        **{name: figures.get(name, 0) for name in _COUNTS},
        "transactions": sum(amounts["transactions"] for amounts in money.values()),
        "currency_code": code,
        **totals,
        "purchased_items": sum(bought.values()),
        "purchased_products": len(bought),
    }


def expected_revenue(figures: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of revenue_1h or revenue_1d that a period's figures make, by currency."""
    rows = {}
    for currency, sums in figures.get("money", {}).items():
        transactions = sums.get("transactions", 0)
        revenue = Decimal(sums.get("transaction_revenue", 0))
        average = (revenue / transactions).quantize(Decimal("0.01"), ROUND_HALF_UP) if transactions else None
        rows[currency] = {
            "transactions": transactions,
            **{name: Decimal(sums.get(name, 0)) for name in _AMOUNTS},
            "avg_order_value": average,
            "refunds": sums.get("refunds", 0),
            "refunded_revenue": Decimal(sums.get("refunded_revenue", 0)),
        }
    return rows


def _compare(where: str, made: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> Iterator[str]:
    if made is None or wanted is None:
        yield f"{where} row {'is missing' if made is None else 'must not be there'}"
        return
    for name, value in wanted.items():
        if made[name] != value:
            yield f"{where} {name} is {made[name]}, must be {value}"
