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

Hits that are made and not received (`SeparateHits`) and all others are compared each with their own past: whole past dates of the
one and a minute of the other say nothing of each other's volume. Of separate hits only dates count that are whole: skewed clocks and
late hits leave a few on the dates around.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import date, datetime, timedelta
from typing import NamedTuple

from dagster import MetadataValue, TableRecord

from ingestion_platform.assets.partition_checks import PartitionCheck
from ingestion_platform.dates import Window
from ingestion_platform.resources.proposals import Reader

FACTOR = 2.0
VISIT = 16
LONGEST_VISIT = 100
SIGMAS = 3.0
_WEEKS, _DAYS, _ENOUGH = 4, 7, 3
_COMPLETE_AFTER = timedelta(hours=1)

_HOURLY_SQL = """
select is_separate, event_date, event_hour, count(*)
from (
    select coalesce(tracking_id like ?, false) as is_separate, event_date, extract(hour from event_at) as event_hour
    from events.logs
    where event_date >= ? and event_date < ?
) as hits
group by is_separate, event_date, event_hour
"""


class SeparateHits(NamedTuple):
    """Hits with a past of their own: those whose tracking id begins with `prefix`. `dates` are those that have all of them."""

    prefix: str
    dates: Set[date]


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
    weekdays = [past for n in range(1, _WEEKS + 1) if (past := day - timedelta(weeks=n)) in counts]
    days = [past for n in range(1, _DAYS + 1) if (past := day - timedelta(days=n)) in counts]
    compared = weekdays if len(weekdays) >= _ENOUGH else days
    if len(compared) < _ENOUGH:
        return
    for hour in range(24):
        if datetime(day.year, day.month, day.day, hour) + timedelta(hours=1) > until:
            return
        before = sorted(counts[past].get(hour, 0) for past in compared)
        odd = OddHour(day, hour, counts.get(day, {}).get(hour, 0), least=before[1], most=before[-2])
        if is_odd(odd.hits, odd.least, odd.most):
            yield odd


def volume(reader: Reader, window: Window, now: datetime, separate: SeparateHits | None = None) -> list[PartitionCheck]:
    """A result for each date of `window`; `now` is in UTC, without a time zone, as in the warehouse."""
    received: dict[date, dict[int, int]] = {}
    apart: dict[date, dict[int, int]] = {}
    pattern = f"{separate.prefix}%" if separate else None
    bounds = [pattern, window.start - timedelta(weeks=_WEEKS), window.end]
    for is_separate, day, hour, hits in reader.query(_HOURLY_SQL, bounds):
        (apart if is_separate else received).setdefault(day, {})[int(hour)] = hits
    until = now - _COMPLETE_AFTER
    whole = separate.dates if separate else ()
    return [
        _result(
            day,
            sum(received.get(day, {}).values()) + sum(apart.get(day, {}).values()),
            [*odd_hours(received, day, until), *(odd_hours(apart, day, until) if day in whole else ())],
        )
        for day in window.days
    ]


def _result(day: date, hits: int, odd: Sequence[OddHour]) -> PartitionCheck:
    table = [
        TableRecord({"hour": f"{hour.hour:02d}:00", "hits": hour.hits, "least": hour.least, "most": hour.most})
        for hour in odd
    ]
    more = f" (and {len(odd) - 1} more hours)" if len(odd) > 1 else ""
    return PartitionCheck(
        day,
        not odd,
        f"{odd[0]}{more}" if odd else "No hour is unusual for its weekday.",
        {"hits": hits, "unusual hours": len(odd), **({"hours": MetadataValue.table(table)} if table else {})},
    )
