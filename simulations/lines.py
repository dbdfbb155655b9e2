"""Archive lines of a planned date, put together from stretches of text.

The lines are byte for byte what `collector.records` gives for the same hits (a test holds them together); going through
its dictionaries for every hit would cost several times as much. Refused requests, which are rare, do go through it, and so do hits
of other protocols than v1 (`clients`).
"""

from __future__ import annotations

import json

import numpy as np

from collector.contract import HitError, invalid_parameters, parse_body, require_hit
from collector.records import Source, build_rejected, encode
from simulations.clients import Clients
from simulations.content import CONTENT
from simulations.draws import Ints, mix, uuid_bits, uuid_texts
from simulations.faults import ACCEPTED, MALFORMED, REJECTED, Delivery
from simulations.plan import DayPlan
from simulations.wording import Wording, landing, text

_CONTROLS = ("", ',"sc":"start"', ',"sc":"end"')
# Requests that the contract refuses, each for another reason.
_REFUSED = (
    '{"v":"1","t":"pageview","dl":"https://www.nordwind.example/"}',
    '{"v":"1","cid":"35009a79-1a05-49d7-b876-2b884d0f825b"}',
    '{"v":"1","t":"pageview","cid":',
    "[]",
    "",
)


class Lines:
    """Renders the records of one plan."""

    def __init__(self, plan: DayPlan) -> None:
        self._hits = plan.hits
        self._wording = Wording(plan)
        self._event_ids = plan.event_id_bits()
        self._zs = plan.z_bits()
        self._opens = np.diff(plan.hits.visit, prepend=-1) != 0
        self._clients = Clients(plan) if plan.config.protocols else None

    def of(self, delivery: Delivery) -> bytes:
        """All lines of an archive object."""
        lines = self.accepted(delivery.rows)
        if self._clients is not None:
            rows, kinds = delivery.rows.tolist(), delivery.kinds.tolist()
            lines = [
                self._clients.line(row, line) if kind == ACCEPTED else line
                for row, kind, line in zip(rows, kinds, lines, strict=True)
            ]
        if not delivery.kinds.any():
            return "".join(lines).encode()
        return b"".join(map(_record, delivery.kinds.tolist(), lines))

    def accepted(self, rows: Ints) -> list[str]:
        """The record of each of these hits as a line of text."""
        hits, wording = self._hits, self._wording
        visits, pages = wording.visits, wording.pages
        qts, opens = hits.qt, self._opens
        columns = zip(
            rows.tolist(),
            uuid_texts(self._event_ids[0][rows], self._event_ids[1][rows]),
            uuid_texts(self._zs[0][rows], self._zs[1][rows]),
            hits.visit[rows].tolist(),
            hits.kind[rows].tolist(),
            hits.location[rows].tolist(),
            hits.referrer[rows].tolist(),
            hits.received[rows].tolist(),
            hits.luck[rows].tolist(),
            hits.origin[rows].tolist(),
            hits.control[rows].tolist(),
            strict=True,
        )
        lines = []
        for row, event_id, z, number, kind, location, before, received, luck, origin, control in columns:
            visit = visits.get(number) or wording.visit(number)
            page = pages.get((visit.shop, location)) or wording.page(visit.shop, location)
            if before >= 0:
                referrer = (pages.get((visit.shop, before)) or wording.page(visit.shop, before)).address
            else:
                referrer = visit.referrer or "null"
                if visit.campaign_query and opens[origin]:
                    page = landing(page, visit.campaign_query)
            came_from = "" if referrer == "null" else f'"dr":{referrer},'
            qt, end = qts[row], _CONTROLS[control]
            invalid = ""
            if qt is not None:
                end = f',"qt":{text(qt)}{end}'
                for name, expected in invalid_parameters({"qt": qt}).items():
                    invalid = f',"invalid_parameters":{{"{name}":"{expected}"}}'
            lines.append(
                f'{{"schema_version":1,"event_id":"{event_id}{visit.agent}{page.address},"document_referrer":{referrer}'
                f'{visit.client}{z}","timestamp":{received}{visit.request}{page.parameters}{came_from}{visit.device}'
                f'{CONTENT[kind](wording, visit, row, luck)}"z":"{z}"{end}}}}},"response":{{"id":"{z}",'
                f'"timestamp":{received + 1 + luck % 9},"statusCode":200,"headers":{{"Content-Type":"image/gif"}}}}'
                f"{invalid}}}\n"
            )
        return lines

    def requests(self, rows: Ints) -> list[tuple[str, str]]:
        """Each of these hits as a client would send it: its user agent and one JSON object."""
        lines = self.accepted(rows)
        bodies = (line[line.index('"body":') + len('"body":') : line.rindex('},"response":')] for line in lines)
        visits = (self._wording.visits[visit] for visit in self._hits.visit[rows].tolist())
        return [(visit.user_agent, body) for visit, body in zip(visits, bodies, strict=True)]


def _record(kind: int, line: str) -> bytes:
    """The bytes of a record: an accepted one as it is, a faulty one in the circumstances of the accepted one."""
    if kind == REJECTED:
        return _rejected(line)
    return _malformed(line) if kind == MALFORMED else line.encode()


def _rejected(line: str) -> bytes:
    record = json.loads(line)
    request, number = record["request"], int(record["event_id"][:8], 16)
    payload = _REFUSED[number % len(_REFUSED)]
    source = Source(
        request["method"], request["path"], request["hostname"], record["context"]["user_ip"], request["headers"]
    )
    seed = np.array([number], np.uint64)
    event_id = uuid_texts(*uuid_bits(mix(seed, 21), mix(seed, 22)))[0]
    try:
        require_hit(parse_body(payload))
    except HitError as error:
        refused = build_rejected(
            error.reason,
            error.detail,
            payload,
            source,
            status=400,
            event_id=event_id,
            received_at=request["timestamp"],
            responded_at=request["timestamp"] + 1,
        )
        return encode(refused)
    raise AssertionError(f"the contract takes {payload!r}: it is no example of a refused request any more")


def _malformed(line: str) -> bytes:
    """A line that is no JSON: cut off, not even text, or something else altogether."""
    event_id = line.index('"event_id":"') + len('"event_id":"')
    kind = int(line[event_id : event_id + 2], 16) % 3
    if kind == 0:
        return line[: len(line) // 2].encode() + b"\n"
    if kind == 1:
        return b"\xff\xfe\x00" + line[:80].encode() + b"\n"
    return b"503 Service Temporarily Unavailable\n"
