"""Which dates a rebuild reads, and its inverse: which dates a change must rebuild. Pure functions over dates.

A model of event dates [start, end) writes exactly those dates and may read wider, by the bounds below. They are written down
here and in dbt_models/macros/windows.sql, and a test compares the two.

    what is decided              looks back                    looks ahead
    client retries               24 h
    sessions                     1 day + 30 min, on hits        1 day (a session lies on two dates at most)
                                 free of duplicates (+ 24 h)
    new clients and users        30 dates
    repeated purchases           30 days, on purchases free
                                 of retries (+ 24 h)
    refunds                      30 days, for a purchase
                                 that is no repeat (+ those)

So a hit on date X can change duplicates on X and X + 1, hence the sessions of X - 1 (whose last hits may lie on X) to X + 3
(a session of X + 3 depends on whether X + 2 was one unbroken visit, which depends on the last half hour of X + 1), newness up to
X + 30, repeated purchases up to X + 31 and what a refund takes back up to X + 61. Everything else follows from hits of its own
date.

All ranges are half-open.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from ingestion_platform.resources.archive import days

LOOKBACK_DAYS = 30
"""How far back a repeated purchase or a known client is looked for (dbt var `lookback_days`)."""

RETRY_HOURS = 24
"""How long after a hit the same one, sent again by the client, is its retry (dbt var `client_retry_hours`)."""

SESSION_TIMEOUT_MINUTES = 30
"""How long a visitor must pause for a new session to begin (dbt var `session_timeout_minutes`)."""

REACH_DAYS = 2 * LOOKBACK_DAYS + 1
"""How far back anything is looked for: the refund's purchase, the one that it repeats, and what that is a retry of."""

AFFECTED_BEFORE = 1
AFFECTED_AFTER = REACH_DAYS

# Queue time (4 h), Firehose's retention (24 h) and a clock up to a day ahead: an ordinary hit's object arrives within this many
# dates of its event. What arrives later still is found by the ledger, which names the dates to rebuild.
ARRIVAL_MARGIN = 2

DateRange = tuple[date, date]


def load_window(start: date, end: date) -> DateRange:
    """The arrival dates whose objects a rebuild of event dates [start, end) reads."""
    return (
        start - timedelta(days=REACH_DAYS + ARRIVAL_MARGIN),
        end + timedelta(days=1 + ARRIVAL_MARGIN),
    )


def affected(event_dates: Iterable[date]) -> set[date]:
    """The event dates whose models can change when hits of `event_dates` were added or removed."""
    return {
        day
        for changed in set(event_dates)
        for day in days(changed - timedelta(days=AFFECTED_BEFORE), changed + timedelta(days=AFFECTED_AFTER + 1))
    }


def ranges(dates: Iterable[date]) -> list[DateRange]:
    """Contiguous half-open ranges that cover exactly `dates`, in order."""
    found: list[DateRange] = []
    for day in sorted(set(dates)):
        if found and found[-1][1] == day:
            found[-1] = (found[-1][0], day + timedelta(days=1))
        else:
            found.append((day, day + timedelta(days=1)))
    return found
