"""A date's whole plan: visits, hits, orders, the marathon bot, and the faults, in this order."""

from __future__ import annotations

from datetime import date

import numpy as np

from simulations import audience
from simulations.audience import BOT
from simulations.browsing import draw_hits, draw_orders, draw_visits
from simulations.config import DAY_MS, MINUTE_MS, TrafficConfig, epoch_ms
from simulations.draws import Draws, Ints, Purpose
from simulations.faults import client_faults
from simulations.plan import DayPlan, Hits, Visits

_MARATHON_START_MS = 21 * 60 * MINUTE_MS
_MARATHON_LENGTH_MS = 28 * 60 * MINUTE_MS


def plan_day(day: date, config: TrafficConfig, run: int = 0) -> DayPlan:
    """Plan the visits that begin on `day`; `run` as in `DayPlan`. Transaction ids belong to the date and the run."""
    visits, length, start = draw_visits(day, config)
    hits = draw_hits(day, config, visits, length, start)
    steady = np.zeros(len(length) + 1, bool)
    pauses = _marathon(day, config)
    if len(pauses):
        visits, hits = _with_marathon(day, config, visits, hits, pauses)
        steady[-1] = True
    without_id = Draws(config.seed, day, Purpose.ORDERS).chance(config.purchases_without_id, len(hits.visit))
    orders = draw_orders(visits, hits, without_id, f"Ord-{day:%Y%m%d}" + (f"-{run:x}" if run else ""))
    plan = DayPlan(day, config, visits, hits, orders, run)
    client_faults(plan, steady)
    return plan


def _marathon(day: date, config: TrafficConfig) -> Ints:
    """When the marathon bot of the date looks in (epoch ms), if the date has one.

    It begins in the evening, never pauses for 30 minutes, and goes on past the second midnight that follows: the one
    case in which a session is cut at midnight.
    """
    draws = Draws(config.seed, day, Purpose.MARATHON)
    if config.hits_per_day == 0 or draws.uniform(1)[0] >= config.marathon_bots:
        return np.zeros(0, np.int64)
    gaps = MINUTE_MS * 8 + draws.below(MINUTE_MS * 21, 300)
    times = epoch_ms(day) + _MARATHON_START_MS + np.cumsum(gaps)
    return times[times < epoch_ms(day) + _MARATHON_START_MS + _MARATHON_LENGTH_MS + DAY_MS // 48]


def _with_marathon(day: date, config: TrafficConfig, visits: Visits, hits: Hits, times: Ints) -> tuple[Visits, Hits]:
    """The plan's columns with one more visit, of a monitor that opens the first page of the first shop."""
    n, row = len(times), len(visits.visitor)
    visitor = BOT + np.array([(day.toordinal() << 32) + (1 << 31)], dtype=np.uint64)
    one = np.zeros(1, np.int64)
    more = Visits(
        visitor, audience.personal(visitor, config.seed), one + row, one, np.ones(1, bool), one - 1,
        np.zeros(1, np.uint64), one,
    )  # fmt: skip
    base = len(hits.visit)
    rows, zeros = base + np.arange(n), np.zeros(n, np.int64)
    hits = Hits(
        visit=np.concatenate([hits.visit, np.full(n, row)]),
        origin=np.concatenate([hits.origin, rows]),
        z=np.concatenate([hits.z, rows]),
        kind=np.concatenate([hits.kind, zeros]),
        product=np.concatenate([hits.product, zeros]),
        location=np.concatenate([hits.location, zeros]),
        referrer=np.concatenate([hits.referrer, zeros - 1]),
        luck=np.concatenate([hits.luck, np.zeros(n, np.uint64)]),
        received=np.concatenate([hits.received, times]),
        queue=np.concatenate([hits.queue, zeros]),
        qt=[*hits.qt, *[None] * n],
        control=np.concatenate([hits.control, zeros]),
        reload=np.concatenate([hits.reload, zeros]),
    )
    return Visits(*(np.concatenate(pair) for pair in zip(visits.columns(), more.columns(), strict=True))), hits
