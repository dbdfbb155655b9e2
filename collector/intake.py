"""What becomes of a request: which records it leaves, and what it may be answered once they are durable.

`judge` reads no clock and no network and writes nothing, so that Lambda and the local server decide alike. Whoever
calls it puts `Judgement.records` on the delivery stream and then sends `Judgement.answer(undelivered)`. Refused hits
leave a record too, with the reason and as much of the payload as may be kept. In a batch each line has its own verdict.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

from collector import privacy, records
from collector.contract import HitError, parse_body, require_hit
from collector.records import Record, Source, build_record, build_rejected, new_event_id
from collector.settings import PrivacySignals, Settings
from collector.verdicts import ACCEPTED, Judgement, Refusal, Verdict, error
from collector.web import Request, Response, cors_headers, is_allowed_origin, json_response, preflight

MAX_QUERY_BYTES = 8000
# Of a refused request no more than this is kept: the record has to fit into Firehose's 1,000 KiB however it escapes.
MAX_REJECTED_PAYLOAD = 65_536

_METHODS = {"/collect": ("POST", "GET", "HEAD"), "/batch": ("POST",)}
_INTERNAL_ERROR = Refusal(500, "internal_error", "the collector failed on this hit; it is kept to be replayed")


class _Call(NamedTuple):
    """What the hits of one request have in common. Times are epoch milliseconds."""

    settings: Settings
    source: Source
    received_at: int
    responded_at: int
    encode: Callable[[Record], bytes]


def judge(
    request: Request,
    settings: Settings,
    received_at: int,
    responded_at: int,
    encode: Callable[[Record], bytes] = records.encode,
) -> Judgement:
    """Decide what becomes of a request that came at `received_at` and is answered at `responded_at` (epoch ms).

    Raises nothing, whatever was sent. `encode` may be a quicker one that gives the same bytes.
    """
    cors = cors_headers(request.headers.get("origin"), settings.allowed_origins)
    path = request.path.rstrip("/")
    if path not in _METHODS:
        return _judge_other(request.method, path, cors)
    if request.method == "OPTIONS":
        return Judgement([], cors, response=preflight(cors))
    address = privacy.storable_address(request.address, settings.ip_mode)
    source = Source(request.method, path, request.hostname, address, privacy.storable_headers(request.headers))
    call = _Call(settings, source, received_at, responded_at, encode)
    try:
        _admit(request, path, settings)
        if path == "/batch":
            verdicts = [_judge_hit(line, call) for line in _batch_lines(request, settings)]
            return Judgement(verdicts, cors, is_batch=True)
        return Judgement([_judge_hit(_hit_text(request, settings), call)], cors)
    except Refusal as refusal:
        return Judgement([_reject(refusal, _payload(request), call)], cors)


def _judge_other(method: str, path: str, cors: dict[str, str]) -> Judgement:
    response = error(404, "not_found", "hits go to /collect, batches of hits to /batch", cors)
    if method in ("GET", "HEAD"):
        if path == "/health":
            response = json_response(200, {"status": "ok"}, cors)
        elif path == "/robots.txt":
            response = Response(200, {"Content-Type": "text/plain", **cors}, b"User-agent: *\nDisallow: /\n")
    return Judgement([], cors, response=response)


# ---------------------------------------------------------------------------------------------------------------------
# The request as a whole
# ---------------------------------------------------------------------------------------------------------------------
def _admit(request: Request, path: str, settings: Settings) -> None:
    """Refuse what is refused whatever its body says."""
    if request.method not in _METHODS[path]:
        raise Refusal(405, "method_not_allowed", f"{path} takes {', '.join(_METHODS[path])}")
    if settings.privacy_signals is PrivacySignals.HONOUR and privacy.asks_not_to_be_tracked(request.headers):
        raise Refusal(204, "do_not_track", "the browser asked not to be tracked")
    if not is_allowed_origin(request.headers.get("origin"), settings.allowed_origins):
        raise Refusal(403, "origin_not_allowed", "hits of this origin are not taken here")


def _batch_lines(request: Request, settings: Settings) -> list[str]:
    text = _text(_unpacked(request, settings.max_batch_bytes))
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    if not lines:
        raise Refusal(400, "empty_batch", "there is no hit: send one a line")
    if len(lines) > settings.max_batch_hits:
        raise Refusal(413, "too_many_hits", f"a batch takes {settings.max_batch_hits} hits, this one has {len(lines)}")
    return lines


def _hit_text(request: Request, settings: Settings) -> str:
    """Where the hit is: in the body, else in the query string (pixels, beacons without a body)."""
    if request.method == "POST" and request.body:
        return _text(_unpacked(request, settings.max_hit_bytes))
    if len(request.query) > MAX_QUERY_BYTES:
        raise Refusal(413, "too_large", f"the query string is longer than {MAX_QUERY_BYTES} bytes")
    return request.query


def _unpacked(request: Request, limit: int) -> bytes:
    """The body without its gzip. Never unpacks more than `limit` bytes."""
    body = request.body
    coding = _coding(request)
    if coding == "gzip":
        unpacker = zlib.decompressobj(wbits=31)
        try:
            body = unpacker.decompress(body, limit + 1)
        except zlib.error:
            raise Refusal(400, "malformed_gzip", "the body says it is gzip and is not") from None
        if len(body) <= limit and not unpacker.eof:
            raise Refusal(400, "malformed_gzip", "the gzip body ends too early")
    elif coding != "identity":
        raise Refusal(415, "unknown_encoding", "a body may be gzip-encoded or plain")
    if len(body) > limit:
        raise Refusal(413, "too_large", f"the body is longer than {limit} bytes")
    return body


def _coding(request: Request) -> str:
    return request.headers.get("content-encoding", "").strip().lower() or "identity"


def _text(body: bytes) -> str:
    """UTF-8, with or without a byte order mark; what is no UTF-8 shows as replacement characters."""
    return body.decode("utf-8", "replace").removeprefix("\ufeff")


def _payload(request: Request) -> str:
    """What a refused request carried, unpacked if that works."""
    if not request.body:
        return request.query
    body = request.body
    if _coding(request) == "gzip":
        try:
            body = zlib.decompressobj(wbits=31).decompress(body, MAX_REJECTED_PAYLOAD)
        except zlib.error:
            return ""
    return _text(body[:MAX_REJECTED_PAYLOAD])


# ---------------------------------------------------------------------------------------------------------------------
# One hit
# ---------------------------------------------------------------------------------------------------------------------
def _judge_hit(text: str, call: _Call) -> Verdict:
    settings = call.settings
    try:
        limit = settings.max_hit_bytes
        if len(text) * 4 > limit and len(text.encode("utf-8", "replace")) > limit:
            raise Refusal(413, "too_large", f"the hit is longer than {limit} bytes")
        hit = parse_body(text)
        require_hit(hit)
        if settings.tracking_ids and str(hit.get("tid")) not in settings.tracking_ids:
            raise Refusal(403, "tracking_id_not_allowed", "parameter tid (tracking id) is not one that is taken here")
        source = call.source
        if privacy.scrub_hit(hit, settings.ip_mode) is not settings.ip_mode:
            source = privacy.truncated(source)
        event_id = new_event_id()
        record = build_record(
            hit, source, event_id=event_id, received_at=call.received_at, responded_at=call.responded_at
        )
        return Verdict(call.encode(record), event_id, 200, ACCEPTED)
    except HitError as refused:
        return _reject(Refusal(400, refused.reason, refused.detail), text, call)
    except Refusal as refusal:
        return _reject(refusal, text, call)
    except Exception:  # a defect of ours costs no neighbour, and not this hit either: it is kept to be replayed
        return _reject(_INTERNAL_ERROR, text, call)


def _reject(refusal: Refusal, payload: str, call: _Call) -> Verdict:
    """Record a refusal. A visitor who asked not to be tracked is counted, and nothing of the request is kept."""
    event_id = new_event_id()
    source = privacy.truncated(call.source)
    kept: str | None = privacy.scrub_payload(payload[:MAX_REJECTED_PAYLOAD], call.settings.ip_mode)
    if refusal.reason == "do_not_track":
        source, kept = source._replace(user_ip=None, headers={}), None
    record = build_rejected(
        refusal.reason,
        refusal.detail,
        kept,
        source,
        status=refusal.status,
        event_id=event_id,
        received_at=call.received_at,
        responded_at=call.responded_at,
    )
    return Verdict(call.encode(record), event_id, refusal.status, refusal.reason, refusal.detail)
