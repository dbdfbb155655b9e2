"""What the pumper puts into a request: a hit by its visit's protocol, or many of v1's as lines for /batch.

A hit's time is told as it is sent: by v1 as queue time, by the others as the time it happened at. gtag knows neither, so that its
visits happen when they are sent.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from collector.settings import Settings
from simulations.clients import GTAG, SAY
from simulations.connection import Target
from simulations.protocols import Moment
from simulations.sources import LiveVisit

_COLLECTOR = Settings()
# What the queue time adds to a line, at most.
_QUEUE_TIME_BYTES = 20


class Pumped(NamedTuple):
    """A hit to send: its browser, its JSON object without `qt`, and when it happened (monotonic clock; epoch ms). `protocol` by its
    number, `session` is its visit's."""

    user_agent: str
    body: str
    happened: float
    happened_at: int
    protocol: int
    session: int

    def line(self) -> str:
        """The hit by v1, with its queue time."""
        queued = max(0, round((time.monotonic() - self.happened) * 1000))
        return f'{self.body[:-1]},"qt":"{queued}"}}'


def request_of(hits: list[Pumped], target: Target) -> bytes:
    """The bytes of the request that sends these hits: one of any protocol, or lines of v1's."""
    hit = hits[0]
    say = SAY[hit.protocol]
    if say is None:
        return target.request(hit.user_agent, "\n".join([hit.line() for hit in hits]))
    now = max(time.time_ns() // 1_000_000, hit.happened_at)
    happened = now if hit.protocol == GTAG else hit.happened_at
    sent = say(json.loads(hit.body), Moment(happened, now, hit.user_agent, None, hit.session))
    assert sent is not None, "the source has asked whether the protocol can say it"
    return target.request(hit.user_agent, sent.body, f"{sent.path}?{sent.query}".rstrip("?"), sent.content_type)


def timed(visits: Iterable[LiveVisit]) -> Iterator[Pumped]:
    """The visits' hits: a visit's last hit happens as it is sent."""
    for visit in visits:
        now, now_ms = time.monotonic(), time.time_ns() // 1_000_000
        for hit in visit:
            yield Pumped(
                hit.user_agent, hit.body, now - hit.age_ms / 1000, now_ms - hit.age_ms, hit.protocol, now_ms // 1000
            )


def batches(hits: Iterable[Pumped]) -> Iterator[list[Pumped]]:
    """The hits in their order, those of v1 together as far as a collector takes them; each says its browser itself."""
    batch: list[Pumped] = []
    size = 0
    for hit in hits:
        if hit.protocol:
            yield [hit]
            continue
        named = hit._replace(body=f'{hit.body[:-1]},"ua":{json.dumps(hit.user_agent)}}}')
        length = len(named.body.encode()) + _QUEUE_TIME_BYTES
        if batch and (len(batch) == _COLLECTOR.max_batch_hits or size + length > _COLLECTOR.max_batch_bytes):
            yield batch
            batch, size = [], 0
        batch.append(named)
        size += length
    if batch:
        yield batch
