"""A page of another origin in a real browser: pixel, beacons and fetches reach the archive, and it can read answers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.local_process import running_collector

pytestmark = pytest.mark.browser

# What the documentation tells a client's author to write, and some harder cases.
PAGE = """<!doctype html><meta charset="utf-8"><title>shop</title><body><script>
const collect = new URLSearchParams(location.search).get("to") + "/collect";
const hit = (cid, more = {}) => ({ v: "1", t: "pageview", tid: "UA-1-1", cid, dl: location.href, dt: "Käse", ...more });
const results = {};
async function send() {
  await new Promise((done) => {
    const image = new Image();
    image.onload = () => { results.pixel = image.width; done(); };
    image.onerror = () => { results.pixel = "error"; done(); };
    image.src = collect + "?" + new URLSearchParams(hit("pixel"));
  });
  results.beaconForm = navigator.sendBeacon(collect, new URLSearchParams(hit("beacon-form")));
  results.beaconText = navigator.sendBeacon(collect, JSON.stringify(hit("beacon-text", { ev: 1.50 })));
  results.beaconJson = navigator.sendBeacon(
    collect, new Blob([JSON.stringify(hit("beacon-json"))], { type: "application/json" }));
  const post = async (name, options) => {
    try { results[name] = (await fetch(collect, { method: "POST", ...options })).status; }
    catch (error) { results[name] = String(error); }
  };
  const json = { "Content-Type": "application/json" };
  await post("fetchJson", { headers: json, body: JSON.stringify(hit("fetch-json")) });
  await post("fetchCredentials", {
    headers: json, credentials: "include", body: JSON.stringify(hit("fetch-credentials")) });
  await post("fetchKeepalive", { keepalive: true, body: new URLSearchParams(hit("fetch-keepalive")) });
  const zipped = new Blob([JSON.stringify(hit("fetch-gzip"))]).stream().pipeThrough(new CompressionStream("gzip"));
  await post("fetchGzip", { headers: { "Content-Encoding": "gzip" }, body: await new Response(zipped).blob() });
  const refused = await fetch(collect, { method: "POST", body: "t=event" });
  results.refused = (await refused.json()).error;
  addEventListener("pagehide", () => navigator.sendBeacon(collect, new URLSearchParams(hit("pagehide"))));
  return results;
}
</script>"""


def test_a_page_of_another_origin_sends_and_reads(
    tmp_path: Path, chromium: str, serve_page: Callable[[str], str]
) -> None:
    """Beacons and credentialed fetches fail where `*` is answered; a preflight without its headers loses JSON hits;
    the hit sent while the page goes away must arrive as well."""
    from playwright.sync_api import sync_playwright

    site = serve_page(PAGE)
    with running_collector(tmp_path) as collector, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text) if "CORS" in message.text else None)
        page.goto(f"{site}/?to={collector.url}")
        results = page.evaluate("send()")
        page.goto("about:blank")
        page.wait_for_timeout(500)
        browser.close()
    assert results == {
        "pixel": 1,
        "beaconForm": True,
        "beaconText": True,
        "beaconJson": True,
        "fetchJson": 200,
        "fetchCredentials": 200,
        "fetchKeepalive": 200,
        "fetchGzip": 200,
        "refused": "missing_client_id",
    }
    assert problems == []
    records = []
    for path in (tmp_path / "archive").rglob("*.gz"):
        records += [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    hits = {record["context"]["client_id"]: record for record in records if "rejected" not in record}
    assert set(hits) == {
        "pixel", "beacon-form", "beacon-text", "beacon-json", "fetch-json", "fetch-credentials", "fetch-keepalive",
        "fetch-gzip", "pagehide",
    }  # fmt: skip
    assert {record["request"]["body"]["dt"] for record in hits.values()} == {"Käse"}
    assert hits["beacon-text"]["request"]["body"]["ev"] == "1.5"
    assert "Chrome" in hits["pixel"]["context"]["user_agent"]
    assert hits["fetch-json"]["request"]["headers"]["origin"] == site
    assert len(records) == len(hits) + 1
