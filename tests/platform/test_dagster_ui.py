"""The UI in a real browser: the graph, a backfill launched by hand, green partitions, and a failed check's message.

Screenshots go to ARTIFACTS (CI keeps them), or to the test's own folder.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterEventType, DagsterInstance

from ingestion_platform.assets.keys import WAREHOUSE_POOL
from ingestion_platform.resources import environments

pytestmark = pytest.mark.browser

LIVE = ("events_live", "live_dates", "logs_live", "pageviews_live", "product_actions_live", "purchases_live")
GROUPS = ("archive", "raw", "events", "events_live", "stats", "published", "simulations")
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]


# What the field for the dates says while it is empty: it depends on which dates the dialog proposes.
RANGE = re.compile("^(No matching partitions|ex: )")


@pytest.fixture(scope="module")
def page(dev: Any) -> Iterator[Any]:
    """A tab of headless Chromium, on `dev`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_FLAGS)
        tab = browser.new_page(viewport={"width": 1600, "height": 900}, base_url=f"http://127.0.0.1:{dev.port}")
        tab.set_default_timeout(60_000)
        yield tab
        browser.close()


@pytest.fixture
def shot(tmp_path: Path) -> Any:
    """Keep a picture of the page under a name."""
    folder = Path(os.environ.get("ARTIFACTS") or tmp_path) / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)

    def take(page: Any, name: str) -> None:
        page.screenshot(path=f"{folder / name}.png")

    return take


def launch(page: Any, asset: str, first: str, last: str) -> None:
    """Materialize dates of an asset as a user does: its page, the button, the range, Launch."""
    page.goto(f"/assets/{asset}")
    page.get_by_role("button", name="Materialize…").click()
    dates = page.get_by_placeholder(RANGE)
    dates.fill(f"[{first}...{last}]")
    dates.press("Enter")
    page.get_by_role("button", name="Launch backfill").click()


def backfills(dev: Any) -> list[str]:
    """The ids of the backfills there are, newest first."""
    query = "{ partitionBackfillsOrError { ... on PartitionBackfills { results { id } } } }"
    return [found["id"] for found in dev.graphql(query)["partitionBackfillsOrError"]["results"]]


def test_the_graph_shows_every_stage(dev: Any, page: Any, shot: Any) -> None:
    """The lineage is what a newcomer sees first: each stage is a group, and the mart's page has its columns described."""
    page.goto("/asset-groups")
    for group in GROUPS:
        page.get_by_text(group, exact=True).first.wait_for()
    shot(page, "lineage")
    page.goto("/assets/stats/overview_1d?view=lineage&lineageScope=upstream&lineageDepth=5")
    page.get_by_text("product_actions").first.wait_for()
    page.wait_for_timeout(3000)
    shot(page, "lineage-of-overview")
    page.goto("/assets/stats/overview_1d")
    page.get_by_text("count_active_sessions").first.wait_for()
    shot(page, "asset")


def test_a_backfill_launched_by_hand_turns_its_dates_green(dev: Any, page: Any, shot: Any) -> None:
    """The product: choose dates, press a button, watch them turn green."""
    first, last = f"{dev.first}", f"{dev.first + timedelta(days=1)}"
    dev.finish(dev.backfill(dev.assets("raw", "events"), days=2))
    known = backfills(dev)
    launch(page, "stats/overview_1d", first, last)
    new = dev.wait_for(lambda: [found for found in backfills(dev) if found not in known], 60, "the launch")
    dev.finish(new[0])
    page.goto("/assets/stats/overview_1d?view=partitions")
    page.get_by_text(re.compile(r"Materialized \([1-9]")).wait_for()
    page.get_by_text("Failed (0)").wait_for()
    page.get_by_text(first, exact=True).first.click()
    page.get_by_text("dagster/partition_row_count").first.wait_for()
    shot(page, "partitions")
    page.goto("/runs")
    page.get_by_text("Success").first.wait_for()
    shot(page, "runs")


def materialized(instance: DagsterInstance, run_id: str) -> list[tuple[str, str | None]]:
    """The assets and dates that a run has recorded as materialized, so far."""
    records = instance.get_records_for_run(run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION, limit=1000).records
    events = [record.event_log_entry.get_dagster_event() for record in records]
    return [(event.asset_key.to_user_string(), event.partition) for event in events if event.asset_key is not None]


def test_everything_below_raw_as_the_readme_says(dev: Any, page: Any, shot: Any) -> None:
    """The README's own way to replay history ended *Failed* whenever its run outlasted a poll of the daemon (30 s) after raw/logs
    was recorded: the daemon then launches the view `live_dates` by itself, and the other views without it. The run is held up here
    as another run would hold it up: while its load has the only place of the warehouse's pool, that place is taken away, so that
    the step after it finds none, however fast this machine is."""
    page.goto("/asset-groups")
    page.get_by_role("button", name=re.compile("Materialize all")).wait_for()
    page.locator(".CodeMirror").first.click()
    page.keyboard.type('key:"raw/logs"+')
    page.keyboard.press("Enter")
    # Without a number: everything of the selection can be.
    page.get_by_role("button", name=re.compile("Materialize all…")).click()
    dates = [dev.first + timedelta(days=n) for n in range(3)]
    chosen = page.get_by_placeholder(RANGE)
    chosen.fill(f"[{dates[0]}...{dates[-1]}]")
    chosen.press("Enter")
    known = backfills(dev)
    page.get_by_role("button", name="Launch backfill").click()
    (new,) = dev.wait_for(lambda: [found for found in backfills(dev) if found not in known], 60, "the launch")
    with DagsterInstance.from_config(f"{dev.settings.dagster_home}") as instance:
        storage = instance.event_log_storage
        slots = storage.set_concurrency_slots
        (first,) = dev.wait_for(lambda: dev.runs(new), 120, "the first run")
        dev.wait_for(
            lambda: first["runId"] in storage.get_concurrency_info(WAREHOUSE_POOL).active_run_ids, 300, "its load"
        )
        slots(WAREHOUSE_POOL, 0)
        dev.wait_for(lambda: materialized(instance, first["runId"]), 300, "raw/logs")
        try:
            dev.wait_for(lambda: len(dev.runs(new)) > 1, 120, "the run of the view that reads raw/logs alone")
        finally:
            slots(WAREHOUSE_POOL, 1)
        dev.finish(new, 400)
        made = [found for run in dev.runs(new) for found in materialized(instance, run["runId"])]
    expected = {
        ("/".join(path), f"{day}") for path in dev.assets("raw", "events", "stats", "published") for day in dates
    }
    expected |= {(f"events_live/{name}", None) for name in LIVE}
    assert len(dev.runs(new)) > 2, "the views must have come in runs of their own"
    assert Counter(found for found in made if found in expected) == Counter(expected)
    # Dates around, which are loaded as a margin; and the page, which the run that publishes has renewed.
    assert {asset for asset, _ in set(made) - expected} <= {"raw/logs", "published/dashboard"}
    page.goto(f"/runs/b/{new}")
    page.get_by_text("Completed").first.wait_for()
    shot(page, "backfill")


def test_a_failed_check_tells_what_to_do(dev: Any, page: Any, shot: Any) -> None:
    """A corrupt object must be named on the check's page, under its date, with the way out."""
    day = dev.first + timedelta(days=3)
    archive = environments.archive(dev.settings)
    broken = archive.objects(day, day + timedelta(days=1))[0]
    archive.put(broken.key, b"no gzip")
    known = backfills(dev)
    launch(page, "raw/logs", f"{day}", f"{day + timedelta(days=1)}")
    new = dev.wait_for(lambda: [found for found in backfills(dev) if found not in known], 60, "the launch")
    dev.wait_for(lambda: dev.status(new[0]).startswith(("COMPLETED", "FAILED")), 240, "the backfill")
    page.goto("/assets/raw/logs?view=checks&checkDetail=objects_readable")
    page.get_by_text("Execution history").wait_for()
    page.get_by_text("Partitions", exact=True).last.click()  # the first is the asset's own
    page.get_by_text("Failed (1)").wait_for()
    page.get_by_text(f"{day}", exact=True).first.click()
    page.get_by_text("Put a whole copy in its place").first.wait_for()
    assert broken.key in page.content()
    shot(page, "failed-check")
