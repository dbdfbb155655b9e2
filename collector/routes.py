"""The paths that take hits, and what each makes of them: v1's here, those of the other protocols in `protocols.routes`.

That table is imported when the first request for one of its paths comes: a Lambda that takes v1 only starts no slower for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from collector.bodies import GZIP_OVERHEAD, MAX_REJECTED_PAYLOAD, hits_by_line, one_hit
from collector.outcomes import Answers, HitOutcome
from collector.records import GIF_HEADERS, TEXT_HEADERS
from collector.settings import Settings
from collector.web import Request, Response, analytics_js

if TYPE_CHECKING:
    from collector.protocols.events import Protocol

# How the paths of the other protocols begin.
_OTHERS = ("/g/", "/mp/", "/debug/", "/v1/")


class Route(NamedTuple):
    """A path that takes hits: by which methods, how their texts are read from a request (or a Rejection is raised), and
    what an accepted one is answered, in short and in its record. Another wire format has a `protocol` to read
    it; `judge` is for a path that says what it thinks of hits and keeps none."""

    methods: tuple[str, ...]
    read: Callable[[Request, Settings], list[str]] = one_hit
    is_batch: bool = False
    answers: Answers = Answers()
    answered: Mapping[str, str] = GIF_HEADERS
    status: int = 200
    protocol: Protocol | None = None
    judge: Callable[[list[HitOutcome], Mapping[str, str]], Response] | None = None


_COLLECT = Route(("POST", "GET", "HEAD"), one_hit)
# analytics.js sends to /j/collect and /r/collect instead of /collect where a property has advertising features.
ROUTES = {
    "/collect": _COLLECT,
    "/j/collect": _COLLECT,
    "/r/collect": _COLLECT,
    "/batch": Route(("POST",), hits_by_line, is_batch=True),
}
# It reads the answer where it posts; an image shows what it gets.
_POSTED = {"/j/collect": _COLLECT._replace(answers=Answers(analytics_js), answered=TEXT_HEADERS)}


def route_of(method: str, path: str) -> Route | None:
    """What takes the hits of a path without its last slash; None where none are taken."""
    route = (_POSTED.get(path) if method == "POST" else None) or ROUTES.get(path)
    return _other(path) if route is None and path.startswith(_OTHERS) else route


@lru_cache(maxsize=256)
def _other(path: str) -> Route | None:
    from collector.protocols import routes

    return routes.ROUTES.get(path)


def longest_body(path: str, settings: Settings) -> int:
    """How many bytes of a body are worth keeping: one more than is taken, so that it can be refused, and at least what
    is recorded of a refused one."""
    route = route_of("POST", path.rstrip("/"))
    taken = max(settings.max_hit_bytes, settings.max_batch_bytes)
    taken = (route.protocol.longest_body if route is not None and route.protocol else taken) + GZIP_OVERHEAD
    return max(taken, MAX_REJECTED_PAYLOAD) + 1
