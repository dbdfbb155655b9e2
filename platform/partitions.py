"""The partition, defined once: one UTC date, from where the data begin (`beginning`) up to and including today.

A partition key is an ISO date. `raw/logs` reads it as the date of arrival, everything modelled as the date of the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from dagster import BackfillPolicy, DailyPartitionsDefinition

from ingestion_platform.dates import ONE_DAY, PartitionError, Window

# Dagster's own run tags for a run over a range of partition keys (both ends included).
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


def daily_partitions(start: date) -> DailyPartitionsDefinition:
    """Daily UTC partitions from `start`; today is one of them, since hits arrive all day long."""
    return DailyPartitionsDefinition(start_date=start.isoformat(), end_offset=1)


def backfill_policy(partitions_per_run: int) -> BackfillPolicy:
    """Runs of at most `partitions_per_run` dates: a year is 12 runs, not 365 start-ups."""
    return BackfillPolicy.multi_run(max_partitions_per_run=partitions_per_run)


def window_of(keys: list[str]) -> Window:
    """The window of a run's partition keys, which are contiguous. ["2026-01-01", "2026-01-02"] -> [01-01, 01-03)."""
    days = sorted(date.fromisoformat(key) for key in keys)
    if not days:
        raise PartitionError("no partition was chosen: choose dates to materialize")
    return Window(days[0], days[-1] + ONE_DAY)


def range_tags(window: Window) -> Mapping[str, str]:
    """The run tags that make one run of the dates of `window`."""
    return {RANGE_START_TAG: window.start.isoformat(), RANGE_END_TAG: (window.end - ONE_DAY).isoformat()}
