"""The partition: UTC dates up to today, half-open windows, chunks."""

from __future__ import annotations

from datetime import date

import pytest

from ingestion_platform.dates import ONE_DAY, PartitionError, Window, chunks, requested, today
from ingestion_platform.partitions import daily_partitions, range_tags, window_of


@pytest.mark.dates
def test_today_is_the_newest_partition() -> None:
    """Hits arrive all day: a partition that appears only at midnight would hide them until then."""
    assert daily_partitions(date(2026, 1, 1)).get_last_partition_key() == today().isoformat()


def test_a_window_of_keys_is_half_open_and_comes_back_as_tags() -> None:
    """Dagster's ranges include their end and ours do not: being one off would rebuild a date too few."""
    window = window_of(["2026-01-03", "2026-01-01", "2026-01-02"])
    assert window == Window(date(2026, 1, 1), date(2026, 1, 4))
    assert set(range_tags(window).values()) == {"2026-01-01", "2026-01-03"}


def test_chunks_cover_each_date_once() -> None:
    """A year in runs of 31 dates is 12 runs, none of a date twice."""
    year = Window(date(2026, 1, 1), date(2027, 1, 1))
    parts = chunks(year, 31)
    assert len(parts) == 12
    assert [day for part in parts for day in part.days] == year.days


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        ("2026-01-05", "2026-01-01", "earlier date first"),
        ("2025-12-31", "2026-01-01", "outside of the partitions"),
        ("2026-01-01", "9999-12-30", "outside of the partitions"),
        ("monday", "2026-01-01", "write two dates"),
    ],
)
def test_dates_that_are_no_partitions_are_refused_in_one_line(first: str, last: str, says: str) -> None:
    """`make replay` with a wrong date must say so and not run for nothing."""
    with pytest.raises(PartitionError, match=says) as refusal:
        requested(first, last, date(2026, 1, 1))
    assert "\n" not in str(refusal.value)


@pytest.mark.dates
def test_tomorrow_is_no_partition_yet() -> None:
    """The newest date is today's, whatever comes next: another month, another year, 1 March."""
    assert requested(f"{today()}", f"{today()}", date(2026, 1, 1)) == Window(today(), today() + ONE_DAY)
    with pytest.raises(PartitionError, match=f"go from 2026-01-01 to {today()}"):
        requested("2026-01-01", f"{today() + ONE_DAY}", date(2026, 1, 1))


def test_the_last_date_is_included() -> None:
    """FROM and TO are both rebuilt, as the Makefile promises."""
    assert requested("2026-01-01", "2026-01-01", date(2026, 1, 1)) == Window(date(2026, 1, 1), date(2026, 1, 2))
