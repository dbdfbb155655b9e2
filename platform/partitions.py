"""The partition, defined once: one UTC date, from PARTITIONS_START up to and including today.

A partition key is an ISO date. `raw/logs` reads it as the date of arrival, everything modelled as the date of the event.
All ranges of this project are half-open, [start, end); Dagster's own key ranges include their last key, and only this module
turns one into the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from dagster import BackfillPolicy, DailyPartitionsDefinition

from ingestion_platform.windows import ranges

ONE_DAY = timedelta(days=1)

# Dagster's own run tags for a run over a range of partition keys (both ends included).
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


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


class PartitionError(ValueError):
    """Dates that are no partitions; the message is one line."""


def today() -> date:
    """The current UTC date: the newest partition."""
    return datetime.now(UTC).date()


def frozen_before(retention_days: int | None) -> date:
    """The first date whose objects the archive still keeps for certain; dates before it are readable and not replayable."""
    return date.min if retention_days is None else today() - timedelta(days=retention_days)


def refuse_frozen(chosen: Window, retention_days: int | None) -> None:
    """Raises PartitionError when dates of `chosen` are frozen, naming them."""
    first = frozen_before(retention_days)
    if chosen.start < first:
        frozen = Window(chosen.start, min(chosen.end, first))
        raise PartitionError(
            f"{frozen} is frozen: ARCHIVE_RETENTION_DAYS={retention_days}, so the archive may no longer hold its objects; "
            f"what was built of it stays. Choose dates from {first} on"
        )


def daily_partitions(start: date) -> DailyPartitionsDefinition:
    """Daily UTC partitions from `start`; today is one of them, since hits arrive all day long."""
    return DailyPartitionsDefinition(start_date=start.isoformat(), end_offset=1)


def backfill_policy(partitions_per_run: int) -> BackfillPolicy:
    """Runs of at most `partitions_per_run` dates: a year is 12 runs, not 365 start-ups."""
    return BackfillPolicy.multi_run(max_partitions_per_run=partitions_per_run)


def window(keys: list[str]) -> Window:
    """The window of a run's partition keys, which are contiguous. ["2026-01-01", "2026-01-02"] -> [01-01, 01-03)."""
    days = sorted(date.fromisoformat(key) for key in keys)
    if not days:
        raise PartitionError("no partition was chosen: choose dates to materialize")
    return Window(days[0], days[-1] + ONE_DAY)


def listed(days: Iterable[date]) -> str:
    """Dates in words: "2026-01-01 to 2026-01-03, 2026-01-07"; empty for none."""
    return ", ".join(f"{Window(*found)}" for found in ranges(days))


def range_tags(chosen: Window) -> Mapping[str, str]:
    """The run tags that make one run of the dates of `chosen`."""
    return {RANGE_START_TAG: chosen.start.isoformat(), RANGE_END_TAG: (chosen.end - ONE_DAY).isoformat()}


def chunks(chosen: Window, size: int) -> list[Window]:
    """`chosen` cut into windows of at most `size` dates, oldest first."""
    starts = range(0, (chosen.end - chosen.start).days, size)
    return [
        Window(chosen.start + timedelta(days=n), min(chosen.start + timedelta(days=n + size), chosen.end))
        for n in starts
    ]


def requested(first: str, last: str, start: date) -> Window:
    """The window of two dates as typed by a user, both included. Raises PartitionError unless all are partitions."""
    try:
        chosen = Window(date.fromisoformat(first), date.fromisoformat(last) + ONE_DAY)
    except ValueError:
        raise PartitionError(f"{first!r} to {last!r}: write two dates such as 2026-01-01 and 2026-01-07") from None
    if chosen.start >= chosen.end:
        raise PartitionError(f"{first} is after {last}: write the earlier date first")
    if chosen.start < start or chosen.end > today() + ONE_DAY:
        raise PartitionError(f"{first} to {last} is outside of the partitions, which go from {start} to {today()}")
    return chosen
