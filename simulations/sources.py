"""What the pumper sends: visits of the Coveo data set or generated ones, as happening now.

Each run sends the same pages, products, browsers and languages in the same order, under ids of its own. Of the times,
the gaps within a visit are kept: its last hit happens as the visit is sent, the earlier ones as long before it as they
did, which the collector is told as queue time. So a pause of half an hour makes two sessions of a visit here too. A
visit of more than three hours is squeezed into them, which leaves an hour for retries until the protocol's limit. A visit
whose client is gtag, which has no queue time, happens when it is sent.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simulations import coveo
from simulations.audience import AGENTS, LANGUAGES, SCREENS, SHOPS, exchange, money
from simulations.clients import GTAG, SAY, drawn, of_visits
from simulations.config import HOUR_MS, TrafficConfig
from simulations.coveo import Article, BrowsingEvent
from simulations.draws import uniform
from simulations.generate import plan_day
from simulations.lines import Lines
from simulations.protocols import Moment, Shares
from simulations.shapes import PRICE_BUCKETS

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
    """What is sent, by name, and its visits: the Coveo data set where `data_folder` holds it, otherwise generated
    traffic, of at least so many hits; by the clients that `protocols` says. Raises CoveoError."""
    run = secrets.randbits(63) | 1
    if data_folder is not None and coveo.is_present(data_folder):
        return "the Coveo data set", coveo_visits(data_folder, run, protocols)
    return "generated traffic", generated_visits(hits, run, protocols)


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


def coveo_visits(folder: Path, run: int, protocols: Shares = ()) -> Iterator[LiveVisit]:
    """The data set's sessions, one hit an event; products bought at the same instant are one purchase."""
    articles = coveo.catalog(folder)
    for events in coveo.sessions(folder):
        yield _coveo_visit(events, articles, run, protocols)


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


def _coveo_visit(events: list[BrowsingEvent], articles: dict[str, Article], run: int, protocols: Shares) -> LiveVisit:
    session = events[0].session
    number = _number_of(session)
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
    for row, (_, group) in enumerate(groupby(enumerate(events), key=_one_hit)):
        together = [event for _, event in group]
        hit = {
            **shared,
            "t": "pageview" if together[0].is_pageview else "event",
            "dl": f"https://{shop.host}/{together[0].url}",
            **_action(together, articles, shop.currencies[0], f"{run:x}-{session[:16]}-{row}"),
            "z": str(uuid.UUID(int=secrets.randbits(128), version=4)),
        }
        hits.append((agent, json.dumps(hit, separators=(",", ":"), ensure_ascii=False)))
        times.append(together[0].at)
    return _visit(hits, times, int(drawn(protocols, uniform(np.array([number], np.uint64)))[0]))


def _one_hit(numbered: tuple[int, BrowsingEvent]) -> tuple[Any, ...]:
    """Events with the same key are one hit: the lines of a purchase, and otherwise each event for itself."""
    number, event = numbered
    return ("purchase", event.at, event.url) if event.action == "purchase" else (number,)


def _action(
    events: list[BrowsingEvent], articles: dict[str, Article], currency: str, transaction_id: str
) -> dict[str, str]:
    """What an event did to its products, in the protocol's words."""
    action = events[0].action
    if not action:
        return {}
    parameters = {"pa": action, "cu": currency}
    if not events[0].is_pageview:
        parameters |= {"ec": "ecommerce", "ea": action}
    total = 0
    for i, event in enumerate(events, 1):
        article = articles.get(event.sku, Article("", None))
        parameters[f"pr{i}id"] = event.sku
        parameters[f"pr{i}qt"] = "1"
        if article.category:
            parameters[f"pr{i}ca"] = article.category
        if article.price_bucket is not None:
            price = exchange(_price(event.sku, article.price_bucket), currency)
            parameters[f"pr{i}pr"] = money(price, currency)
            total += price
    if action == "purchase":
        parameters |= {"ti": transaction_id, "tr": money(total, currency)}
    return parameters


def _price(sku: str, bucket: int) -> int:
    """A price within the bucket, in hundredths, the same at every run."""
    low, high = PRICE_BUCKETS[min(max(bucket, 1), 10) - 1], PRICE_BUCKETS[min(max(bucket, 1), 10)]
    return low + 1 + _number_of(sku) % (high - low)


def _number_of(text: str) -> int:
    """A number that belongs to a text, in every process (Python's own hash() does not)."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
