"""What becomes of a request: which records it leaves, and what it may be answered once they are durable.

`process_request` reads no clock and no network and writes nothing, so that Lambda and the local server decide alike. Whoever
calls it puts `RequestOutcome.records` on the delivery stream and then sends `RequestOutcome.answer(undelivered)`. Refused hits
leave a record too, with the reason and as much of the payload as may be kept. In a batch each line has its own outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from collector import privacy, records
from collector.bodies import MAX_REJECTED_PAYLOAD, hits_by_line, one_hit, payload_of
from collector.contract import HitError, parse_body, require_hit
from collector.outcomes import ACCEPTED, Acknowledge, HitOutcome, Rejection, RequestOutcome, error
from collector.records import (
    GIF_HEADERS,
    TEXT_HEADERS,
    Record,
    Source,
    build_record,
    build_rejected,
    new_event_id,
)
from collector.settings import IpMode, PrivacySignals, Settings
from collector.spellings import words_in
from collector.web import (
    Request,
    Response,
    analytics_js,
    cors_headers,
    is_allowed_origin,
    json_response,
    pixel,
    preflight,
    unavailable,
)

_INTERNAL_ERROR = Rejection(500, "internal_error", "the collector failed on this hit; it is kept to be replayed")
_DO_NOT_TRACK = Rejection(204, "do_not_track", "the browser asked not to be tracked")


class Route(NamedTuple):
    """A path that takes hits: by which methods, how their texts are read from a request (or a Rejection is raised), and
    what an accepted one is answered. Another wire format is another row of `ROUTES` with a reading of its own."""

    methods: tuple[str, ...]
    read: Callable[[Request, Settings], list[str]]
    is_batch: bool = False
    acknowledge: Acknowledge = pixel
    answered: Mapping[str, str] = GIF_HEADERS


_COLLECT = Route(("POST", "GET", "HEAD"), one_hit)
# analytics.js sends to /j/collect and /r/collect instead of /collect where a property has advertising features.
ROUTES = {
    "/collect": _COLLECT,
    "/j/collect": _COLLECT,
    "/r/collect": _COLLECT,
    "/batch": Route(("POST",), hits_by_line, is_batch=True),
}
# It reads the answer where it posts; an image shows what it gets.
_POSTED = {"/j/collect": _COLLECT._replace(acknowledge=analytics_js, answered=TEXT_HEADERS)}


class _Call(NamedTuple):
    """What the hits of one request have in common. Times are epoch milliseconds."""

    settings: Settings
    source: Source
    received_at: int
    responded_at: int
    encode: Callable[[Record], bytes]


def process_request(
    request: Request,
    settings: Settings,
    received_at: int,
    responded_at: int,
    encode: Callable[[Record], bytes] = records.encode,
    rejection: Rejection | None = None,
) -> RequestOutcome:
    """Decide what becomes of a request that came at `received_at` and is answered at `responded_at` (epoch ms).

    Raises nothing, whatever was sent. `encode` may be a quicker one that gives the same bytes. `rejection` is for a
    request that did not arrive whole: it is refused in any case, and recorded where something of a hit came with it.
    """
    cors = cors_headers(request.headers.get("origin"), settings.allowed_origins)
    path = request.path.rstrip("/")
    route = (_POSTED.get(path) if request.method == "POST" else None) or ROUTES.get(path)
    if rejection is not None:
        if not cors and not settings.allowed_origins:  # what broke off may have had an origin
            cors = {"Access-Control-Allow-Origin": "*"}
        if rejection.status == 503:
            return RequestOutcome(
                [], cors, response=unavailable(cors, {"error": rejection.reason, "detail": rejection.detail})
            )
        if route is None or not (request.body or request.query):
            return RequestOutcome([], cors, response=error(rejection.status, rejection.reason, rejection.detail, cors))
    if route is None:
        return _answer_other(request.method, path, cors)
    if request.method == "OPTIONS" and rejection is None:
        return RequestOutcome([], cors, response=preflight(cors))
    address = privacy.storable_address(request.address, settings.ip_mode)
    headers = privacy.storable_headers(request.headers)
    source = Source(request.method, path, request.hostname, address, headers, route.answered)
    if settings.ip_mode is IpMode.FULL and request.query and "aip" in words_in(request.query):
        source = privacy.truncated(source)
    call = _Call(settings, source, received_at, responded_at, encode)
    size = len(request.body or request.query)
    try:
        _admit(request, path, route, settings)
        if rejection is not None:
            raise rejection
        outcomes = [_process_hit(text, call) for text in route.read(request, settings)]
        return RequestOutcome(outcomes, cors, is_batch=route.is_batch, acknowledge=route.acknowledge)
    except Rejection as refused:
        return RequestOutcome([_reject(refused, payload_of(request), call, size)], cors)
    except Exception:  # a defect of ours is no reason to lose what was sent
        return RequestOutcome([_reject(_INTERNAL_ERROR, payload_of(request), call, size)], cors)


def _answer_other(method: str, path: str, cors: dict[str, str]) -> RequestOutcome:
    response = error(404, "not_found", "hits go to /collect, batches of hits to /batch", cors)
    if method in ("GET", "HEAD"):
        if path == "/health":
            response = json_response(200, {"status": "ok"}, cors)
        elif path == "/robots.txt":
            response = Response(200, {"Content-Type": "text/plain", **cors}, b"User-agent: *\nDisallow: /\n")
    return RequestOutcome([], cors, response=response)


def _admit(request: Request, path: str, route: Route, settings: Settings) -> None:
    """Refuse what is refused whatever its body says. First of all who wants nothing kept, whatever else is wrong."""
    if settings.privacy_signals is PrivacySignals.HONOUR and privacy.asks_not_to_be_tracked(request.headers):
        raise _DO_NOT_TRACK
    if request.method not in route.methods:
        raise Rejection(405, "method_not_allowed", f"{path} takes {', '.join(route.methods)}")
    if not is_allowed_origin(request.headers.get("origin"), settings.allowed_origins):
        raise Rejection(403, "origin_not_allowed", "hits of this origin are not taken here")


# ---------------------------------------------------------------------------------------------------------------------
# One hit
# ---------------------------------------------------------------------------------------------------------------------
def _process_hit(text: str, call: _Call) -> HitOutcome:
    settings = call.settings
    try:
        limit = settings.max_hit_bytes
        if len(text) * 4 > limit and len(text.encode("utf-8", "replace")) > limit:
            raise Rejection(413, "too_large", f"the hit is longer than {limit} bytes")
        hit = parse_body(text)
        require_hit(hit)
        if settings.tracking_ids and str(hit.get("tid")) not in settings.tracking_ids:
            raise Rejection(403, "tracking_id_not_allowed", "parameter tid (tracking id) is not one that is taken here")
        source = call.source
        if privacy.scrub_hit(hit, settings.ip_mode) is not settings.ip_mode:
            source = privacy.truncated(source)
        event_id = new_event_id()
        record = build_record(
            hit, source, event_id=event_id, received_at=call.received_at, responded_at=call.responded_at
        )
        return HitOutcome(call.encode(record), event_id, 200, ACCEPTED)
    except HitError as refused:
        return _reject(Rejection(400, refused.reason, refused.detail), text, call)
    except Rejection as rejection:
        return _reject(rejection, text, call)
    except Exception:  # a defect of ours costs no neighbour, and not this hit either: it is kept to be replayed
        return _reject(_INTERNAL_ERROR, text, call)


def _reject(rejection: Rejection, payload: str, call: _Call, size: int | None = None) -> HitOutcome:
    """Record a rejection. A visitor who asked not to be tracked is counted, and nothing of the request is kept. Of other
    payloads that are not kept whole the size is: `size`, else the text's length."""
    event_id = new_event_id()
    source = privacy.truncated(call.source)
    kept: str | None = None
    is_whole = True
    if rejection is _DO_NOT_TRACK:
        source = source._replace(user_ip=None, headers={})
    else:
        kept = privacy.scrub_payload(payload[:MAX_REJECTED_PAYLOAD], call.settings.ip_mode)
        is_whole = kept is not None and len(payload) <= MAX_REJECTED_PAYLOAD
    record = build_rejected(
        rejection.reason,
        rejection.detail,
        kept,
        source,
        status=rejection.status,
        event_id=event_id,
        received_at=call.received_at,
        responded_at=call.responded_at,
        payload_size=None if is_whole else (len(payload) if size is None else size),
    )
    return HitOutcome(call.encode(record), event_id, rejection.status, rejection.reason, rejection.detail)
