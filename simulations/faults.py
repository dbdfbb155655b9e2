"""What goes wrong between a browser and the archive, added to a planned date.

On the way from the client: thank-you pages loaded again, hits queued and sent later, clocks that make `qt` absurd,
clients that retry what had arrived, explicit session starts and ends. On the way to the archive: records delivered
twice, objects that arrive late, lines that are no JSON, requests that the collector refused. Every fault stays within
its date's generation: an original and its repeat are always of the same one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from collector.contract import queue_time_ms
from simulations import shapes
from simulations.config import DAY_MS, HOUR_MS, MINUTE_MS, TrafficConfig, epoch_ms
from simulations.draws import Draws, Flags, Ints, Purpose
from simulations.plan import KIND, DayPlan, Hits

SKEWED_QUEUE_TIMES = (
    "-1", "-5000", "14400001", "20000000", "86400000", "1500.75", "3600000.5", "soon", "NaN", "12s", "",
)  # fmt: skip
# A record is a hit, a refused request or a line that is no JSON; the last two borrow their circumstances from a hit.
ACCEPTED, REJECTED, MALFORMED = range(3)

_MOST_LINES = 50_000  # in one object


@dataclass(frozen=True)
class Delivery:
    """One archive object to be: when it arrives (epoch ms) and its records: (kind, row of the hit), in order."""

    number: int
    arrives: int
    kinds: Ints
    rows: Ints


def client_faults(plan: DayPlan, steady: Flags) -> None:
    """Add what clients do wrong to the plan's hits. `steady` marks visits that make no mistake (the marathon bots)."""
    config, hits = plan.config, plan.hits
    draws = Draws(config.seed, plan.day, Purpose.CLIENT_FAULTS)
    _session_controls(plan, draws)

    purchases = hits.kind == KIND["purchase"]
    reloaded = np.flatnonzero(purchases & draws.chance(config.repeat_purchases, len(purchases)))
    reloaded = np.concatenate([reloaded, reloaded[draws.chance(0.3, len(reloaded))]])
    delay = (draws.shaped(shapes.RELOAD_DELAY_S, len(reloaded)) * 1000).astype(np.int64)
    base = len(hits.visit)
    _append(hits, reloaded, delay)
    hits.z[base:] = np.arange(base, len(hits.visit))
    hits.reload[base:] = 1 + np.arange(len(reloaded))
    hits.control[base:] = 0

    n = len(hits.visit)
    busy = steady[hits.visit] | (hits.reload > 0)
    busy[reloaded] = True
    queued = draws.chance(config.queued, n) & ~busy
    wait = (draws.shaped(shapes.QUEUE_S, n) * 1000).astype(np.int64)
    skewed = draws.chance(config.skewed_queue_times, n) & ~busy & ~queued & ~purchases_of(hits)
    skew = draws.below(len(SKEWED_QUEUE_TIMES), n)
    for row in np.flatnonzero(queued).tolist():
        hits.qt[row] = str(wait[row])
    for row in np.flatnonzero(skewed).tolist():
        hits.qt[row] = SKEWED_QUEUE_TIMES[skew[row]]
    hits.received = hits.received + np.where(queued, wait, 0)

    _retries(plan, draws, ~skewed & ~steady[hits.visit])
    hits.queue = np.zeros(len(hits.visit), np.int64)
    for row, text in enumerate(hits.qt):
        if text is not None:
            hits.queue[row] = queue_time_ms({"qt": text})


def purchases_of(hits: Hits) -> Flags:
    """Which hits are purchases, repeated ones included."""
    purchases: Flags = hits.kind == KIND["purchase"]
    return purchases


def _session_controls(plan: DayPlan, draws: Draws) -> None:
    """Put `sc` on one hit of the visits that have it."""
    hits, control = plan.hits, plan.visits.control
    length = np.bincount(hits.visit, minlength=len(control))
    first = np.cumsum(length) - length
    row = first + draws.below(length, len(control))
    has_control = control > 0
    hits.control[row[has_control]] = control[has_control]


def _append(hits: Hits, rows: Ints, delay: Ints) -> None:
    """Repeat `rows` at the end, `delay` ms later."""
    for column in fields(Hits):
        values = getattr(hits, column.name)
        if isinstance(values, np.ndarray):
            setattr(hits, column.name, np.concatenate([values, values[rows]]))
    hits.qt += [hits.qt[row] for row in rows.tolist()]
    hits.received[len(hits.received) - len(rows) :] += delay


def _retries(plan: DayPlan, draws: Draws, eligible: Flags) -> None:
    """Send hits again under their old `z`: at once as they were, later with a queue time that tells the delay."""
    hits, config = plan.hits, plan.config
    rows = np.flatnonzero(draws.chance(config.client_retries, len(eligible)) & eligible)
    delay = (draws.shaped(shapes.RETRY_DELAY_S, len(rows)) * 1000).astype(np.int64)
    base = len(hits.visit)
    _append(hits, rows, delay)
    for i in np.flatnonzero(delay >= MINUTE_MS).tolist():
        hits.qt[base + i] = str(int(hits.qt[base + i] or 0) + int(delay[i]))


def deliveries(plan: DayPlan) -> list[Delivery]:
    """Sort the date's records into archive objects, in order of their numbers, with the network's faults."""
    config, hits = plan.config, plan.hits
    draws = Draws(config.seed, plan.day, Purpose.NETWORK_FAULTS)
    n = len(hits.visit)
    width = HOUR_MS // config.objects_per_hour
    slot = hits.received // width

    again = np.flatnonzero(draws.chance(config.duplicate_deliveries, n))
    later = slot[again] + 1 + draws.below(6 * config.objects_per_hour, len(again))
    refused = np.flatnonzero(draws.chance(config.rejected, n))
    garbled = np.flatnonzero(draws.chance(config.malformed_lines, n))
    rows = np.concatenate([np.arange(n), again, refused, garbled])
    slots = np.concatenate([slot, later, slot[refused], slot[garbled]])
    counts = (n + len(again), len(refused), len(garbled))
    kinds = np.repeat((ACCEPTED, REJECTED, MALFORMED), counts)

    order = np.lexsort((rows, kinds, hits.received[rows], slots))
    rows, slots, kinds = rows[order], slots[order], kinds[order]
    starts = np.flatnonzero(np.diff(slots, prepend=-1))
    arrives = _arrivals(plan, draws, slots[starts] * width)
    delivered: list[Delivery] = []
    edges = [*starts.tolist(), len(rows)]
    for start, end, at in zip(edges[:-1], edges[1:], arrives.tolist(), strict=True):
        for low in range(start, end, _MOST_LINES):
            high = min(low + _MOST_LINES, end)
            delivered.append(Delivery(len(delivered), at, kinds[low:high], rows[low:high]))
    return delivered


def _arrivals(plan: DayPlan, draws: Draws, starts: Ints) -> Ints:
    """When the objects whose first record could come at `starts` (epoch ms) arrive."""
    config: TrafficConfig = plan.config
    n = len(starts)
    lag = (draws.shaped(shapes.DELIVERY_LAG_MIN, n) * MINUTE_MS).astype(np.int64)
    arrives = starts + np.where(draws.chance(config.late_objects, n), lag, 0)
    outage, hour, days = draws.uniform(3).tolist()
    if outage < config.outages:
        begins = epoch_ms(plan.day) + int(hour * 24) * HOUR_MS
        down = (starts >= begins) & (starts < begins + HOUR_MS)
        arrives = np.where(down, starts + (2 + int(days * 3)) * DAY_MS, arrives)
    return arrives
