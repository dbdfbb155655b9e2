"""The models against the simulator, which counts its own plan and never reads what it wrote."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

import pytest

from ingestion_platform.assets.simulated.expected_results import differences
from ingestion_platform.assets.simulated.expected_statistics import Statistics
from ingestion_platform.dates import Window
from simulations.config import TrafficConfig
from simulations.history import write_day
from simulations.protocols import read_shares
from simulations.truth import expected

FIRST, DAYS = date(2026, 3, 1), 4


@pytest.mark.parametrize("protocols", ["v1", "v1=1,ga4=3,ga4mp=3,segment=3"])
def test_simulated_dates_come_out_as_their_truth(bench, protocols: str) -> None:
    """Duplicates, sessions over midnight, repeated purchases, money and every kind of hit, counted two ways; the same whatever
    clients the hits came from."""
    config = TrafficConfig(hits_per_day=3000, protocols=read_shares(protocols))
    for offset in range(DAYS):
        write_day(bench.archive.root, FIRST + timedelta(days=offset), config, bench.root / "truth")
    last = FIRST + timedelta(days=DAYS + 3)
    bench.build(FIRST - timedelta(days=1), last)
    truth = expected(bench.root / "truth", FIRST, last)
    assert sum(day.total.get("hits", 0) for day in truth.dates.values()) > DAYS * 2500
    for day, figures in truth.dates.items():
        if not figures.total:
            continue
        assert figures.complete
        assert model_figures(bench, day) == comparable(figures.total), day
        assert (
            bench.rows(f"select count(*) from events.quarantine where event_date = '{day}' and kind = 'rejected'")[0][0]
            == figures.rejected
        )
    compared = differences(bench.warehouse, bench.root / "truth", Window(FIRST, last), last, FIRST - timedelta(days=1))
    assert len(compared) >= DAYS and not any(compared.values()), compared
    # The statistics, hour by hour and property by property, with what only they say: distinct clients, users, products.
    statistics = Statistics(bench.warehouse, Window(FIRST - timedelta(days=1), last))
    assert statistics.overview and statistics.revenue
    for figures in truth.dates.values():
        assert figures.lookback_complete or not figures.total
        assert list(statistics.differences(figures)) == []
    assert sum(len(figures.statistics or {}) for figures in truth.dates.values()) > 4 * DAYS
    for day, books in truth.arrivals.items():
        got = bench.rows(
            f"select coalesce(sum(row_count), 0), coalesce(sum(bad_lines), 0) from raw.load_history where arrival_date = '{day}'"
        )[0]
        assert got == (books["lines"] - books["malformed"], books["malformed"]), day


def comparable(figures: dict) -> dict:
    found = dict(figures)
    for name in ("revenue", "tax", "shipping"):
        found[name] = {currency: Decimal(amount) for currency, amount in found[name].items()}
    return found


def model_figures(bench, day: date) -> dict:
    """The same figures from the marts."""

    def one(sql: str) -> int:
        return bench.rows(sql.replace("$day", f"date '{day}'"))[0][0]

    def by(sql: str) -> dict:
        return dict(bench.rows(sql.replace("$day", f"date '{day}'")))

    kinds = Counter(by("select duplicate_kind, count(*) from events.duplicates where event_date = $day group by 1"))
    money = bench.rows(
        "select currency_code, sum(transaction_revenue), sum(transaction_tax), sum(transaction_shipping) "
        f"from events.purchases where event_date = date '{day}' group by 1"
    )
    return {
        "hits": one("select count(*) from events.logs where event_date = $day"),
        "hit_types": by("select hit_type, count(*) from events.logs where event_date = $day group by 1"),
        "duplicate_deliveries": kinds["duplicate_delivery"],
        "client_retries": kinds["client_retry"],
        "sessions": one("select count(*) from events.sessions where event_date = $day"),
        "session_hits": one(
            "select cast(coalesce(sum(hits), 0) as bigint) from events.sessions where event_date = $day"
        ),
        "clients": one("select count(distinct visitor_id) from events.logs where event_date = $day"),
        "product_actions": by(
            "select product_action, count(*) from events.product_actions where event_date = $day group by 1"
        ),
        "impressions": one("select count(*) from events.impressions where event_date = $day"),
        "promotions": one("select count(*) from events.promotions where event_date = $day"),
        "purchases": one("select count(*) from events.purchases where event_date = $day"),
        "purchases_without_transaction_id": one(
            "select count(*) from events.purchases where event_date = $day and is_missing_transaction_id"
        ),
        "repeat_purchases": one("select count(*) from events.logs where event_date = $day and is_repeat_purchase"),
        "revenue": {row[0]: row[1] for row in money},
        "tax": {row[0]: row[2] for row in money},
        "shipping": {row[0]: row[3] for row in money},
    }
