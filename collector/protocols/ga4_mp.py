"""`/mp/collect`: GA4's Measurement Protocol, up to 25 events in a JSON object; `/debug/mp/collect` judges them and keeps nothing.

Who and when is said once a request (`client_id`, `user_id`, `timestamp_micros`, `user_properties`), what happened in `events`; the
measurement id and the secret are in the query string, and the secret goes no further. An event is kept as a request with
itself alone. An event's time is its own `timestamp_micros`, or the request's; it becomes the queue time `qt`, which the platform
bounds. With such a time the event's hash tells a retry (`z`); without one nobody can tell a retry from a second purchase.

The `consent` of these requests speaks of ads, not of measuring: it is kept and keeps nothing out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from collector.bodies import payload_of, query_of
from collector.contract import Hit, HitError, parse_form
from collector.outcomes import HitOutcome, Rejection
from collector.protocols.events import (
    MAX_EVENT_BYTES,
    Event,
    Protocol,
    is_text,
    mapping,
    measured,
    queue_time,
    read_object,
    whole_number,
)
from collector.protocols.ga4_events import translate as translate_fields
from collector.protocols.ga4_gtag import client_of
from collector.protocols.ga4_shopping import Item
from collector.settings import Settings
from collector.texts import Number, write_json
from collector.web import Request, Response, json_response

MAX_BODY_BYTES = 131_072
MAX_EVENTS = 25

# The request's own fields, in gtag's names. What is not here keeps its name.
REQUEST = {"client_id": "cid", "app_instance_id": "cid", "user_id": "uid", "ip_override": "_uip", "user_agent": "ua"}
ITEM = {
    "item_id": "id",
    "item_name": "nm",
    "item_brand": "br",
    "item_category": "ca",
    "item_category2": "c2",
    "item_category3": "c3",
    "item_category4": "c4",
    "item_category5": "c5",
    "item_variant": "va",
    "price": "pr",
    "quantity": "qt",
    "coupon": "cp",
    "index": "lp",
    "discount": "ds",
    "item_list_name": "ln",
    "item_list_id": "li",
    "affiliation": "af",
    "location_id": "lo",
    "promotion_id": "pi",
    "promotion_name": "pn",
    "creative_name": "cn",
    "creative_slot": "cs",
}
# What a reason of ours is in Google's answer: its code, and the field at fault.
VALIDATION = {
    "missing_client_id": ("VALUE_REQUIRED", "client_id"),
    "missing_event_name": ("NAME_INVALID", "events.name"),
    "empty_batch": ("VALUE_REQUIRED", "events"),
    "too_many_hits": ("EXCEEDED_MAX_ENTITIES", "events"),
    "too_large": ("VALUE_OUT_OF_BOUNDS", "events"),
    "api_secret_not_allowed": ("VALUE_INVALID", "api_secret"),
    "tracking_id_not_allowed": ("VALUE_INVALID", "measurement_id"),
}

_NO_OBJECT = Rejection(400, "not_an_object", "an event has to be a JSON object")
_MISSING_NAME = Rejection(400, "missing_event_name", "the event has no name")


def read(request: Request, settings: Settings) -> Iterable[Event]:
    """The events of a request, each as a request of its own."""
    query = _query(request)
    if settings.api_secrets and query.get("api_secret") not in settings.api_secrets:
        raise Rejection(403, "api_secret_not_allowed", "the api_secret is not one that is taken here")
    content, is_long, is_plain = read_object(request, MAX_BODY_BYTES)
    events = content.pop("events", None)
    if isinstance(events, dict):  # a postponed event of the Python library ga4mp
        events = [events]
    if not isinstance(events, list) or not events:
        raise Rejection(400, "empty_batch", "there is no event: events has to be a list of them")
    if len(events) > MAX_EVENTS:
        raise Rejection(413, "too_many_hits", f"a request takes {MAX_EVENTS} events")
    given = _tenant(query)
    client = client_of(request)
    if client is not None and not any(is_text(content.get(name)) for name in ("client_id", "app_instance_id")):
        given["cid"] = client
    for event in events:
        yield _event({**content, "events": [event]}, given, is_long)._replace(is_plain=is_plain)


def _tenant(query: dict[str, Any]) -> dict[str, str]:
    tenant = query.get("measurement_id") or query.get("firebase_app_id")
    return {"tid": tenant} if tenant else {}


def tenant_of(request: Request) -> dict[str, str]:
    """The measurement id as tracking id; nothing where the query cannot be read."""
    try:
        return _tenant(_query(request))
    except Rejection:
        return {}


def _query(request: Request) -> dict[str, Any]:
    query = query_of(request)
    try:
        return parse_form(query)
    except HitError:
        return {}


def _event(original: dict[str, Any], given: dict[str, str], is_long: bool) -> Event:
    original, rejection = measured(original, MAX_EVENT_BYTES if is_long else None)
    event = original["events"][0]
    if rejection is not None or not isinstance(event, dict):
        return Event(original, given, rejection or _NO_OBJECT)
    if not is_text(event.get("name")):
        return Event(original, given, _MISSING_NAME)
    if _micros(original, event) is not None:
        content = write_json({**original, "events": [event]})
        given = {**given, "z": hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:32]}
    return Event(original, given)


def _micros(original: dict[str, Any], event: dict[str, Any]) -> int | None:
    of_event = whole_number(event.get("timestamp_micros"))
    return whole_number(original.get("timestamp_micros")) if of_event is None else of_event


def translate(received: Event, given: Mapping[str, str], received_at: int) -> Hit:
    """The hit of an event: its JSON in gtag's flat names, these by GA4's table."""
    original = received.original
    event = mapping(original["events"][0])
    fields: dict[str, Any] = {"en": event.get("name")}
    for name, value in original.items():
        if name == "user_properties" and isinstance(value, dict):
            _put(fields, "up", {name: mapping(field).get("value") for name, field in value.items()})
        elif name != "events":
            fields.setdefault(REQUEST.get(name, name), value)
    parameters = event.get("params")
    items = []
    if isinstance(parameters, dict):
        listed = parameters.get("items")
        items = list(enumerate(map(_item, listed), start=1)) if isinstance(listed, list) else []
        _put(fields, "ep", {name: value for name, value in parameters.items() if name != "items" or not items})
    fields |= {name: value for name, value in event.items() if name not in ("name", "params")}
    micros = _micros(original, event)
    held = queue_time(received_at, None if micros is None else micros // 1000)
    return translate_fields(fields, items, {**given, "qt": held} if held else given, received_at)


def _put(fields: dict[str, Any], prefix: str, values: dict[str, Any]) -> None:
    """Text as gtag's `ep.x`, numbers as its `epn.x`."""
    for name, value in values.items():
        fields[f"{prefix}n.{name}" if isinstance(value, Number) else f"{prefix}.{name}"] = value


def _item(listed: Any) -> Item:
    return {ITEM.get(name, f".{name}"): value for name, value in mapping(listed).items()}


def payload(request: Request) -> str:
    """The body: the query string has the secret."""
    return payload_of(request._replace(query=""))


def validation(outcomes: Iterable[HitOutcome], cors: Mapping[str, str]) -> Response:
    """Google's answer to a request that is judged only: a message for each event that would be refused."""
    messages = []
    for outcome in outcomes:
        if outcome.status not in (200, 204):
            code, field = VALIDATION.get(outcome.reason, ("VALUE_INVALID", ""))
            messages.append({"fieldPath": field, "description": outcome.detail, "validationCode": code})
    return json_response(200, {"validationMessages": messages}, cors)


PROTOCOL = Protocol("ga4_mp", read, translate, write_json, payload, MAX_BODY_BYTES, by_servers=True, tenant=tenant_of)
