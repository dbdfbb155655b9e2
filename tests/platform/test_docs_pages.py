"""`make docs`, as a reader uses it: every page, every link, and dbt's documentation, over HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urljoin

from ingestion_platform.settings import PROJECT_DIR


class _Links(HTMLParser):
    """What a page links to, shows, fetches, and the names within it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.names: set[str] = set()
        self.scripts = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.names |= {given["id"]} if given.get("id") else set()
        self.links |= {target for target in (given.get("href"), given.get("src")) if target}
        self.scripts += tag == "script"


def _get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read()


def test_every_link_of_the_served_pages_leads_somewhere(tmp_path: Path) -> None:
    """Pages were written for a code host, where `.md` opens as it is: served, each link and picture is there, with its heading, and so
    are dbt's models and columns. Nothing comes from elsewhere; who stops it is told of no failure."""
    # A lake that somebody names is not asked for: these pages are of the project alone.
    env = {**os.environ, "DATA_DIR": f"{tmp_path}", "DOCS_PORT": "0", "LAKE_FOLDER": f"{tmp_path / 'none'}"}
    command = [sys.executable, "-m", "ingestion_platform", "docs"]
    with subprocess.Popen(command, env=env, cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            said = next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+/", line) for line in server.stdout)))
            waiting, pages, missing = [f"{said[0]}index.html"], dict[str, _Links](), set[tuple[str, str]]()
            found = set[str]()
            while waiting:
                address = waiting.pop()
                if address in pages or not address.endswith(".html") or "/dbt/" in address:
                    continue
                page = pages[address] = _Links(_get(address).decode())
                assert page.scripts == 0
                for link in page.links:
                    target = urldefrag(urljoin(address, link)).url
                    if not target.startswith(said[0]):
                        assert not link.endswith((".css", ".js", ".png")), f"{address} fetches {link}"
                        continue
                    if target in found:
                        continue
                    try:
                        _get(target)
                        found.add(target)
                        waiting.append(target)
                    except urllib.error.HTTPError:
                        missing.add((address, link))
            for address, page in pages.items():
                for target, heading in (urldefrag(urljoin(address, link)) for link in page.links):
                    if heading and target in pages and heading not in pages[target].names:
                        missing.add((address, f"{target}#{heading}"))
            assert missing == set()
            assert len(pages) >= len(list((PROJECT_DIR / "docs").rglob("*.md"))) + 3
            manifest = json.loads(_get(f"{said[0]}dbt/manifest.json"))
            assert manifest["nodes"]["model.clickstream.sessions"]["columns"]["channel"]["description"]
            assert b"<html" in _get(f"{said[0]}dbt/index.html")
            server.send_signal(signal.SIGINT)
            assert server.wait(10) == 0
        finally:
            server.kill()
