"""The collector's own page of what it takes, in a real browser: hits are strangers' words, and other pages are strangers, too."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import pytest

from collector.local_process import running_collector

pytestmark = pytest.mark.browser

HOSTILE = "</script></pre><script>alert(1)</script><img src='https://evil.example/x' onerror=alert(2)><style>*{display:none}</style>\u202e"

# What a page of another origin tries: it may send, as any page may send hits, but reads nothing and resets nothing.
STRANGER = """<!doctype html><title>stranger</title><script>
async function trial() {
  const to = new URLSearchParams(location.search).get("to"), results = [];
  const attempt = async (path, options) => {
    try { const answer = await fetch(to + path, options); results.push(answer.type === "opaque" ? "opaque" : answer.status); }
    catch (error) { results.push(error.name); }
  };
  await attempt("/live/hits");
  await attempt("/live/hits", { mode: "no-cors" });
  await attempt("/live/reset", { method: "POST", body: "{}", headers: { "Content-Type": "application/json" } });
  await attempt("/live/reset", { method: "POST", body: "{}", mode: "no-cors" });
  const script = document.createElement("script");
  script.src = to + "/live/hits";
  results.push(await new Promise((done) => { script.onload = () => done("loaded"); script.onerror = () => done("blocked"); document.body.append(script); }));
  return results;
}
</script><body>"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_collector(tmp_path_factory.mktemp("live"), environment={"COLLECTOR_LIVE": "yes"}) as collector:
        yield collector.url


def _send(url: str, body: str, content_type: str = "application/x-www-form-urlencoded") -> None:
    with suppress(HTTPError):
        urllib.request.urlopen(urllib.request.Request(url, body.encode(), {"Content-Type": content_type}))


def _hits(url: str) -> None:
    _send(f"{url}/live/reset", "{}", "application/json")
    for n in range(3):
        _send(f"{url}/collect", f"t=event&cid=35009a79&tid=UA-1-1&ec=shop&ea=add&z={n}")
    _send(
        f"{url}/collect",
        urlencode({"t": "event", "cid": HOSTILE, "tid": HOSTILE, "ea": HOSTILE, "dt": HOSTILE, "ev": HOSTILE}),
    )
    _send(
        f"{url}/v1/track",
        json.dumps({"anonymousId": "a", "event": "Order Completed", "writeKey": "wk", "properties": {}}),
    )
    _send(f"{url}/collect", HOSTILE)
    _send(f"{url}/{HOSTILE[:9]}{'x' * 600}", "t=event")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_hits_show_as_text_and_can_be_chosen(
    browser: Any,
    contrasts_of: Callable[[Any], dict[str, float]],
    overheard: Callable[[Any], tuple[list[str], list[str]]],
    url: str,
    width: int,
    scheme: str,
) -> None:
    """A name of an event was markup in many a tool of this kind. Nothing is asked of anybody else, and it fits a phone."""
    _hits(url)
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    said, asked = overheard(page)
    page.goto(f"{url}/live")
    rows = page.locator("main details")
    page.locator("main details").nth(6).wait_for()
    assert (page.locator("#accepted").inner_text(), page.locator("#rejected").inner_text()) == ("5", "2")
    assert rows.nth(3).locator(".event").text_content() == HOSTILE
    for n in range(7):
        rows.nth(n).locator("summary").click()
    record = json.loads(rows.nth(3).locator("pre").text_content())
    assert record["request"]["body"]["dt"] == HOSTILE
    contrasts = contrasts_of(page)
    assert len(contrasts) > 12
    assert {name: ratio for name, ratio in contrasts.items() if ratio < 4.5} == {}
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.get_by_label("Verdict").select_option("rejected")
    assert page.locator("main details:visible").count() == 2
    page.get_by_label("Verdict").select_option("")
    page.get_by_label("Search").fill("order completed")
    assert page.locator("main details:visible .protocol").all_inner_texts() == ["segment"]
    page.get_by_label("Search").fill("")
    page.get_by_role("button", name="not_found 1").click()
    assert page.locator("main details:visible .reason").all_inner_texts() == ["not_found"]
    page.get_by_role("button", name="Reset").click()
    page.get_by_text("Nothing yet").wait_for()
    assert page.locator("#accepted").inner_text() == "0"
    page.close()
    assert said == []
    assert {address.partition("?")[0] for address in asked} == {f"{url}/live", f"{url}/live/hits", f"{url}/live/reset"}


def test_a_page_of_another_origin_reads_and_resets_nothing(
    browser: Any, url: str, serve_page: Callable[[str], str]
) -> None:
    """Of this machine, too: a development server is another origin of the same site."""
    _hits(url)
    page = browser.new_page()
    page.goto(f"{serve_page(STRANGER)}/?to={url}")
    results = page.evaluate("trial()")
    page.close()
    assert results[0] == results[2] == "TypeError" and results[4] == "blocked"
    assert set(results) <= {"TypeError", "opaque", "blocked"}
    with urllib.request.urlopen(f"{url}/live/counts") as answer:
        assert json.load(answer)["accepted"] == 5
