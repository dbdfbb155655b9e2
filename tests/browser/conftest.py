"""What the browser's tests share: Chromium, and a site of another origin than the collector's."""

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
