"""What becomes of a request: which records it leaves, and what it may be answered once they are durable.

`process_request` reads no clock and no network and writes nothing, so that Lambda and the local server decide alike. Whoever
calls it puts `RequestOutcome.records` on the delivery stream and then sends `RequestOutcome.answer(undelivered)`. Refused hits
leave a record too, with the reason and as much of the payload as may be kept. In a batch each line has its own outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from collector import privacy, records
from collector.bodies import MAX_REJECTED_PAYLOAD, payload_of
from collector.contract import Hit, HitError, parse_body, require_hit
from collector.outcomes import ACCEPTED, HitOutcome, Rejection, RequestOutcome, error
from collector.records import Record, Source, build_record, build_rejected, new_event_id, new_event_ids
from collector.routes import Route, route_of
from collector.settings import IpMode, PrivacySignals, Settings
from collector.spellings import words_in
from collector.web import (
    Request,
    Response,
    cors_headers,
    is_allowed_origin,
    json_response,
    preflight,
    unavailable,
)

if TYPE_CHECKING:  # the other protocols are imported when the first request of one comes
    from collector.protocols.events import Event, Protocol
    from collector.protocols.received import Seen

Scrub = Callable[[str, IpMode], str | None]

_INTERNAL_ERROR = Rejection(500, "internal_error", "the collector failed on this hit; it is kept to be replayed")


class Call(NamedTuple):
    """What the hits of one request have in common. Times are epoch milliseconds. What is judged again keeps the ids that
    `mint` gives, and what was `given` then."""

    settings: Settings
    source: Source
    received_at: int
    responded_at: int
    encode: Callable[[Record], bytes]
    mint: Callable[[], str]
    protocol: Protocol | None = None
    given: Mapping[str, str] = MappingProxyType({})


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
    route = route_of(request.method, path)
    if rejection is not None:
        if not cors and not settings.allowed_origins:  # what broke off may have had an origin
            cors = {"Access-Control-Allow-Origin": "*"}
        if rejection.status == 503:
            return RequestOutcome(
                [], cors, response=unavailable(cors, {"error": rejection.reason, "detail": rejection.detail})
            )
        if route is None or route.judge is not None or not (request.body or request.query):
            return RequestOutcome([], cors, response=error(rejection.status, rejection.reason, rejection.detail, cors))
    if route is None:
        return _answer_other(request.method, path, cors)
    if request.method == "OPTIONS" and rejection is None:
        return RequestOutcome([], cors, response=preflight(cors))
    address = privacy.storable_address(request.address, settings.ip_mode)
    headers = privacy.storable_headers(request.headers)
    source = Source(request.method, path, request.hostname, address, headers, route.answered, route.status)
    if settings.ip_mode is IpMode.FULL and request.query and "aip" in words_in(request.query):
        source = privacy.truncated(source)
    if route.protocol is not None and route.protocol.by_servers and "origin" not in request.headers:
        source = source._replace(is_visitor=False)
    mint = new_event_id if route.protocol is None and not route.is_batch else new_event_ids().__next__
    call = Call(settings, source, received_at, responded_at, encode, mint, route.protocol)
    try:
        _admit(request, path, route, settings)
        if rejection is not None:
            raise rejection
        outcomes = judge(request, route, call)
        if route.judge is None:
            return RequestOutcome(outcomes, cors, is_batch=route.is_batch, answers=route.answers)
    except Rejection as refused:
        outcomes = [reject_request(refused, request, call)]
    except Exception:  # a defect of ours is no reason to lose what was sent
        outcomes = [reject_request(_INTERNAL_ERROR, request, call)]
    if route.judge is not None:
        return RequestOutcome([], cors, response=route.judge(outcomes, cors))
    return RequestOutcome(outcomes, cors, answers=route.answers)


def judge(request: Request, route: Route, call: Call) -> list[HitOutcome]:
    """What becomes of each hit of a request. Raises the Rejection that all of it earns."""
    if route.protocol is None:
        return [_process_hit(text, call) for text in route.read(request, call.settings)]
    protocol, settings, look_at = route.protocol, call.settings, _received().look_at
    outcomes = []
    for received in protocol.read(request, settings):
        event, seen = look_at(received, settings.ip_mode)
        outcomes.append(_process_event(event, protocol, call, seen))
    return outcomes


def reject_request(rejection: Rejection, request: Request, call: Call) -> HitOutcome:
    """The outcome of a request that is refused as a whole."""
    size = len(request.body or request.query)
    if call.protocol is None:
        return _reject(rejection, payload_of(request), call, size)
    payload, given = call.protocol.payload(request), {**call.protocol.tenant(request), **call.given}
    return _reject(rejection, payload, call, size, scrub=_received().scrub_received_payload, given=given)


@lru_cache(maxsize=1)
def _received() -> ModuleType:
    from collector.protocols import received

    return received


def _answer_other(method: str, path: str, cors: dict[str, str]) -> RequestOutcome:
    response = error(
        404,
        "not_found",
        "hits go to /collect, batches of hits to /batch, GA4's to /g/collect and /mp/collect, Segment's to /v1/",
        cors,
    )
    if method in ("GET", "HEAD"):
        if path == "/health":
            response = json_response(200, {"status": "ok"}, cors)
        elif path == "/robots.txt":
            response = Response(200, {"Content-Type": "text/plain", **cors}, b"User-agent: *\nDisallow: /\n")
    return RequestOutcome([], cors, response=response)


def _admit(request: Request, path: str, route: Route, settings: Settings) -> None:
    """Refuse what is refused whatever its body says. First of all who wants nothing kept, whatever else is wrong."""
    if settings.privacy_signals is PrivacySignals.HONOUR and privacy.asks_not_to_be_tracked(request.headers):
        raise Rejection(204, "do_not_track", "the browser asked not to be tracked")
    if request.method not in route.methods:
        raise Rejection(405, "method_not_allowed", f"{path} takes {', '.join(route.methods)}")
    if not is_allowed_origin(request.headers.get("origin"), settings.allowed_origins):
        raise Rejection(403, "origin_not_allowed", "hits of this origin are not taken here")


# ---------------------------------------------------------------------------------------------------------------------
# One hit
# ---------------------------------------------------------------------------------------------------------------------
def _process_hit(text: str, call: Call) -> HitOutcome:
    settings = call.settings
    try:
        limit = settings.max_hit_bytes
        if len(text) * 4 > limit and len(text.encode("utf-8", "replace")) > limit:
            raise Rejection(413, "too_large", f"the hit is longer than {limit} bytes")
        return _accept(parse_body(text), call)
    except HitError as refused:
        return _reject(Rejection(400, refused.reason, refused.detail), text, call)
    except Rejection as rejection:
        return _reject(rejection, text, call)
    except Exception:  # a defect of ours costs no neighbour, and not this hit either: it is kept to be replayed
        return _reject(_INTERNAL_ERROR, text, call)


def _process_event(event: Event, protocol: Protocol, call: Call, seen: Seen) -> HitOutcome:
    original = event.original
    if seen.asks_for_cut:
        call = call._replace(source=privacy.truncated(call.source))
    given = {**call.given, **event.given, **call.given} if call.given else event.given  # in the order of then
    try:
        if event.rejection is None:
            hit = protocol.translate(event, given, call.received_at)
            is_plain = seen.is_plain and not privacy.may_wrap_override("\n".join(given.values()))
            stored = original if seen.is_exact else protocol.stored(original)
            return _accept(hit, call, protocol.name, stored, given, is_plain)
        rejection = event.rejection
    except HitError as refused:
        rejection = Rejection(400, refused.reason, refused.detail)
    except Rejection as refused:
        rejection = refused
    except Exception:
        rejection = _INTERNAL_ERROR
    return _reject(rejection, protocol.write(original), call, given=given)


def _accept(
    hit: Hit,
    call: Call,
    protocol: str | None = None,
    original: Any = None,
    given: Mapping[str, str] = MappingProxyType({}),
    is_plain: bool = False,
) -> HitOutcome:
    """The record of a hit. Raises HitError or Rejection where it is none, or not wanted here."""
    settings = call.settings
    require_hit(hit)
    if settings.tracking_ids and str(hit.get("tid")) not in settings.tracking_ids:
        raise Rejection(403, "tracking_id_not_allowed", "parameter tid (tracking id) is not one that is taken here")
    source = call.source
    if privacy.scrub_hit(hit, settings.ip_mode, is_plain=is_plain) is not settings.ip_mode:
        source = privacy.truncated(source)
    event_id = call.mint()
    record = build_record(
        hit,
        source,
        event_id=event_id,
        received_at=call.received_at,
        responded_at=call.responded_at,
        protocol=protocol,
        original=original,
        given={name: hit[name] for name in given if name in hit} if given else None,  # as they may be stored
    )
    return HitOutcome(call.encode(record), event_id, 200, ACCEPTED)


def _reject(
    rejection: Rejection,
    payload: str,
    call: Call,
    size: int | None = None,
    *,
    scrub: Scrub = privacy.scrub_payload,
    given: Mapping[str, str] = MappingProxyType({}),
) -> HitOutcome:
    """Record a rejection. A visitor who asked not to be tracked (204) is counted, and nothing of the request is kept. Of other
    payloads that are not kept whole the size is: `size`, else the text's length."""
    event_id = call.mint()
    source = privacy.truncated(call.source)
    kept: str | None = None
    kept_given: dict[str, str] = {}
    is_whole = True
    if rejection.status == 204:
        source = source._replace(user_ip=None, headers={})
    else:
        kept = scrub(payload[:MAX_REJECTED_PAYLOAD], call.settings.ip_mode)
        if given:
            kept_given = dict(given)
            _received().scrub_received(kept_given, call.settings.ip_mode)
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
        protocol=call.protocol.name if call.protocol is not None else None,
        given=kept_given,
    )
    return HitOutcome(call.encode(record), event_id, rejection.status, rejection.reason, rejection.detail)
