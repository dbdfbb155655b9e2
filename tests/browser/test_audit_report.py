"""The page of an audit in a real browser: it calls nowhere, fits a phone, can be read in the light and in the dark, and its map leads on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion_platform.assets.audit_report import write_report
from ingestion_platform.assets.comparison import Comparison, Difference, Example, Figure
from ingestion_platform.assets.kept_code import remember_code
from ingestion_platform.assets.manifest import Models
from ingestion_platform.changes import Cell, Change, Decision, Fingerprint, Reason, Version
from ingestion_platform.dates import Window
from ingestion_platform.resources.dbt_project import read_manifest

pytestmark = pytest.mark.browser

DAYS = [date(2026, 2, 10) + timedelta(days=n) for n in range(31)]
WINDOW = Window(DAYS[0], DAYS[-1] + timedelta(days=1))
HOSTILE = (
    "<script>alert(1)</script><img src='https://evil.example/x' onerror=alert(2)><style>@import 'https://evil.example'</style>\u202e"
    + "ẅ" * 400
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A month in which everything happened: held, waiting, published, new, the same, with long and hostile values."""
    folder = tmp_path_factory.mktemp("reports")
    models = Models.of(read_manifest())
    names = models.names_of(models.partitioned)
    remember_code(folder, models, names)
    edited = {
        unique_id: {**node, "compiled_code": f"{node['compiled_code']}\nwhere '{'x' * 300}' <> ''"}
        if node["name"] == "stg_hits"
        else node
        for unique_id, node in models.manifest["nodes"].items()
    }
    changes = [_change(models.codes([name])[name], name, n, day) for name in names for n, day in enumerate(DAYS)]
    differences = {
        change.cell: Difference(1000 + n, 1010 + n, _figures(n), 20, 10, (n * 37) % 1000)
        for n, change in enumerate(changes)
        if change.decision is not Decision.UNCHANGED and change.before is not None
    }
    row = {f"column_{n}": (f"{'long ' * 50}{n}", HOSTILE) for n in range(12)} | {HOSTILE: (None, "")}
    examples = [Example(DAYS[0], f"{HOSTILE} {n}", kind, row) for n, kind in enumerate(("altered", "added", "removed"))]
    comparison = Comparison(changes, differences, {"sessions": examples}, "c0ffee")
    return write_report(
        folder,
        comparison,
        Models({**models.manifest, "nodes": edited}, models.staging),
        run_id="8633ea6b-98ec-4706-b825-04e2b3d7a065",
        window=WINDOW,
        at=datetime(2026, 3, 13, 8, 30, tzinfo=UTC),
    )


def _change(code: str, model: str, n: int, day: date) -> Change:
    made: Mapping[bool, Version] = {
        new: Version(code if not new else "4567", "inputs", 1, Fingerprint(1000, {"channel": f"{new}"}, "made here"))
        for new in (False, True)
    }
    if model == "duplicates" or n % 7 == 6:
        return Change(Cell(model, day), Reason.CODE, Decision.UNCHANGED, made[True], made[False])
    if n >= 28:
        return Change(Cell(model, day), Reason.NEW, Decision.PUBLISH, made[True])
    held = n < 14 and model in ("sessions", "overview_1d")
    reason, decision = (Reason.CODE, Decision.HOLD) if held else (Reason.INPUTS, Decision.PUBLISH)
    return Change(
        Cell(model, day),
        reason,
        decision,
        made[True],
        made[False],
        ("channel", "device") if model != "sessions" else ("channel", HOSTILE[:54]),
    )


def _figures(n: int) -> tuple[Figure, ...]:
    sums = [
        Figure(f"sum of measure_{m}", f"{1_000_000 + m}.250000000", f"{1_000_000 + m * (n - 7)}.5") for m in range(11)
    ]
    return (*sums, Figure(HOSTILE[:60], "1", HOSTILE)) if n == 5 else tuple(sums)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_it_fits_can_be_read_and_calls_nowhere(
    browser: Any,
    contrasts_of: Callable[[Any], dict[str, float]],
    overheard: Callable[[Any], tuple[list[str], list[str]]],
    report: Path,
    width: int,
    scheme: str,
) -> None:
    """A cell too wide hid half of a phone's page; amber letters on amber could not be read; a value that was an image called its author."""
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    said, asked = overheard(page)
    page.goto(report.as_uri())
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    page.wait_for_timeout(200)
    contrasts = contrasts_of(page)
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    assert (said, asked) == ([], [report.as_uri()])
    assert wide <= width
    assert len(contrasts) > 25
    assert {name: ratio for name, ratio in contrasts.items() if ratio < 4.5} == {}


def test_a_cell_leads_to_its_row_and_what_does_not_wait_can_be_hidden(browser: Any, report: Path) -> None:
    """Without a script: the page's policy lets none run."""
    page = browser.new_page(viewport={"width": 1440, "height": 844})
    page.goto(report.as_uri())
    page.get_by_role("link", name="events.sessions on 2026-02-12: held (other code)").click()
    row = page.locator("tr:target")
    assert row.locator("th").inner_text() == "2026-02-12"
    box = row.bounding_box()
    assert box is not None and 0 <= box["y"] < 844
    # One that waits with its date, in a part that is folded.
    page.get_by_role("link", name="events.logs on 2026-02-13: waits with its date").click()
    assert page.locator("tr:target th").inner_text() == "2026-02-13"
    assert page.locator("tr:target").is_visible()
    assert page.locator(".quiet:visible").count() > 10
    page.get_by_label("Only what waits").check()
    assert page.get_by_role("heading", name="events.sessions", exact=True).is_visible()
    assert page.locator(".quiet:visible").count() == 0
    page.close()
