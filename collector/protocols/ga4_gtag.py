"""`/g/collect`: GA4 as gtag sends it. The query string holds what a page's events have in common, a body one event a line.

    GET, or POST without a body   one event, all of it in the query string
    POST with a body              one event a line; what a line says counts before what the query says

An item is a parameter `pr1` to `pr200`, its fields joined by `~`, a literal tilde doubled; `k0`…`v0`… and so on are name and
value of what a site adds. The client id may be missing where the `_ga` cookie comes with the request. A retry is told by session,
page (`_p`), number on it (`_s`), line and name; that becomes `z`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from collector.bodies import lines_of, payload_of, query_of, text_of, unpacked
from collector.contract import Hit, HitError, parse_form
from collector.outcomes import Rejection
from collector.protocols.events import MAX_EVENT_BYTES, NO_CONSENT, Event, Protocol, is_text
from collector.protocols.ga4_events import translate as translate_fields
from collector.protocols.ga4_shopping import Item
from collector.settings import PrivacySignals, Settings
from collector.web import Request

MAX_BODY_BYTES = 131_072
MAX_EVENTS = 25

MISSING_NAME = Rejection(400, "missing_event_name", "the event has no name (en)")
_TOO_LARGE = Rejection(413, "too_large", f"query and line are longer than {MAX_EVENT_BYTES} bytes")

_ITEM = re.compile(r"pr([1-9][0-9]?|1[0-9][0-9]|200)", re.ASCII)
# A field of an item: anything but a tilde, or two of them.
_FIELDS = re.compile(r"(?:~~|[^~])+")
_CLIENT = re.compile(r"(?:^|;)\s*_ga=GA1\.[^.;\s]*\.([^;\s]{1,100})", re.ASCII)
# G1, then ads, then analytics.
_DENIED = re.compile(r"G1.0", re.ASCII | re.DOTALL)


def read(request: Request, settings: Settings) -> Iterable[Event]:
    """An event a line, or the one in the query string."""
    query = query_of(request)
    lines = (
        lines_of(text_of(unpacked(request, MAX_BODY_BYTES))) if request.method == "POST" and request.body else []
    ) or [""]
    if len(lines) > MAX_EVENTS:
        raise Rejection(413, "too_many_hits", f"a body takes {MAX_EVENTS} events, one a line")
    shared = _parameters(query)
    client = client_of(request)
    for number, line in enumerate(lines, start=1):
        yield _event({**shared, **_parameters(line)}, len(query) + len(line), number, client, settings)


def _parameters(text: str) -> dict[str, Any]:
    try:
        return parse_form(text)
    except HitError:
        return {}


def _event(parameters: dict[str, Any], length: int, number: int, client: str | None, settings: Settings) -> Event:
    if settings.privacy_signals is PrivacySignals.HONOUR and _DENIED.match(parameters.get("gcs", "")):
        return Event(parameters, rejection=NO_CONSENT)
    if length > MAX_EVENT_BYTES:
        return Event(parameters, rejection=_TOO_LARGE)
    if not is_text(parameters.get("en")):
        return Event(parameters, rejection=MISSING_NAME)
    given = {}
    if client is not None and not is_text(parameters.get("cid")):
        given["cid"] = client
    if is_text(parameters.get("_p")) and is_text(parameters.get("_s")):
        told_by = (parameters.get("sid", ""), parameters["_p"], parameters["_s"], str(number), parameters["en"])
        given["z"] = "-".join(told_by)
    return Event(parameters, given)


def client_of(request: Request) -> str | None:
    """The client id of Google's own cookie: GA1.2.<client id>."""
    cookie = request.headers.get("cookie")
    found = _CLIENT.search(cookie) if cookie else None
    return found[1] if found else None


def translate(event: Event, given: Mapping[str, str], received_at: int) -> Hit:
    """The hit of an event: its items taken apart, the rest by GA4's table."""
    fields = dict(event.original)
    items = [(index, item_of(fields.pop(name))) for index, name in _items_in(tuple(fields))]
    return translate_fields(fields, items, given, received_at)


@lru_cache(maxsize=256)
def _items_in(names: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    """The items among an event's names, by their index. A site's events have the same few sets of names."""
    return tuple(sorted((int(index[1]), name) for name in names if (index := _ITEM.fullmatch(name)) is not None))


def item_of(text: str) -> Item:
    """The fields of an item by their two letters; what a site adds by its name behind a dot."""
    item: Item = {}
    added: dict[str, list[str | None]] = {}
    has_tildes = "~~" in text
    for field in _FIELDS.findall(text) if has_tildes else text.split("~"):
        if not field:
            continue
        letters, value = field[:2], field[2:]
        if has_tildes:
            value = value.replace("~~", "~")
        if letters[0] in "kv" and letters[1:].isdigit():
            added.setdefault(letters[1], [None, None])["kv".index(letters[0])] = value
        elif value:
            item[letters] = value
    for name, value in added.values():
        if name and value is not None:
            item[f".{name}"] = value
    return item


def payload(request: Request) -> str:
    """Query and body, a line each."""
    body = payload_of(request) if request.body else ""
    return "\n".join(part for part in (payload_of(request._replace(body=b"")), body) if part)


PROTOCOL = Protocol("ga4", read, translate, urlencode, payload, MAX_BODY_BYTES)
