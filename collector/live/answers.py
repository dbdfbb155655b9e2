"""The page and the endpoint under /live, for all processes of a server.

    GET  /live          the page
    GET  /live/hits     counts, and the last hits, newest first; by query: the names of FILTERS, `since` (epoch ms), `limit`
    GET  /live/counts   counts alone
    POST /live/reset    forget all of it (Content-Type: application/json)

A filter that is not known is refused: a test with a slip in it would pass on hits that it never looked at.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from collector.live.door import admit
from collector.live.recent import FILTERS, MAX_HITS, Recent, Shown
from collector.live.siblings import Question, Siblings
from collector.outcomes import Rejection, error
from collector.refusals import refusals
from collector.web import Request, Response, json_response

logger = logging.getLogger("collector")

PATH = "/live"
_METHODS = {PATH: "GET", f"{PATH}/hits": "GET", f"{PATH}/counts": "GET", f"{PATH}/reset": "POST"}
_NO_SNIFFING = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


class Live:
    """What is under /live. `recent` is where this process's hits are noted."""

    def __init__(self, workers: int) -> None:
        self.recent = Recent()
        self._siblings = Siblings(self._said) if workers > 1 else None

    async def start(self) -> None:
        """Meet the server's other processes."""
        if self._siblings is not None:
            try:
                await self._siblings.start()
            except OSError as failed:
                logger.warning("/live shows what one process takes only: %s", failed)
                self._siblings = None

    async def stop(self) -> None:
        """Leave them."""
        if self._siblings is not None:
            await self._siblings.stop()

    async def answer(self, request: Request, headers: Iterable[tuple[bytes, bytes]]) -> Response | None:
        """The answer to a request for one of the paths; None for any other."""
        path = request.path.rstrip("/")
        if path not in _METHODS:
            return None
        try:
            admit(request, headers, is_page=path == PATH)
            if request.method not in {_METHODS[path], "HEAD" if _METHODS[path] == "GET" else ""}:
                raise Rejection(405, "method_not_allowed", f"{path} takes {_METHODS[path]}")
            if path == PATH:
                return _page()
            content = await self._content(_question(path, request.query))
        except Rejection as refused:
            answer = error(refused.status, refused.reason, refused.detail, {})
        else:
            answer = json_response(200, content, {})
        return answer._replace(headers={**answer.headers, **_NO_SNIFFING})

    async def _content(self, question: Question) -> Shown:
        answers = [self._said(question)]
        if self._siblings is not None:
            answers += await self._siblings.ask(question)
        counts = _sum_of([answer["counts"] for answer in answers])
        if question["path"] != f"{PATH}/hits":
            return counts
        hits = [hit for answer in answers for hit in answer["hits"]]
        hits.sort(key=lambda hit: hit["received_at"], reverse=True)
        return {"counts": counts, "hits": hits[: question["limit"]]}

    def _said(self, question: Question) -> dict[str, Any]:
        """This process's own answer."""
        if question["path"] == f"{PATH}/reset":
            self.recent.reset()
        hits = []
        if question["path"] == f"{PATH}/hits":
            hits = self.recent.hits(question["wanted"], question["since"], question["limit"])
        return {"counts": {**self.recent.counts(), "connections": dict(refusals)}, "hits": hits}


def _question(path: str, query: str) -> Question:
    wanted = dict(parse_qsl(query, keep_blank_values=True))
    numbers = {"since": 0, "limit": MAX_HITS}
    for name in numbers.keys() & wanted.keys():
        text = wanted.pop(name)
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise Rejection(400, "bad_filter", f"{name} has to be a whole number")
        numbers[name] = int(text)
    if path == f"{PATH}/hits" and (unknown := wanted.keys() - {*FILTERS}):
        raise Rejection(400, "bad_filter", f"not known: {min(unknown)!r}; there are {', '.join((*FILTERS, *numbers))}")
    return {"path": path, "wanted": wanted, **numbers}


def _sum_of(counts: list[Shown]) -> Shown:
    """The counts of several processes as one server's."""
    total = {name: sum(one[name] for one in counts) for name in ("accepted", "rejected", "kept", "workers")}
    for name in ("reasons", "connections"):
        summed: Counter[str] = Counter()
        for one in counts:
            summed.update(one[name])
        total[name] = dict(summed)
    return {"since": min(one["since"] for one in counts), **total}


@lru_cache(maxsize=1)
def _page() -> Response:
    """The page, which may run and look like what is in it, and ask where it came from; nothing else."""
    html = Path(__file__).with_name("page.html").read_bytes()
    script, style = (
        base64.b64encode(hashlib.sha256(re.findall(rb"<%b>(.*?)</%b>" % (tag, tag), html, re.S)[0]).digest()).decode()
        for tag in (b"script", b"style")
    )
    policy = (
        f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; img-src data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Content-Security-Policy": policy,
    }
    return Response(200, headers | _NO_SNIFFING | {"Cross-Origin-Opener-Policy": "same-origin"}, html)
