"""`published/dashboard` in real runs: its figures are the warehouse's, each publication renews it, and none fails because of it."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey

from ingestion_platform.assets.keys import DASHBOARD
from ingestion_platform.commands.dashboard import show_dashboard
from ingestion_platform.dashboard.drawing import COLORS
from ingestion_platform.dashboard.figures import SOURCES, amount, within_reach
from ingestion_platform.dates import ONE_DAY, Window
from ingestion_platform.resources.dbt_project import read_manifest


def contents(page: Path) -> dict[str, Any]:
    """What the page's script reads."""
    return dict(json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text())[1]))  # type: ignore[index]


def rows(held: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A table of the page."""
    columns, texts = held["tables"][name].values()
    said = {column: [texts[column][n] if column in texts else n for n in values] for column, values in columns.items()}
    return [dict(zip(said, row, strict=True)) for row in zip(*said.values(), strict=True)]


def total(found: list[dict[str, Any]], measure: str, **where: str) -> Decimal:
    """A measure of the rows that are so, added up."""
    return sum(
        (Decimal(row[measure]) for row in found if all(row[name] == wanted for name, wanted in where.items())),
        Decimal(0),
    )


def test_its_figures_are_the_warehouse_s_and_nothing_new_costs_nothing(place: Any) -> None:
    """Columns had changed places between a query and its table, and revenue was refunds; a page that is up to date stays as it is."""
    days = [place.past(3), place.past(2)]
    for day in days:
        place.simulate(day, hits=600)
    run = place.launch("hourly_refresh")
    assert run.success
    page = place.settings.published_dir / "dashboard.html"
    held = contents(page)
    warehouse = place.rows

    for name, period in (("traffic", "1d"), ("traffic_by_hour", "1h")):
        of_page = rows(held, name)
        ((hits, bots, orders, clients),) = warehouse(
            f"select sum(hits), sum(bot_hits), sum(transactions), sum(count_active_clients) from stats.overview_{period} where tracking_id = '(all)'"
        )
        assert [total(of_page, column, tracking_id="(all)") for column in ("hits", "bot_hits", "orders", "active_clients")] == [
            hits, bots, orders, clients,
        ]  # fmt: skip
        assert hits > 300 and orders > 0

    money = "select currency_code, sum({}) from stats.revenue_1d where tracking_id = '(all)' group by 1"
    for column, measure in {
        "transaction_revenue": "revenue",
        "transaction_tax": "tax",
        "transaction_shipping": "shipping",
        "refunds": "refunds",
        "refunded_revenue": "refunded",
    }.items():
        for currency, expected in warehouse(money.format(column)):
            for name in ("money", "money_by_hour"):
                assert total(rows(held, name), measure, tracking_id="(all)", currency=currency) == expected, (
                    name,
                    measure,
                )
            if measure == "revenue":
                for name in ("channel_sales", "campaign_sales"):
                    assert total(rows(held, name), measure, currency=currency) == expected, name

    sessions = "select channel, count(*), count(case when has_purchase then 1 end) from events.sessions where not is_bot group by 1"
    for channel, count, bought in warehouse(sessions):
        of_page = [row for row in rows(held, "channels") if row["label"] == channel]
        assert (total(of_page, "sessions"), total(of_page, "with_purchase")) == (count, bought)
    ((every, bots),) = warehouse("select count(*), count(case when is_bot then 1 end) from events.sessions")
    assert total(rows(held, "devices"), "sessions") == every
    assert total(rows(held, "devices"), "sessions", label="bot") == bots
    products = (
        "select sum(case product_action when 'purchase' then product_quantity end), count(case product_action when 'detail' then 1 end) "
        "from events.product_actions where not is_bot"
    )
    for name in ("products", "categories"):
        assert (total(rows(held, name), "items"), total(rows(held, name), "details")) == warehouse(products)[0]
    spent = (
        "select coalesce(currency_code, '(not set)'), sum(product_price * product_quantity) from events.product_actions "
        "where product_action = 'purchase' and not is_bot group by 1"
    )
    for currency, expected in warehouse(spent):
        for name in ("products", "categories"):
            assert total(rows(held, name), "revenue", currency=currency) == expected, (name, currency)

    ((raw, modelled, duplicates, refused, bad),) = warehouse(
        "select (select count(*) from raw.logs), (select count(*) from events.logs), (select count(*) from events.duplicates), "
        "(select count(*) from events.quarantine), (select count(*) from raw.bad_lines)"
    )
    assert total(rows(held, "arrivals"), "archived") == raw + bad == modelled + duplicates + refused
    for name, expected in (
        ("lateness", raw),
        ("duplicates", duplicates),
        ("quarantine", refused),
        ("modelled", raw + bad),
    ):
        assert total(rows(held, name), "hits") == expected, name
    assert {row["label"] for row in rows(held, "states") if row["period"] in {f"{day}" for day in days}} == {
        "up to date"
    }

    renewed = [event for event in run.all_events if event.is_step_materialization and event.asset_key == DASHBOARD]
    assert len(renewed) == 1
    before = page.stat().st_mtime_ns
    assert place.launch("hourly_refresh").success
    assert page.stat().st_mtime_ns == before


def test_no_publication_fails_because_of_the_page(place: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it is to stand there is a folder: rows are public all the same, the run says so, and `make dashboard` finds it behind."""
    day = place.past(3)
    place.simulate(day)
    page = place.settings.published_dir / "dashboard.html"
    page.mkdir(parents=True)
    run = place.launch("replay", Window(day, day + ONE_DAY))
    assert run.success
    assert place.rows("select count(*) from stats.overview_1d where event_date = ?", [day])[0][0] > 0
    said = [entry.user_message for entry in place.instance.all_logs(run.run_id)]
    assert [line for line in said if line.startswith("The dashboard stays as it was (IsADirectoryError")]
    assert not [
        left for left in page.parent.iterdir() if left.name.startswith(".dashboard.html.") and left.suffix != ".lock"
    ]

    page.rmdir()
    show_dashboard(place.settings)
    assert capsys.readouterr().out == f"{page}\n"
    assert f"{day}" in {row["period"] for row in rows(contents(page), "traffic")}


def test_it_depends_on_what_it_reads(place: Any) -> None:
    """The exposure is what the graph shows: a model that the page reads and that it does not name would change beneath it unseen."""
    read = {relation for source in SOURCES.values() for relation in source.relations}
    (exposure,) = read_manifest()["exposures"].values()
    named = {
        f"{node['schema']}.{node['name']}".lower()
        for node in map(read_manifest()["nodes"].get, exposure["depends_on"]["nodes"])
    }
    assert {relation for relation in read if not relation.startswith("raw.")} == named
    parents = place.located.resolve_asset_graph().get(DASHBOARD).parent_keys
    assert parents == {AssetKey(relation.split(".")) for relation in named} | {AssetKey(["raw", "logs"])}


def test_amounts_have_all_their_digits() -> None:
    """Of a binary float the last would be gone."""
    given = [
        Decimal("12.500000000"),
        Decimal("0.000000001"),
        Decimal("-3"),
        7,
        None,
        Decimal("123456789012345678.123456789"),
    ]
    assert [*map(amount, given)] == ["12.50", "0.000000001", "-3.00", "7.00", "0.00", "123456789012345678.123456789"]


def test_a_large_shop_pays_for_no_more_than_its_newest_dates() -> None:
    """Each publication reads them anew: of a hundred million hits an hourly refresh would take a minute for its page."""
    window = Window(date(2026, 1, 1), date(2026, 4, 1))
    hits = dict.fromkeys(window.days, 400_000)
    assert within_reach(window, hits) == Window(date(2026, 3, 7), window.end)
    assert within_reach(window, dict.fromkeys(window.days, 40_000_000)) == Window(date(2026, 3, 18), window.end)
    assert within_reach(window, dict.fromkeys(window.days[:-14], 40_000_000)) == Window(date(2026, 3, 18), window.end)
    assert within_reach(window, {}) == window


@pytest.mark.parametrize("paper", ["#ffffff", "#0d1117"])
def test_every_colour_stands_out_from_either_paper(paper: str) -> None:
    """3:1, as WCAG wants of what a chart is read by."""
    ratios = [sorted((light(color), light(paper)))[::-1] for color in COLORS]
    assert min((one + 0.05) / (other + 0.05) for one, other in ratios) >= 3


def light(color: str) -> float:
    """Relative luminance, as WCAG counts it."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
