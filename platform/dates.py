"""Dates: ranges of them, which a rebuild reads, and its inverse, which a change must rebuild. Pure but for `today`.

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
    revisions                    1 date                         1 date (the queue time may be what was corrected)

So a hit on date X can change duplicates on X and X + 1, hence the sessions of X - 1 (whose last hits may lie on X) to X + 3
(a session of X + 3 depends on whether X + 2 was one unbroken visit, which depends on the last half hour of X + 1), newness up to
X + 30, repeated purchases up to X + 31 and what a refund takes back up to X + 61. Everything else follows from hits of its own
date. A revision is a hit added on its date and one removed on the date of what it corrects: a load names both.

All ranges of this project are half-open, [start, end). Dagster's ranges of partition keys include their last key: `partitions`
turns one into the other, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from collector.errors import ExpectedError

ONE_DAY = timedelta(days=1)

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


class Window(NamedTuple):
    """Dates [start, end)."""

    start: date
    end: date

    @property
    def days(self) -> list[date]:
        return [self.start + timedelta(days=n) for n in range((self.end - self.start).days)]

    def __str__(self) -> str:
        last = self.end - ONE_DAY
        return f"{self.start}" if last == self.start else f"{self.start} to {last}"


class PartitionError(ExpectedError):
    """Dates that cannot be rebuilt; the message is one line."""


def today() -> date:
    """The current UTC date: the newest partition."""
    return datetime.now(UTC).date()


def load_window(window: Window) -> Window:
    """The arrival dates whose objects a rebuild of the event dates of `window` reads."""
    return Window(
        window.start - timedelta(days=REACH_DAYS + ARRIVAL_MARGIN),
        window.end + timedelta(days=1 + ARRIVAL_MARGIN),
    )


def affected(event_dates: Iterable[date]) -> set[date]:
    """The event dates whose models can change when hits of `event_dates` were added or removed."""
    return {
        day
        for changed in set(event_dates)
        for day in Window(changed - timedelta(days=AFFECTED_BEFORE), changed + timedelta(days=AFFECTED_AFTER + 1)).days
    }


def ranges(dates: Iterable[date]) -> list[Window]:
    """Contiguous windows that cover exactly `dates`, in order."""
    covering: list[Window] = []
    for day in sorted(set(dates)):
        if covering and covering[-1].end == day:
            covering[-1] = Window(covering[-1].start, day + ONE_DAY)
        else:
            covering.append(Window(day, day + ONE_DAY))
    return covering


def chunks(window: Window, size: int) -> list[Window]:
    """`window` cut into windows of at most `size` dates, oldest first."""
    starts = range(0, (window.end - window.start).days, size)
    return [
        Window(window.start + timedelta(days=n), min(window.start + timedelta(days=n + size), window.end))
        for n in starts
    ]


def listed(days: Iterable[date]) -> str:
    """Dates in words: "2026-01-01 to 2026-01-03, 2026-01-07"; empty for none."""
    return ", ".join(f"{window}" for window in ranges(days))


def requested(first: str, last: str, start: date) -> Window:
    """The window of two dates as typed by a user, both included. Raises PartitionError unless all are partitions."""
    try:
        window = Window(date.fromisoformat(first), date.fromisoformat(last) + ONE_DAY)
    except ValueError:
        raise PartitionError(f"{first!r} to {last!r}: write two dates such as 2026-01-01 and 2026-01-07") from None
    if window.start >= window.end:
        raise PartitionError(f"{first} is after {last}: write the earlier date first")
    if window.start < start or window.end > today() + ONE_DAY:
        raise PartitionError(f"{first} to {last} is outside of the partitions, which go from {start} to {today()}")
    return window


def frozen_before(retention_days: int | None) -> date:
    """The first date whose objects the archive still keeps for certain; dates before it are readable and not replayable."""
    return date.min if retention_days is None else today() - timedelta(days=retention_days)


def refuse_frozen(window: Window, retention_days: int | None) -> None:
    """Raises PartitionError when dates of `window` are frozen, naming them."""
    first = frozen_before(retention_days)
    if window.start < first:
        frozen = Window(window.start, min(window.end, first))
        raise PartitionError(
            f"{frozen} is frozen: ARCHIVE_RETENTION_DAYS={retention_days}, so the archive may no longer hold its objects; "
            f"what was built of it stays. Choose dates from {first} on"
        )
