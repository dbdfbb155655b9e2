"""The script of docs/collector.md that runs a site's GA4 beside the collector, in a real browser."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.local_process import running_collector

pytestmark = pytest.mark.browser

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "collector.md"
# What gtag sends: a beacon with lines, one without a body, a fetch; and what is none of its requests.
SENT = """([google]) => {
  const query = "v=2&tid=G-1&cid=1.2&sid=7&_p=1&dl=" + encodeURIComponent(location.href);
  navigator.sendBeacon(`https://region1.${google}/g/collect?${query}&_s=1`, "en=page_view\\nen=scroll");
  navigator.sendBeacon(`https://www.${google}/g/collect?${query}&_s=2&en=beacon`);
  fetch(`https://www.${google}/g/collect?${query}&_s=3&en=fetched`, { method: "POST", mode: "no-cors" }).catch(() => {});
  navigator.sendBeacon("https://example.org/g/collect?en=other", "x");
  navigator.sendBeacon(`https://www.${google}.example.org/g/collect?en=other`, "x");
}"""


def test_each_request_of_gtag_is_sent_twice(tmp_path: Path, chromium: str, serve_page: Callable[[str], str]) -> None:
    """Google hears what it heard before, the collector the same; nobody else's requests are copied."""
    from playwright.sync_api import sync_playwright

    (script,) = re.findall(
        r"```html\n(<script>\n  \(function \(to\).*?</script>)\n```", DOCUMENTATION.read_text(), re.S
    )
    heard: list[str] = []
    with running_collector(tmp_path) as collector, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        # Nothing leaves this machine.
        page.route(re.compile("^https://"), lambda route: (heard.append(route.request.url), route.fulfill(status=204)))
        site = serve_page(script.replace("https://collect.example", collector.url))
        page.goto(site)
        page.evaluate(SENT, ["google-analytics.com"])
        page.wait_for_timeout(1000)
        browser.close()
    records = []
    for path in (tmp_path / "archive").rglob("*.gz"):
        records += [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    names = sorted(record["request"]["body"]["_en"] for record in records)
    assert names == ["beacon", "fetched", "page_view", "scroll"]
    assert {record["context"]["document_location"] for record in records} == {f"{site}/"}
    assert len([url for url in heard if "google-analytics.com/" in url]) == 3
