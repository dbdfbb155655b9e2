"""Invariant 4: both warehouses give equal rows for every model on the same archive. Compared both ways, multiplicities included."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from simulations.config import TrafficConfig
from simulations.history import write_day

FIRST, DAYS = date(2026, 3, 1), 2
MODELS = (
    "events.logs", "events.pageviews", "events.events", "events.duplicates", "events.quarantine", "events.sessions",
    "events.product_actions", "events.purchases", "events.impressions", "events.promotions", "events.visitor_days",
    "events_live.logs_live", "events_live.pageviews_live", "events_live.events_live", "events_live.product_actions_live",
    "events_live.purchases_live", "stats.overview_1h", "stats.overview_1d", "stats.revenue_1h", "stats.revenue_1d",
)  # fmt: skip


def differences(export, one, other, start: date, end: date) -> dict[str, list]:
    """For each model, rows that only one warehouse has, of either side the first three."""
    found = {}
    for model in MODELS:
        mine, its = export(one, model, start, end), export(other, model, start, end)
        if mine != its:
            found[model] = [list((mine - its).elements())[:3], list((its - mine).elements())[:3]]
    return found


def move(folder: Path, archive) -> None:
    """The objects of a folder archive, put into another archive under the same keys."""
    for path in sorted(folder.rglob("*.gz")):
        archive.put(path.relative_to(folder).as_posix(), path.read_bytes())


@pytest.mark.timeout(240)
def test_simulated_dates_are_equal_on_both_warehouses(make_bench, export, tmp_path) -> None:
    """Everything that the simulator plants (retries, late and broken lines, sessions over midnight, bots, all kinds of hits), built
    date by date on Snowflake and in one run on DuckDB; live views with dates built and not built."""
    config = TrafficConfig(hits_per_day=400)
    for offset in range(DAYS):
        write_day(tmp_path / "archive", FIRST + timedelta(days=offset), config, tmp_path / "truth")
    snowflake, duckdb = make_bench("snowflake"), make_bench("duckdb")
    duckdb.archive = snowflake.archive
    move(tmp_path / "archive", snowflake.archive)
    start, end = FIRST - timedelta(days=1), FIRST + timedelta(days=DAYS + 1)
    built = end - timedelta(days=2)
    duckdb.build(start, built)
    duckdb.dbt("run", start, built, "--select", "tag:live")
    for day in (FIRST, start):
        snowflake.build(day, day + timedelta(days=1))
    snowflake.dbt("build", start, built, "--exclude-resource-type", "unit_test")
    assert sum(export(snowflake, "events.logs", start, end).values()) > 300
    assert sum(export(snowflake, "events_live.logs_live", start, end).values()) > 600
    assert differences(export, snowflake, duckdb, start, end) == {}
