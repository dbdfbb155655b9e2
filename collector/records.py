"""The archive record: one JSON object a line, whole enough that everything downstream can be rebuilt from it.

`build_record` makes the record of an accepted hit, `build_rejected` that of a refused one (so that it can be counted
and, once the rule is fixed, replayed); `encode` gives the line. The caller passes the event id and both times, so the
same arguments always give the same bytes: the simulator writes past days with these very functions.

What arrives here is already fit for disk: addresses truncated and headers picked (`collector.privacy`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from collector.contract import invalid_parameters

SCHEMA_VERSION = 1
SERVICE_ID = "api.collect"
GIF_HEADERS = {"Content-Type": "image/gif"}
TEXT_HEADERS = {"Content-Type": "text/plain"}
JSON_HEADERS = {"Content-Type": "application/json"}

_IDS_AT_ONCE = 32
_VARIANT = {f"{digit:x}": "89ab"[digit & 3] for digit in range(16)}

Record = dict[str, Any]


class Source(NamedTuple):
    """The request a hit came with. `user_ip` and `headers` as they may be stored; header names in lower case.
    `is_visitor` is false of a request that a server sends for somebody else: neither its address nor its agent is theirs.
    `answered` and `status` are the headers and the status of the answer that an accepted hit earns."""

    method: str
    path: str
    hostname: str
    user_ip: str | None
    headers: Mapping[str, str]
    answered: Mapping[str, str] = GIF_HEADERS
    status: int = 200
    is_visitor: bool = True


def new_event_id() -> str:
    """A random uuid (version 4), spelled out here because `uuid.uuid4` takes longer than all the rest of a record."""
    return _event_id(os.urandom(16).hex())


def new_event_ids() -> Iterator[str]:
    """The same for the hits of a batch, which share draws."""
    while True:
        drawn = os.urandom(16 * _IDS_AT_ONCE).hex()
        for start in range(0, 32 * _IDS_AT_ONCE, 32):
            yield _event_id(drawn[start : start + 32])


def _event_id(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"


def build_record(
    hit: Mapping[str, Any],
    source: Source,
    *,
    event_id: str,
    received_at: int,
    responded_at: int,
    protocol: str | None = None,
    original: Any = None,
    given: Mapping[str, str] | None = None,
) -> Record:
    """The record of an accepted hit. Times are epoch milliseconds, `event_id` a uuid. A hit that came in another protocol
    than Measurement Protocol v1 has its name beside it, what was received before it was translated, and what of the hit was
    `given` by the rest of the request. A record that corrects another has a `revision`.

    Values that do not fit their parameter are named in `invalid_parameters`, a key that clean hits do not have.
    """
    request_id = hit.get("z")
    if not isinstance(request_id, str) or not request_id:
        request_id = event_id
    request = _request(request_id, received_at, source, hit, protocol, given)
    if protocol is not None:
        request["original"] = original
    record: Record = {
        "schema_version": SCHEMA_VERSION,
        "event_id": event_id,
        "service": {"id": SERVICE_ID},
        "context": _context(hit, source),
        "request": request,
        "response": {
            "id": request_id,
            "timestamp": responded_at,
            "statusCode": source.status,
            "headers": source.answered,
        },
    }
    invalid = invalid_parameters(hit)
    if invalid:
        record["invalid_parameters"] = invalid
    return record


def build_rejected(
    reason: str,
    detail: str,
    payload: str | None,
    source: Source,
    *,
    status: int,
    event_id: str,
    received_at: int,
    responded_at: int,
    payload_size: int | None = None,
    protocol: str | None = None,
    given: Mapping[str, str] | None = None,
) -> Record:
    """The record of a refused request or batch line: why, and as much of its payload as may be kept (None: nothing).

    `payload_size` says how long a payload was, as it came, of which not all is kept; a whole one has no such key.
    """
    rejected: Record = {"reason": reason, "detail": detail, "payload": payload}
    if payload_size is not None:
        rejected["payload_size"] = payload_size
    return {
        "schema_version": SCHEMA_VERSION,
        "event_id": event_id,
        "service": {"id": SERVICE_ID},
        "context": _context({}, source),
        "request": _request(event_id, received_at, source, None, protocol, given),
        "response": {"id": event_id, "timestamp": responded_at, "statusCode": status, "headers": JSON_HEADERS},
        "rejected": rejected,
    }


def _request(
    request_id: str,
    received_at: int,
    source: Source,
    body: Mapping[str, Any] | None,
    protocol: str | None,
    given: Mapping[str, str] | None,
) -> Record:
    request: Record = {
        "id": request_id,
        "timestamp": received_at,
        "hostname": source.hostname,
        "path": source.path,
        "method": source.method,
        "headers": source.headers,
        "body": body,
    }
    if protocol is not None:
        request["protocol"] = protocol
    if given:
        request["given"] = given
    return request


def _context(hit: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """Who and where. Text or nothing, also where a JSON client nested something."""
    get = hit.get
    # Spelled out: this runs for every hit, and a comprehension takes twice as long.
    context = {
        "user_ip": value if (value := get("uip")).__class__ is str and value else None,
        "user_agent": value if (value := get("ua")).__class__ is str and value else None,
        "document_location": value if (value := get("dl")).__class__ is str and value else None,
        "document_referrer": value if (value := get("dr")).__class__ is str and value else None,
        "client_id": value if (value := get("cid")).__class__ is str and value else None,
        "user_id": value if (value := get("uid")).__class__ is str and value else None,
        "tracking_id": value if (value := get("tid")).__class__ is str and value else None,
    }
    if source.is_visitor:
        if context["user_ip"] is None:
            context["user_ip"] = source.user_ip
        if context["user_agent"] is None:
            context["user_agent"] = source.headers.get("user-agent")
    return context


_to_json = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def encode(record: Record) -> bytes:
    """The record's line: compact JSON in UTF-8 with its newline (a delivery stream adds no delimiter).

    Half a surrogate pair, which no UTF-8 can hold and strict readers refuse, becomes a question mark.
    """
    return (_to_json(record) + "\n").encode("utf-8", "replace")
