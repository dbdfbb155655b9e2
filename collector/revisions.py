"""An archived record judged again: what today's rules of the collector make of what was received.

`judged_again` takes the record of a hit or of a refusal apart into the request that it came with, as far as the archive has it, and
lets the handler's own code judge that:

    v1's hit                     its parameters (`request.body`), as they were read
    a hit of another protocol    the event as it was received (`request.original`) and what the rest of the request gave (`request.given`)
    a refusal                    its payload, where it was kept whole

What comes out are records with the event id and the times of the one that they correct, and a higher `revision`. A payload of several
events gives several: the first keeps the id, the others have ids that follow from it. No clock, no network, nothing random.

Admission is not judged again: who may send, from where and how much, is the business of the moment. `settings` count for hits all
the same (TRACKING_IDS). Of Measurement Protocol v1 the archive has the parameters and not their spelling, so that only a refused hit is
read anew; a number of JSON that no reader writes as it came (12.50) is text in `request.original`, and taken for text unless the
record shows that it was a number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from collector import records
from collector.intake import Call, judge, reject_request
from collector.outcomes import HitOutcome, Rejection
from collector.protocols.ga4_gtag import PROTOCOL as GTAG
from collector.protocols.segment import BATCH
from collector.records import SERVICE_ID, Record, Source
from collector.routes import Route, route_of
from collector.settings import Settings
from collector.texts import Number, read_json, write_json
from collector.web import Request

# Refused for something that no payload can mend: nothing of it was kept, or only a part, or not as it was meant.
FINAL = frozenset(
    {"do_not_track", "consent_denied", "too_large", "malformed_gzip", "unknown_encoding", "malformed_request", "request_timeout"}
)  # fmt: skip
# Refused by an operator's setting or by the way it was sent: judged again only when it is asked for.
BY_SETTINGS = frozenset(
    {"origin_not_allowed", "tracking_id_not_allowed", "api_secret_not_allowed", "method_not_allowed", "too_many_hits"}
)
# No bound turns a hit that was taken into a refused one: written anew it may be longer than it came.
_BOUNDS = frozenset({"too_large", "too_many_hits"})

_FURTHER_EVENTS = UUID("2f1c7a3e-6a0b-4f0e-9d5e-0d9a3c1b7e52")

Outcome = tuple[Any, ...]


class NotJudged(Exception):
    """Why a record stays as it is: nothing in it can be judged again."""


class Received(NamedTuple):
    """What a record says was received: the request to judge, and what was given beside it."""

    request: Request
    given: Mapping[str, str]


def read_record(line: bytes | str) -> Record | None:
    """The collector's record in a line of the archive; None for anything else, such as the records of a collector before event ids."""
    try:
        record = read_json(line.decode() if isinstance(line, bytes) else line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("event_id"), str) or not record["event_id"]:
        return None
    request, response = record.get("request"), record.get("response")
    if not (isinstance(request, dict) and isinstance(response, dict) and isinstance(record.get("context"), dict)):
        return None
    if record.get("service") != {"id": SERVICE_ID} or not isinstance(request.get("path"), str):
        return None
    return record if received_at(record) is not None else None


def received_at(record: Record) -> int | None:
    """When it was received, epoch ms; None where it does not say."""
    value = record["request"].get("timestamp")
    return int(value) if isinstance(value, Number) and value.isdigit() and len(value) < 16 else None


def revision_of(record: Record) -> int:
    """Which revision of its event the record is, 0 for the first."""
    value = record.get("revision")
    return int(value) if isinstance(value, Number) and value.isdigit() and len(value) < 10 else 0


def reason_of(record: Record) -> str | None:
    """Why it was refused; None of a hit."""
    rejected = record.get("rejected")
    return str(rejected.get("reason")) if isinstance(rejected, dict) else None


def outcome_of(record: Record) -> Outcome:
    """What the record says of its hit: equal where nothing downstream could tell two records apart."""
    reason = reason_of(record)
    return (reason,) if reason is not None else (None, record["request"].get("body"), record["context"])


def ids_of(event_id: str) -> Iterator[str]:
    """The ids of the events in one refused payload."""
    yield event_id
    for number in count(1):
        yield f"{uuid5(_FURTHER_EVENTS, f'{event_id}:{number}')}"


def revised(line: bytes, revision: int) -> bytes:
    """A line of the collector's as this revision of its event, otherwise byte for byte the same."""
    return records.encode({**json.loads(line), "revision": revision})


def judged_again(record: Record, settings: Settings) -> list[bytes]:
    """The lines of the records that today's rules give, one for each event. Raises NotJudged."""
    found = [outcome.record for outcome in _judged(record, _received(record), settings)]
    if reason_of(record) is None and reason_of(read_json(found[0].decode())) in _BOUNDS:
        raise NotJudged("it is only too long now")
    return found


def _judged(record: Record, received: Received, settings: Settings) -> list[HitOutcome]:
    request = received.request
    route = route_of("POST", request.path)
    if route is None:
        raise NotJudged("nothing is taken under its path any more")
    settings = replace(settings, api_secrets=frozenset())
    if reason_of(record) is None:
        settings = replace(settings, max_hit_bytes=1_048_576, max_batch_hits=500, max_batch_bytes=3_145_728)
    call = Call(
        settings,
        _source(record, route),
        received_at(record) or 0,
        _responded_at(record),
        records.encode,
        ids_of(record["event_id"]).__next__,
        route.protocol,
        given=received.given,
    )
    try:
        return judge(request, route, call)
    except Rejection as refused:
        return [reject_request(refused, request, call)]


def _source(record: Record, route: Route) -> Source:
    """The request's source as the record tells it: what was cut then is not whole now."""
    request, context = record["request"], record["context"]
    kept = request.get("headers")
    headers = {name: value for name, value in kept.items() if isinstance(value, str)} if isinstance(kept, dict) else {}
    agent = context.get("user_agent")
    if agent and "user-agent" not in headers:
        headers["user-agent"] = agent
    by_server = route.protocol is not None and route.protocol.by_servers and "origin" not in headers
    return Source(
        f"{request.get('method')}",
        request["path"],
        f"{request.get('hostname')}",
        context.get("user_ip"),
        headers,
        route.answered,
        route.status,
        is_visitor=not by_server,
    )


def _responded_at(record: Record) -> int:
    value = record["response"].get("timestamp")
    return int(value) if isinstance(value, Number) and value.isdigit() else received_at(record) or 0


# ---------------------------------------------------------------------------------------------------------------------
# What was received
# ---------------------------------------------------------------------------------------------------------------------
def _received(record: Record) -> Received:
    request = record["request"]
    given = request.get("given")
    given = given if isinstance(given, dict) else {}
    if reason_of(record) is not None:
        return Received(_request(request["path"], _payload(record["rejected"])), given)
    if "protocol" in request:
        text = _written(request["protocol"], request.get("original"))
        return Received(_request(request["path"], text), given)
    if isinstance(request.get("body"), dict):
        return Received(_request(request["path"], write_json(request["body"])), given)
    raise NotJudged("it has no body")


def _payload(rejected: Mapping[str, Any]) -> str:
    payload = rejected.get("payload")
    if rejected.get("reason") in FINAL or not isinstance(payload, str) or "payload_size" in rejected:
        raise NotJudged("its payload was not kept whole")
    return payload


def _written(protocol: Any, original: Any) -> str:
    """The text of an event as its protocol writes it, which is how one is stored that JSON could not hold to the letter."""
    if isinstance(original, str):
        return original
    return GTAG.write(original) if protocol == GTAG.name and isinstance(original, dict) else write_json(original)


def _request(path: str, text: str) -> Request:
    """The request that would bring the text once more."""
    query = ""
    if path == "/g/collect" and "\n" in text:
        # What gtag's requests have in common is their query, kept before the lines of their body.
        query, _, text = text.partition("\n")
    route = route_of("POST", path)
    if route is not None and route.protocol is not None and route.protocol.name == BATCH.name:
        # A message is kept as it was in its batch, with the type that its path says.
        try:
            message = read_json(text)
        except ValueError:
            message = None
        if isinstance(message, dict) and "batch" not in message and "type" in message:
            path, text = "/v1/batch", write_json({"batch": [message]})
    return Request("POST", path, query, {}, text.encode("utf-8", "replace"), "", None)
