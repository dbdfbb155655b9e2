"""The check `hit_volume_anomaly`: a dead hour and an explosion are noticed, ordinary noise and the demo's traffic are not."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Set
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ingestion_platform.assets.partition_checks import PartitionCheck
from ingestion_platform.assets.volume import SeparateHits, is_odd, odd_hours, volume
from ingestion_platform.dates import ONE_DAY, Window
from ingestion_platform.resources.duckdb.warehouse import DuckDBWarehouse
from ingestion_platform.resources.lake.contents import Column, Table
from simulations.config import HISTORY_TRACKING_PREFIX, TrafficConfig
from simulations.history import write_day

DAY = date(2026, 5, 16)
LATER = datetime(2026, 6, 1)
SHOP = "UA-SHOP-1"
# Few hits at night, many in the evening.
CURVE = [40, 20, 10, 8, 8, 20, 60, 150, 250, 300, 320, 320, 330, 340, 340, 350, 360, 400, 450, 500, 480, 400, 250, 100]

LOGS = Table(
    "events.logs",
    (Column("event_date", "DATE"), Column("event_at", "TIMESTAMP"), Column("tracking_id", "VARCHAR")),
    "event_date",
)


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    """A warehouse with the columns of events.logs that the check reads."""
    made = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    made.create_tables()
    with made.lake.catalog.change("test") as change:
        change.define_table(LOGS)
    return made


def put(warehouse: DuckDBWarehouse, day: date, select: str) -> None:
    """Give a date these rows more."""
    with warehouse.lake.engine() as engine, warehouse.lake.catalog.change("test") as change:
        file = warehouse.lake.write(engine, select, LOGS, day)
        change.add([file] if file is not None else [])


def fill(warehouse: DuckDBWarehouse, day: date, hits: list[int], tracking_id: str = SHOP) -> None:
    """Give each hour of a date so many hits."""
    hours = ", ".join(f"({hour}, {count})" for hour, count in enumerate(hits))
    put(
        warehouse,
        day,
        f"select date '{day}' as event_date, timestamp '{day}' + to_hours(hour) + to_seconds(n % 3600) as event_at, "
        f"'{tracking_id}' as tracking_id from (values {hours}) as t (hour, hits), range(hits) as r (n)",
    )


def result(warehouse: DuckDBWarehouse, now: datetime = LATER, simulated: Set[date] = frozenset()) -> PartitionCheck:
    """What the check says of DAY."""
    separate = SeparateHits(HISTORY_TRACKING_PREFIX, simulated)
    (checked,) = volume(warehouse, Window(DAY, DAY + ONE_DAY), now, separate)
    return checked


def with_hour(hour: int, hits: int) -> list[int]:
    """The curve with another figure for one hour."""
    return [hits if at == hour else usual for at, usual in enumerate(CURVE)]


@pytest.mark.parametrize(("hour", "hits"), [(14, 0), (14, 20), (20, 3000)], ids=["dead", "nearly dead", "explosion"])
def test_an_hour_out_of_its_usual_is_named(warehouse: DuckDBWarehouse, hour: int, hits: int) -> None:
    """A day's total hid an outage of an hour: 340 hits of 6,000 are within any factor."""
    for weeks in range(1, 5):
        fill(warehouse, DAY - timedelta(weeks=weeks), CURVE)
    fill(warehouse, DAY, with_hour(hour, hits))
    found = result(warehouse)
    assert not found.passed
    assert found.description == f"{DAY} {hour}:00: {hits} hits, usually {CURVE[hour]} to {CURVE[hour]}"
    assert found.metadata["unusual hours"] == 1


def test_without_weeks_the_days_before_serve_and_without_days_nothing_is_said(warehouse: DuckDBWarehouse) -> None:
    """A platform of four days must notice a dead hour too; one of two days knows nothing, and must not cry wolf."""
    fill(warehouse, DAY, with_hour(14, 0))
    for days in (1, 2):
        fill(warehouse, DAY - timedelta(days=days), CURVE)
    assert result(warehouse).passed
    fill(warehouse, DAY - timedelta(days=3), CURVE)
    assert not result(warehouse).passed


def test_one_bad_hour_of_the_past_hides_no_other(warehouse: DuckDBWarehouse) -> None:
    """If the least of the weeks before were the measure, an outage would blind the check for a month."""
    fill(warehouse, DAY - timedelta(weeks=1), with_hour(14, 0))
    for weeks in range(2, 5):
        fill(warehouse, DAY - timedelta(weeks=weeks), CURVE)
    fill(warehouse, DAY, with_hour(14, 0))
    assert not result(warehouse).passed


def test_hours_that_are_not_over_are_not_dead(warehouse: DuckDBWarehouse) -> None:
    """Today's evening has no hits at noon, and the last hour's objects are still on their way."""
    for weeks in range(1, 5):
        fill(warehouse, DAY - timedelta(weeks=weeks), CURVE)
    fill(warehouse, DAY, CURVE[:12])
    assert result(warehouse, datetime(2026, 5, 16, 13, 59)).passed
    assert not result(warehouse, datetime(2026, 5, 16, 14, 0)).passed


def test_a_dead_date_is_dead_and_a_date_that_nobody_simulated_is_not(warehouse: DuckDBWarehouse) -> None:
    """A shop without a hit all day is an outage; simulated history simply ends where its user stopped it, and the demo's minute
    of live hits is no explosion of it."""
    simulated = f"{HISTORY_TRACKING_PREFIX}1"
    for weeks in range(1, 5):
        fill(warehouse, DAY - timedelta(weeks=weeks), CURVE, simulated)
    fill(warehouse, DAY, with_hour(9, 5000), "UA-LIVE-1")
    fill(warehouse, DAY, [30, 0, 1], simulated)
    assert result(warehouse).passed
    assert not result(warehouse, simulated={DAY}).passed, "a simulated date must have its hits"
    for weeks in range(1, 5):
        fill(warehouse, DAY - timedelta(weeks=weeks), CURVE)
    with warehouse.lake.catalog.change("test") as change:
        change.replace(LOGS.name, [DAY], [])
    assert not result(warehouse).passed


def test_without_simulation_no_hit_is_passed_over(warehouse: DuckDBWarehouse) -> None:
    """Production knows no simulated history: whatever its visitors' tracking ids look like, they are its visitors."""
    for weeks in range(1, 5):
        fill(warehouse, DAY - timedelta(weeks=weeks), CURVE)
    fill(warehouse, DAY, CURVE, f"{HISTORY_TRACKING_PREFIX}1")
    (checked,) = volume(warehouse, Window(DAY, DAY + ONE_DAY), LATER)
    assert checked.passed
    assert checked.metadata["hits"] == sum(CURVE)


def test_small_counts_may_do_as_they_like() -> None:
    """Eight hits at night are one visitor: none, or one who stays all hour, is what nights are like."""
    assert not is_odd(0, 8, 40)
    assert not is_odd(95, 0, 8)
    assert is_odd(0, 80, 100)
    assert is_odd(2000, 0, 8)


@pytest.mark.parametrize("hits", [300, 3000])
def test_simulated_traffic_is_ordinary(tmp_path: Path, hits: int) -> None:
    """The demo's history has a daily curve, weekdays, bots, late objects and visits of very different length: every hour of it
    must pass, by weeks and by days."""
    counts: dict[date, dict[int, int]] = defaultdict(lambda: defaultdict(int))

    def count(key: str, data: bytes) -> None:
        for line in gzip.decompress(data).splitlines():
            try:
                at = datetime.fromtimestamp(json.loads(line)["request"]["timestamp"] / 1000, UTC)
            except (ValueError, KeyError, TypeError):
                continue  # a malformed line, which is one of the simulator's faults
            counts[at.date()][at.hour] += 1

    first = DAY - timedelta(days=30)
    for n in range(33):
        write_day(count, first + timedelta(days=n), TrafficConfig(hits_per_day=hits), tmp_path)
    whole = {day: hours for day, hours in counts.items() if first < day <= DAY}
    assert sum(sum(hours.values()) for hours in whole.values()) > 20 * hits
    for n in range(3, 30):
        day = first + timedelta(days=1 + n)
        assert list(odd_hours(whole, day, LATER)) == [], "compared with what there is before it"
    dead = list(odd_hours(whole | {DAY: {**whole[DAY], 20: 0}}, DAY, LATER))
    assert bool(dead) == (hits > 1000), "a dead evening hour is seen where evenings have hits"
