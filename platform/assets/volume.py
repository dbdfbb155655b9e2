"""Whether each hour has about as many hits as the same hour of the same weekday in the weeks before.

An hour is compared with the same hour of the same weekday of the four weeks before; where fewer than three of those dates
have hits, with the same hour of the seven days before; where that is less than three dates too, not at all. An hour counts
when it ended an hour ago: its objects have arrived by then.

What is usual runs from the least but one to the most but one of those hours: one bad hour of the past hides no other. How far
outside is too far must hold for a quiet night and for a Saturday evening: hits come in visits of about VISIT of them, so that
a count spreads like a Poisson figure of visits and not of hits (simulated traffic: variance over mean 12 to 24, at any hour).
The square root of such a count spreads by sqrt(VISIT)/2 whatever its size; an hour is unusual when its root is more than SIGMAS
such spreads outside of half the least or twice the most. So a dead hour shows where more than 72 hits were usual, and no hit
instead of thirty at night is nobody's alarm. Upwards one visitor is left out of the count, who may send LONGEST_VISIT hits in
an hour: at night that is fifty times the usual. (5,900 hours of five simulated histories of 300 to 20,000 hits a day, none
unusual; the longest visit had 95 hits in an hour.)

Simulated history and everything else are compared each with their own past: the demo writes whole past dates of the one and
pumps the other for a minute, and neither says anything of the other's volume. Of simulated history only dates count that were
simulated to their end: skewed clocks and late hits leave a few hits on the dates around.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import date, datetime, timedelta
from typing import NamedTuple

from dagster import MetadataValue, TableRecord

from ingestion_platform.assets.partition_checks import PartitionCheck
from ingestion_platform.dates import Window
from ingestion_platform.resources.warehouse import Warehouse
from simulations.config import HISTORY_TRACKING_PREFIX

FACTOR = 2.0
VISIT = 16
LONGEST_VISIT = 100
SIGMAS = 3.0
_WEEKS, _DAYS, _ENOUGH = 4, 7, 3
_COMPLETE_AFTER = timedelta(hours=1)

_HOURLY_SQL = """
select is_simulated, event_date, event_hour, count(*)
from (
    select coalesce(tracking_id like ?, false) as is_simulated, event_date, extract(hour from event_at) as event_hour
    from events.logs
    where event_date >= ? and event_date < ?
) as hits
group by is_simulated, event_date, event_hour
"""

HourlyHits = Mapping[date, Mapping[int, int]]
"""Hits by hour of the dates that have any."""


class OddHour(NamedTuple):
    """An hour whose hits are too few or too many, with the least and the most that are usual."""

    day: date
    hour: int
    hits: int
    least: int
    most: int

    def __str__(self) -> str:
        return f"{self.day} {self.hour:02d}:00: {self.hits} hits, usually {self.least} to {self.most}"


def is_odd(hits: int, least: int, most: int) -> bool:
    """Whether `hits` lie further outside of what is usual than chance and ordinary growth carry them."""
    spread = SIGMAS * math.sqrt(VISIT) / 2
    below = math.sqrt(least / FACTOR) - math.sqrt(hits)
    above = math.sqrt(max(hits - LONGEST_VISIT, 0)) - math.sqrt(most * FACTOR)
    return max(below, above) > spread


def odd_hours(counts: HourlyHits, day: date, until: datetime) -> Iterator[OddHour]:
    """The unusual hours of `day` among those that ended before `until` (UTC)."""
    weekdays = [found for n in range(1, _WEEKS + 1) if (found := day - timedelta(weeks=n)) in counts]
    days = [found for n in range(1, _DAYS + 1) if (found := day - timedelta(days=n)) in counts]
    past = weekdays if len(weekdays) >= _ENOUGH else days
    if len(past) < _ENOUGH:
        return
    for hour in range(24):
        if datetime(day.year, day.month, day.day, hour) + timedelta(hours=1) > until:
            return
        before = sorted(counts[found].get(hour, 0) for found in past)
        odd = OddHour(day, hour, counts.get(day, {}).get(hour, 0), least=before[1], most=before[-2])
        if is_odd(odd.hits, odd.least, odd.most):
            yield odd


def volume(warehouse: Warehouse, window: Window, now: datetime, simulated_dates: Set[date]) -> list[PartitionCheck]:
    """A result for each date of `window`; `now` is in UTC, without a time zone, as in the warehouse."""
    live: dict[date, dict[int, int]] = {}
    simulated: dict[date, dict[int, int]] = {}
    bounds = [f"{HISTORY_TRACKING_PREFIX}%", window.start - timedelta(weeks=_WEEKS), window.end]
    for is_simulated, day, hour, hits in warehouse.query(_HOURLY_SQL, bounds):
        (simulated if is_simulated else live).setdefault(day, {})[int(hour)] = hits
    until = now - _COMPLETE_AFTER
    return [
        _result(
            day,
            sum(live.get(day, {}).values()) + sum(simulated.get(day, {}).values()),
            [*odd_hours(live, day, until), *(odd_hours(simulated, day, until) if day in simulated_dates else ())],
        )
        for day in window.days
    ]


def _result(day: date, hits: int, odd: Sequence[OddHour]) -> PartitionCheck:
    table = [
        TableRecord({"hour": f"{found.hour:02d}:00", "hits": found.hits, "least": found.least, "most": found.most})
        for found in odd
    ]
    more = f" (and {len(odd) - 1} more hours)" if len(odd) > 1 else ""
    return PartitionCheck(
        day,
        not odd,
        f"{odd[0]}{more}" if odd else "No hour is unusual for its weekday.",
        {"hits": hits, "unusual hours": len(odd), **({"hours": MetadataValue.table(table)} if table else {})},
    )
