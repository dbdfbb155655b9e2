"""Who speaks which protocol in a plan, and the records of those who do not speak v1: written by the collector's own handler.

A visit's client is drawn by the configuration's shares, in a stream of its own: visits, hits and faults are the same whatever the
shares are. A hit and its retries go the same way, or nobody could tell the retries: where the protocol cannot say one of them, all go
by v1. Ids and times are the plan's, so that the same date has the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from collector.intake import process_request
from collector.records import Record, encode
from collector.settings import Settings
from collector.web import Request
from simulations.config import HOSTNAME
from simulations.draws import Draws, Flags, Floats, Ints, Purpose, pick
from simulations.ga4_requests import gtag, measurement_protocol
from simulations.plan import DayPlan
from simulations.protocols import PROTOCOLS, Moment, Sent, Shares
from simulations.segment_requests import segment
from simulations.taking import Hit

# By number in PROTOCOLS; None is v1.
SAY: tuple[Callable[[Hit, Moment], Sent | None] | None, ...] = (None, gtag, measurement_protocol, segment)
GTAG, MEASUREMENT_PROTOCOL = PROTOCOLS.index("ga4"), PROTOCOLS.index("ga4_mp")

_COLLECTOR = Settings()


def of_visits(plan: DayPlan) -> Ints:
    """The number of each visit's protocol."""
    draws = Draws(plan.config.seed, plan.day, Purpose.PROTOCOLS)
    return drawn(plan.config.protocols, draws.uniform(len(plan.visits.visitor)))


def drawn(shares: Shares, where: Floats) -> Ints:
    """The number of a protocol for each number in [0, 1)."""
    if not shares:
        return np.zeros(len(where), np.int64)
    numbers = np.array([PROTOCOLS.index(name) for name, _ in shares], np.int64)
    return np.asarray(numbers[pick([share for _, share in shares], where)])


def of_hits(plan: DayPlan) -> Ints:
    """The number of the protocol that has words for each hit's queue time: 0 (v1) where its visit's has none."""
    hits = plan.hits
    number = of_visits(plan)[hits.visit]
    told = np.array([qt is not None for qt in hits.qt], bool)
    waited = np.array([int(qt) if qt is not None and qt.isdigit() else 0 for qt in hits.qt], np.int64)
    wrong = told & np.array([qt is None or not qt.isdigit() for qt in hits.qt], bool)
    # The Measurement Protocol tells a retry by its content, the event's time included.
    happened = hits.received - waited
    moved = _differ(happened, hits.z)
    cannot = wrong | (told & (number == GTAG)) | (moved & (number == MEASUREMENT_PROTOCOL))
    number[np.isin(hits.z, hits.z[cannot])] = 0
    return number


def _differ(values: Ints, groups: Ints) -> Flags:
    """Whether a value's group holds another value."""
    first = np.full(len(groups), 0, np.int64)
    first[groups] = values
    other = values != first[groups]
    return np.asarray(np.isin(groups, groups[other]))


class Clients:
    """Writes the records of one plan's hits that go by another protocol than v1."""

    def __init__(self, plan: DayPlan) -> None:
        self.numbers = of_hits(plan).tolist()
        hits = plan.hits
        first = np.unique(hits.visit, return_index=True)
        begins = dict(zip(first[0].tolist(), (hits.received[first[1]] // 1000).tolist(), strict=True))
        self._sessions = [begins[visit] for visit in hits.visit.tolist()]

    def line(self, row: int, line: str) -> str:
        """The record of a hit whose record by v1 is `line`: that one, where its protocol cannot say it."""
        say = SAY[self.numbers[row]]
        if say is None:
            return line
        record = json.loads(line)
        request, body = record["request"], record["request"]["body"]
        received = request["timestamp"]
        moment = Moment(
            received - int(body.pop("qt", "0")),
            received,
            record["context"]["user_agent"],
            record["context"]["user_ip"],
            self._sessions[row],
        )
        sent = say(body, moment)
        return line if sent is None else _collected(sent, moment, record)


def _collected(sent: Sent, moment: Moment, by_v1: Record) -> str:
    """What the collector writes of a request, under the event id of the hit's record by v1."""
    headers = {"content-type": sent.content_type, "user-agent": moment.user_agent}
    request = Request("POST", sent.path, sent.query, headers, sent.body.encode(), HOSTNAME, moment.address)

    def encode_named(record: Record) -> bytes:
        assert "rejected" not in record, f"the collector refuses what the simulator sends: {record['rejected']}"
        return encode({**record, "event_id": by_v1["event_id"]})

    answered: Any = by_v1["response"]["timestamp"]
    (line,) = process_request(request, _COLLECTOR, moment.sent, answered, encode_named).records
    return line.decode()
