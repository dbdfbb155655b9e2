"""The dashboard in a real browser: it calls nowhere, fits a phone, can be read in the light and in the dark, and its filters change figures.

Its tables are made up here; that they are the warehouse's is in tests/platform.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingestion_platform.changes import Cell, Change, Decision, Fingerprint, Reason, Version
from ingestion_platform.dashboard.charts import CHARTS
from ingestion_platform.dashboard.figures import SOURCES, Table
from ingestion_platform.dashboard.page import Contents, html
from ingestion_platform.dates import Window
from ingestion_platform.resources.proposals import AuditState, HeldAudit, Publication

pytestmark = pytest.mark.browser

FIRST = date(2026, 1, 5)
DAYS = [FIRST + timedelta(days=n) for n in range(40)]
WINDOW = Window(FIRST, DAYS[-1] + timedelta(days=1))
HOURS = [datetime(day.year, day.month, day.day, hour) for day in DAYS[-14:] for hour in range(24)]
HOSTILE = "</script><script>alert(1)</script><img src='https://evil.example/x' onerror=alert(2)>\u202e" + "ẅ" * 80
PROPERTIES = ("shop", HOSTILE)
# A sum of binary floats would end in other digits.
PRICES = {"EUR": Decimal("10000000000000.100000001"), "JPY": Decimal("1000")}
CHANNELS = {"direct": 3, "email": 2, "(others)": 1}


def rows_of(name: str) -> list[tuple[Any, ...]]:
    """Rows of a source: every count is the number of the property, and every amount the price of its currency so often."""
    source = SOURCES[name]
    periods = {True: HOURS, False: DAYS}[source.hourly]
    values: Mapping[str, tuple[Any, ...]] = {
        "period": tuple(periods),
        "tracking_id": (*(("(all)",) if name.startswith(("traffic", "money")) else ()), *PROPERTIES),
        "currency": tuple(PRICES),
        "label": (*CHANNELS, HOSTILE) if name != "versions" else (7, 12),
    }
    made: list[tuple[Any, ...]] = [()]
    for key in source.keys:
        made = [(*row, value) for row in made for value in values[key]]
    rows = []
    for row in made:
        of = dict(zip(source.keys, row, strict=True))
        share = {"(all)": 3, "shop": 2}.get(of.get("tracking_id", ""), 1) * CHANNELS.get(of.get("label"), 1)
        amounts = [PRICES[of["currency"]] * share for _ in source.amounts]
        rows.append((*row, *[share] * len(source.counts), *amounts))
    return rows


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    reports = folder.with_name("reports")
    reports.mkdir()
    (reports / "c0ffee.html").write_text("the audit")
    made = Version("code", "inputs", 1, Fingerprint(10, {HOSTILE[:30]: "1"}, "made here"))
    change = Change(Cell("sessions", DAYS[3]), Reason.CODE, Decision.HOLD, made, made, (HOSTILE[:30],))
    moment = datetime(2026, 2, 14, 8, 30, tzinfo=UTC)
    contents = Contents(
        WINDOW,
        {name: Table.of(source, rows_of(name)) for name, source in SOURCES.items()},
        DAYS[-2:],
        [Publication(12, moment, tuple(f"model_{n}" for n in range(15)), WINDOW)],
        [HeldAudit("c0ffee", moment, (change,), {DAYS[3]: AuditState.HELD})],
    )
    path = folder / "dashboard.html"
    path.write_text(html(contents, "test", folder, reports), encoding="utf-8")
    return path


def until(page: Any, condition: str) -> None:
    """Wait for something of the root element. (Playwright's own way evaluates it in the page, whose policy forbids that.)"""
    for _ in range(400):
        if page.evaluate(f"(root => {condition})(document.documentElement)"):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {condition}")


def drawn(page: Any) -> None:
    """Wait until everything is as the filters say."""
    until(page, "root.dataset.drawn === root.dataset.turn")


def figure(page: Any, name: str) -> str:
    return str(page.locator(f"#tile-{name}").inner_text())


def table(page: Any, name: str) -> list[str]:
    """The lines of a chart's table, opened for it."""
    page.locator(f"#{name} summary").click()
    page.locator(f"#{name} tbody tr").first.wait_for()
    return list(page.locator(f"#{name} tbody tr").all_inner_texts())


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_it_fits_can_be_read_and_calls_nowhere(
    browser: Any,
    dashboard: Path,
    contrasts_of: Callable[[Any], dict[str, float]],
    overheard: Callable[[Any], tuple[list[str], list[str]]],
    width: int,
    scheme: str,
) -> None:
    """Names that clients send stand in it: none may run, load, or make a phone's page wider. Each chart has a name and a table."""
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    said, asked = overheard(page)
    page.goto(dashboard.as_uri())
    ratios: dict[str, float] = {}
    for name, title in (("business", "Business"), ("quality", "Data quality"), ("publications", "Publications")):
        page.get_by_role("link", name=title).click()
        # The page hears of the link a moment later; until then everything is as it was.
        until(page, f"root.dataset.page === '{name}'")
        drawn(page)
        page.locator("section:visible details").evaluate_all("all => all.forEach(one => one.open = true)")
        page.wait_for_timeout(100)
        ratios |= {f"{title}: {name}": ratio for name, ratio in contrasts_of(page).items()}
        assert page.evaluate("document.documentElement.scrollWidth") <= width, title
    for chart in CHARTS:
        label = page.locator(f"#{chart.name} [role=graphics-document]").get_attribute("aria-label")
        assert label == f"{chart.title}. {chart.says}"
        page.locator(f"#{chart.name} tbody tr").first.wait_for(state="attached")
    assert page.get_by_role("link", name="c0ffee").get_attribute("href") == "../reports/c0ffee.html"
    page.close()
    assert (said, asked) == ([], [dashboard.as_uri()])
    assert len(ratios) > 25
    assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}


def test_filters_change_figures_and_amounts_stay_exact(browser: Any, dashboard: Path) -> None:
    """By property, currency, dates and hours, in tiles, tables and charts; clients are never added up over periods."""
    page = browser.new_page(viewport={"width": 1440, "height": 844})
    page.goto(dashboard.as_uri())
    drawn(page)
    # The newest 28 of 40 dates, all properties.
    assert f"\n{3 * 28}" in figure(page, "hits")
    assert "\n3\na day, on average" in figure(page, "active-clients")
    revenue = f"{PRICES['EUR'] * 3 * 28:,.9f}".rstrip("0")
    assert f"\n{revenue}\nEUR" in figure(page, "revenue")
    assert "direct" in figure(page, "best-channel") and "42.9 %" in figure(page, "best-channel")

    page.locator("[name=property]").select_option("shop")
    page.locator("[name=currency]").select_option("JPY")
    page.locator("[name=span]").select_option("lastweek")
    drawn(page)
    # The newest date, 2026-02-13, is a Friday.
    assert [page.locator(f"[name={name}]").input_value() for name in ("from", "to")] == [
        "2026-02-02",
        "2026-02-08",
    ]
    assert f"\n{2 * 7}" in figure(page, "hits") and f"\n{2 * 7 * 1000:,}.00\nJPY" in figure(page, "revenue")
    lines = table(page, "channel-revenue")
    assert [line.split("\t")[:2] for line in lines][:2] == [["direct", "42,000.00"], ["email", "28,000.00"]]
    texts = page.locator("#channel-revenue svg text").all_text_contents()
    assert {"direct", "42,000.00", "email"} <= {*texts} and "(others)" not in texts
    assert "All others together: 14,000.00" in page.locator("#channel-revenue").inner_text()

    page.locator("[name=grain]").select_option("hour")
    page.locator("[name=span]").select_option("newest")
    drawn(page)
    assert f"\n{2 * 24}" in figure(page, "hits") and "\n2\nan hour, on average" in figure(page, "active-users")
    lines = table(page, "traffic")
    assert len(lines) == 24 and lines[0].split("\t") == ["2026-02-13 00:00", "2", "2"]

    page.locator("[name=to]").fill("2026-01-12")
    drawn(page)
    # It ends before the first date whose hours are there.
    assert "\n0" in figure(page, "hits") and page.locator("#traffic .nothing").is_visible()
    page.close()


def test_before_anything_is_published_it_says_so(
    browser: Any, overheard: Callable[[Any], tuple[list[str], list[str]]], tmp_path: Path
) -> None:
    """And no script stumbles over dates that are not there."""
    path = tmp_path / "dashboard.html"
    empty = {name: Table.of(source, []) for name, source in SOURCES.items()}
    path.write_text(html(Contents(None, empty, [], [], []), "test", tmp_path, tmp_path), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1440, "height": 844})
    said, _ = overheard(page)
    page.goto(path.as_uri())
    drawn(page)
    assert "There is nothing to show yet" in page.locator("body").inner_text()
    assert page.locator("form").is_hidden() and page.locator("#channel-revenue .nothing").is_visible()
    page.close()
    assert said == []
