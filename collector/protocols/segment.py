"""`/v1/…`: Segment's HTTP API, as Segment's and RudderStack's clients send it.

    /v1/track, page, screen, identify, group, alias    one message; its type is the path's (the one-letter paths of Segment's browser client too)
    /v1/batch, /v1/import                              an object with a `batch` of messages

Whose it is says the write key: user name of Basic authorization, or `writeKey` in the body. It becomes the tracking id, so that
TRACKING_IDS may list the keys that are taken.

Time: a client's clock may be wrong, the span between two of its times is not. With `sentAt`, an event happened as long before its
receipt as it was held back (`sentAt` - `originalTimestamp`, which most clients call `timestamp`); without, at its `timestamp`.

Consent: where privacy signals are honoured, a `context.consent.categoryPreferences` that says no to analytics keeps a message out.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

from collector.bodies import payload_of
from collector.contract import Hit
from collector.outcomes import Rejection
from collector.protocols import segment_events as table
from collector.protocols.events import (
    EVENT_NAME,
    NO_CONSENT,
    Event,
    Protocol,
    is_number,
    is_text,
    keep,
    mapping,
    measured,
    put,
    queue_time,
    read_object,
    take,
)
from collector.protocols.segment_context import put_context
from collector.protocols.segment_shopping import put_goods
from collector.protocols.shared import Shared, shared_by
from collector.settings import PrivacySignals, Settings
from collector.texts import write_json
from collector.web import Request, Response, json_response

MAX_MESSAGE_BYTES = 32_768
MAX_BATCH_BYTES = 512_000
MAX_MESSAGES = 500
MAX_KEY_LENGTH = 256

_UNKNOWN_TYPE = Rejection(400, "missing_hit_type", f"the message's type has to be one of {', '.join(table.CALLS)}")
_MISSING_NAME = Rejection(400, "missing_event_name", "the message has no event")
_NO_OBJECT = Rejection(400, "not_an_object", "a message has to be a JSON object")
# What a batch says for all of its messages.
_SHARED = ("writeKey", "sentAt")


def read_one(request: Request, settings: Settings, call: str) -> Iterable[Event]:
    """The message of a request."""
    message, _, is_plain = read_object(request, MAX_MESSAGE_BYTES, with_numbers=True)
    message["type"] = call
    return [_event(message, tenant_of(request), settings, is_plain, False)]


def read_batch(request: Request, settings: Settings) -> Iterable[Event]:
    """The messages of a batch, each with what the batch says for all of them."""
    content, is_long, is_plain = read_object(request, MAX_BATCH_BYTES, with_numbers=True)
    messages = content.get("batch")
    if not isinstance(messages, list) or not messages:
        raise Rejection(400, "empty_batch", "there is no message: batch has to be a list of them")
    if len(messages) > MAX_MESSAGES:
        raise Rejection(413, "too_many_hits", f"a batch takes {MAX_MESSAGES} messages, this one has {len(messages)}")
    given = tenant_of(request)
    shared = {name: content[name] for name in _SHARED if name in content}
    context = mapping(content.get("context"))
    if len(write_json([shared, context])) * len(messages) > MAX_BATCH_BYTES:
        raise Rejection(413, "too_large", "what the batch says for all of its messages is too long for so many")
    known: dict[bytes, Shared | None] = {}
    for message in messages:
        same = None
        if isinstance(message, dict):
            message = {**shared, **message}
            if context:
                message["context"] = {**context, **mapping(message.get("context"))}
            same = shared_by(message.get("context"), known)
            if same is not None:
                message["context"] = same.value
        yield _event(message, given, settings, is_plain, is_long, same)


def tenant_of(request: Request) -> dict[str, str]:
    """The user of Basic authorization as tracking id."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        user = b64decode(credentials.strip(), validate=True).partition(b":")[0].decode()
    except ValueError:
        return {}
    return {"tid": user} if 0 < len(user) <= MAX_KEY_LENGTH else {}


def _event(
    message: Any,
    given: dict[str, str],
    settings: Settings,
    is_plain: bool,
    is_long: bool,
    shared: Shared | None = None,
) -> Event:
    rejection = None
    if is_long:
        message, rejection = measured(message, MAX_MESSAGE_BYTES)
    return Event(message, given, rejection or _why_not(message, settings), is_plain, shared)


def _why_not(message: Any, settings: Settings) -> Rejection | None:
    if not isinstance(message, dict):
        return _NO_OBJECT
    if settings.privacy_signals is PrivacySignals.HONOUR and _denies(message):
        return NO_CONSENT
    call = message.get("type")
    if not isinstance(call, str) or call not in table.CALLS:
        return _UNKNOWN_TYPE
    return _MISSING_NAME if call == "track" and not is_text(message.get("event")) else None


def _denies(message: dict[str, Any]) -> bool:
    consent = mapping(mapping(message.get("context")).get("consent"))
    preferences = mapping(consent.get("categoryPreferences"))
    return any(name.casefold() == "analytics" and choice is False for name, choice in preferences.items())


def translate(event: Event, given: Mapping[str, str], received_at: int) -> Hit:
    """The hit of a message: its fields, its goods, its context, its properties; then what is left of each."""
    message = dict(event.original)
    call = message["type"]
    hit: Hit = {**given, **table.CALLS[call]}
    held = queue_time(received_at, _happened_at(message, received_at))
    if held:
        hit["qt"] = held
    rest: dict[str, Any] = {}
    take(hit, message, table.FIELDS)
    name = message.pop("event" if call == "track" else "name", None)
    hit[EVENT_NAME] = own = str(name) if is_text(name) else call
    if call == "screen":
        put(hit, "cd", own)
    properties = dict(mapping(message.pop("properties", None)))
    meaning = table.EVENTS.get(own.lower()) if call == "track" else None
    if meaning is not None:
        hit |= {"ea": meaning.action, **meaning.parameters}
        put_goods(hit, meaning.goods, properties)
    elif call == "track":
        hit["ea"] = own
        take(hit, properties, table.PROPERTIES_OF_EVENTS)
    put_context(hit, mapping(message.pop("context", None)), rest, event.shared)
    take(hit, properties, table.PROPERTIES)
    if properties:
        rest |= {f"properties.{name}": value for name, value in properties.items()}
    traits = mapping(message.pop("traits", None))
    if traits:
        rest |= {f"traits.{name}": value for name, value in traits.items()}
    for name, value in (message | rest).items():
        keep(hit, name, value, table.PREFIX)
    return hit


def _happened_at(message: Mapping[str, Any], received_at: int) -> int | None:
    started = _milliseconds(message.get("originalTimestamp"))
    if started is None:
        started = _milliseconds(message.get("timestamp"))
    sent = _milliseconds(message.get("sentAt"))
    return started if started is None or sent is None else received_at - (sent - started)


def _milliseconds(value: Any) -> int | None:
    """Epoch milliseconds of a time in ISO 8601; one without a zone is UTC."""
    if is_number(value):
        value = str(value)
    return _read_time(value) if value.__class__ is str and len(value) <= 40 else None


@lru_cache(maxsize=256)  # the messages of a batch are sent at one time
def _read_time(value: str) -> int | None:
    try:
        moment = datetime.fromisoformat(value)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def payload(request: Request) -> str:
    """The body: nothing of a message is elsewhere."""
    return payload_of(request._replace(query=""))


def succeeded(cors: Mapping[str, str], event_id: str = "") -> Response:
    """What Segment's clients take for success: 200 and nothing else."""
    kept = {"X_Event_Id": event_id} if event_id else {}
    return json_response(200, {"success": True}, cors, **kept)


def refused(status: int, reason: str, detail: str, cors: Mapping[str, str]) -> Response:
    """Segment's libraries read `code` and `message`, and try again for ever without them."""
    named = {"code": reason, "message": detail, "error": reason, "detail": detail}
    return json_response(status, {"success": False, **named}, cors)


BATCH = Protocol("segment", read_batch, translate, write_json, payload, MAX_BATCH_BYTES, True, tenant_of)
# What follows /v1/: a call by its name, and by its first letter as Segment's browser client writes it.
PATHS: dict[str, Protocol] = dict.fromkeys(("batch", "b", "import"), BATCH) | {
    path: BATCH._replace(read=partial(read_one, call=call), longest_body=MAX_MESSAGE_BYTES)
    for call in table.CALLS
    for path in (call, call[0])
}
