"""What the pumper sends: visits of the Coveo data set or generated ones, as happening now.

Each run sends the same pages, products, browsers and languages in the same order, under ids of its own. Of the times,
the gaps within a visit are kept: its last hit happens as the visit is sent, the earlier ones as long before it as they
did, which the collector is told as queue time. So a pause of half an hour makes two sessions of a visit here too. A
visit of more than three hours is squeezed into them, which leaves an hour for retries until the protocol's limit. A visit
whose client is gtag, which has no queue time, happens when it is sent.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simulations import coveo
from simulations.audience import AGENTS, LANGUAGES, SCREENS, SHOPS
from simulations.clients import GTAG, SAY, drawn, of_visits
from simulations.config import HOUR_MS, TrafficConfig
from simulations.coveo import Article
from simulations.coveo_hits import Event, hits_of, number_of
from simulations.coveo_searches import Searches
from simulations.draws import uniform
from simulations.generate import plan_day
from simulations.lines import Lines
from simulations.protocols import Moment, Shares

MAX_SPAN_MS = 3 * HOUR_MS
# Generated in blocks, so that a run of any length needs the memory of one.
_BLOCK_HITS = 20_000
_FIRST_BLOCK = date(2026, 1, 5)


class LiveHit(NamedTuple):
    """A hit to send: its browser, the hit as a JSON object without `qt`, how long before the visit's end it was, and the number of
    the protocol that says it."""

    user_agent: str
    body: str
    age_ms: int
    protocol: int = 0


LiveVisit = list[LiveHit]


def source(data_folder: Path | None, hits: int, protocols: Shares = ()) -> tuple[str, Iterator[LiveVisit]]:
    """What is sent, by name, and its visits: the Coveo data set out of `data_folder`, or generated traffic where none is named,
    of at least so many hits; by the clients that `protocols` says. Raises CoveoError."""
    run = secrets.randbits(63) | 1
    if data_folder is None:
        return "generated traffic", generated_visits(hits, run, protocols)
    coveo.require(data_folder)
    searches = Searches(data_folder)
    name = "the Coveo data set" + (" with its searches" if len(searches) else "")
    return name, coveo_visits(data_folder, run, protocols, searches)


def generated_visits(hits: int, run: int, protocols: Shares = ()) -> Iterator[LiveVisit]:
    """Generated visits without faults, of at least `hits` hits in all."""
    config = TrafficConfig(hits_per_day=min(max(hits, 1_000), _BLOCK_HITS), protocols=protocols).without_faults()
    day = _FIRST_BLOCK
    while hits > 0:
        plan = plan_day(day, config, run)
        requests = Lines(plan).requests(np.arange(len(plan.hits.visit)))
        edges = np.flatnonzero(np.diff(plan.hits.visit)) + 1
        numbers = of_visits(plan)
        for rows in np.split(np.arange(len(requests)), edges):
            times = plan.hits.received[rows].tolist()
            protocol = int(numbers[plan.hits.visit[rows[0]]])
            yield _visit([requests[row] for row in rows.tolist()], times, protocol)
            hits -= len(times)
        day += timedelta(days=1)


def coveo_visits(
    folder: Path, run: int, protocols: Shares = (), searches: Searches | None = None
) -> Iterator[LiveVisit]:
    """The data set's sessions, with these searches; last the sessions that have nothing else."""
    articles = coveo.catalog(folder)
    for events in coveo.sessions(folder):
        searched = searches.of(events[0].session) if searches else []
        yield _coveo_visit(sorted([*events, *searched], key=_at), articles, run, protocols)
    for searched in searches.rest() if searches else ():
        yield _coveo_visit(sorted(searched, key=_at), articles, run, protocols)


def _at(event: Event) -> int:
    return event.at


def _visit(requests: list[tuple[str, str]], times: list[int], protocol: int) -> LiveVisit:
    """Hits (browser, body) as sent by a visit's client; by v1 what it has no words for."""
    say = SAY[protocol]
    if say is None:
        return [LiveHit(agent, body, age) for (agent, body), age in zip(requests, ages(times), strict=True)]
    now = Moment(0, 0, "", None, 0)
    before = [0] * len(times) if protocol == GTAG else ages(times)
    return [
        LiveHit(agent, body, age, protocol if say(json.loads(body), now) is not None else 0)
        for (agent, body), age in zip(requests, before, strict=True)
    ]


def ages(times: list[int]) -> list[int]:
    """How long before the last of these times (ms, rising) each was, squeezed to at most MAX_SPAN_MS."""
    span = times[-1] - times[0]
    if span <= MAX_SPAN_MS:
        return [times[-1] - at for at in times]
    return [(times[-1] - at) * MAX_SPAN_MS // span for at in times]


def _coveo_visit(events: list[Event], articles: dict[str, Article], run: int, protocols: Shares) -> LiveVisit:
    session = events[0].session
    number = number_of(session)
    shop = SHOPS[number % 3]
    screen, viewport, colours = SCREENS[number // 3 % len(SCREENS)]
    shared = {
        "v": "1",
        "tid": shop.tracking_id(live=True),
        "cid": str(uuid.uuid5(uuid.UUID(int=run), session)),
        "ul": LANGUAGES[number // 31 % len(LANGUAGES)],
        "sr": screen,
        "vp": viewport,
        "de": "UTF-8",
        "sd": colours,
    }
    agent = AGENTS[number // 7 % len(AGENTS)]
    hits, times = [], []
    for at, said in hits_of(events, shop, articles, f"{run:x}-{session[:16]}"):
        hit = {**shared, **said, "z": str(uuid.UUID(int=secrets.randbits(128), version=4))}
        hits.append((agent, json.dumps(hit, separators=(",", ":"), ensure_ascii=False)))
        times.append(at)
    return _visit(hits, times, int(drawn(protocols, uniform(np.array([number], np.uint64)))[0]))
