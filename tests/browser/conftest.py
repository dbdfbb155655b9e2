"""What the browser's tests share: Chromium, how well its pages can be read, and a site of another origin than the collector's."""

from __future__ import annotations

import contextlib
import functools
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """The test's output is not an access log."""


@pytest.fixture
def chromium() -> str:
    """Where the browser is."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    return found


@pytest.fixture
def serve_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Serves a page from an origin of its own, and gives that."""
    with contextlib.ExitStack() as servers:

        def serve(html: str) -> str:
            folder = tmp_path_factory.mktemp("site")
            (folder / "index.html").write_text(html)
            server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            servers.callback(server.server_close)
            servers.callback(server.shutdown)
            return f"http://localhost:{server.server_port}"

        yield serve


@pytest.fixture
def browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield found
        found.close()


# Every element with text of its own: how far apart its colour and the one behind it are, as WCAG counts it. Colours that let something
# through are laid over what is behind them.
_CONTRASTS = """() => {
  const channels = (text) => { const [r, g, b, a] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a ?? 1]; };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const behind = (element) => element === null ? [255, 255, 255, 1]
    : (([...c]) => c[3] === 1 ? c : over(c, behind(element.parentElement)))(channels(getComputedStyle(element).backgroundColor));
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const found = {};
  for (const element of document.body.querySelectorAll("*")) {
    if (element.closest("svg") || ![...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const back = behind(element), [a, b] = [light(over(channels(getComputedStyle(element).color), back)), light(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const name = element.tagName.toLowerCase() + "." + element.className;
    found[name] = Math.min(found[name] ?? 21, Math.round(ratio * 100) / 100);
  }
  return found;
}"""


@pytest.fixture
def contrasts_of() -> Callable[[Any], dict[str, float]]:
    """The least contrast of each kind of element on a page that has text of its own."""
    return lambda page: dict(page.evaluate(_CONTRASTS))


@pytest.fixture
def overheard() -> Callable[[Any], tuple[list[str], list[str]]]:
    """What a page says (console, errors, dialogs) and the addresses that it asks for, from now on."""

    def listen(page: Any) -> tuple[list[str], list[str]]:
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(f"{error}"))
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        return said, asked

    return listen
