"""Public client libraries of GA4, Segment and RudderStack, unchanged but for the host, send real events to both fronts."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.fronts import FRONTS, Front, running_front

pytestmark = pytest.mark.browser

CLIENTS = Path(__file__).with_name("collector_clients")
ORDER = {"pa": "purchase", "ea": "purchase", "ti": "T1", "tr": "12.5", "cu": "EUR", "pr1id": "SKU1", "pr1pr": "12.5", "pr1qt": "1"}  # fmt: skip
ORDER_IN_SCRIPT = '{ order_id: "T1", total: 12.5, currency: "EUR", products: [{ product_id: "SKU1", price: 12.5, quantity: 1 }] }'  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The libraries, from the lock file."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are needed for these client libraries")
    folder = tmp_path_factory.mktemp("clients") / "installed"
    shutil.copytree(CLIENTS, folder)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, check=True, timeout=300)
    return folder


def _records(front: Front) -> list[dict[str, Any]]:
    """All archived records; a refused one fails the test with its reason."""
    assert [record["rejected"] for record in front.records if "rejected" in record] == []
    return front.records


@pytest.mark.parametrize("name", FRONTS)
def test_libraries_of_servers(tmp_path: Path, installed: Path, name: str) -> None:
    """Segment's and RudderStack's for node: batches with a write key, their answers understood at the first attempt."""
    with running_front(name, tmp_path) as front:
        subprocess.run(["node", "send_events.js", front.url], cwd=installed, check=True, timeout=60)
    records = _records(front)
    hits = {(record["context"]["tracking_id"], record["request"]["body"]["_en"]): record for record in records}
    assert len(hits) == len(records) == 5
    for key in ("segment", "rudder"):
        assert ORDER.items() <= hits[key, "Order Completed"]["request"]["body"].items()
        page = hits[key, "Home"]["request"]["body"]
        assert (page["t"], page["dl"]) == ("pageview", "https://shop.example/")
    assert hits["segment", "identify"]["request"]["body"]["uid"] == "ann"
    # The library's own agent would have made bots of its visitors.
    assert {record["context"]["user_agent"] for record in records} == {None}


@pytest.mark.parametrize("name", FRONTS)
@pytest.mark.parametrize(
    ("library", "before", "call", "names"),
    [
        (
            "@minimal-analytics/ga4/dist/index.js",
            'window.minimalAnalytics = { trackingId: "G-1", analyticsEndpoint: COLLECTOR + "/g/collect" };',
            'track(); track({ type: "sign_up" });',
            {"page_view", "sign_up"},
        ),
        (
            "@segment/analytics-next/dist/umd/index.js",
            "",
            """
            const analytics = AnalyticsNext.AnalyticsBrowser.load(
              { writeKey: "key", cdnSettings: { integrations: { "Segment.io": { apiKey: "key" } } } },
              { integrations: { "Segment.io": { apiHost: COLLECTOR.split("//")[1] + "/v1", protocol: "http" } } });
            analytics.page("Home");
            analytics.track("Order Completed", ORDER);
            """.replace("ORDER", ORDER_IN_SCRIPT),
            {"Home", "Order Completed"},
        ),
    ],
    ids=["minimal-analytics", "analytics-next"],
)
def test_libraries_of_browsers(
    tmp_path: Path,
    installed: Path,
    chromium: str,
    serve_page: Callable[[str], str],
    name: str,
    library: str,
    before: str,
    call: str,
    names: set[str],
) -> None:
    """From a page of another origin: what their preflights ask is granted, and who sends is the visitor."""
    from playwright.sync_api import sync_playwright

    source = (installed / "node_modules" / library).read_text().replace("</script", "<\\/script")
    with running_front(name, tmp_path) as front, sync_playwright() as playwright:
        script = f"const COLLECTOR = {json.dumps(front.url)}; {before}"
        site = serve_page(f"<!doctype html><title>shop</title><script>{script}</script><script>{source}</script>")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(site)
        page.evaluate(f"() => {{ {call} }}")
        page.wait_for_timeout(2000)
        page.goto("about:blank")
        page.wait_for_timeout(500)
        browser.close()
    records = _records(front)
    hits = {record["request"]["body"]["_en"]: record for record in records}
    assert names <= set(hits), (set(hits), problems)
    for record in records:
        assert record["context"]["tracking_id"] in ("G-1", "key") and record["context"]["client_id"]
        assert record["context"]["document_location"].startswith(site)
        assert "Chrome" in record["context"]["user_agent"]
        assert record["context"]["user_ip"] == ("127.0.0.0" if name == "local" else "203.0.113.0")
    if "Order Completed" in names:
        assert ORDER.items() <= hits["Order Completed"]["request"]["body"].items()
