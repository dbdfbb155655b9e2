"""The dbt project itself: its unit tests and data tests pass, every column is described, the macros keep the platform's bounds."""

from __future__ import annotations

import json
import re
from datetime import date

import duckdb
import pytest

from ingestion_platform import dates

FIRST, LAST = date(2026, 1, 10), date(2026, 1, 11)


def test_dbts_own_tests_pass_and_can_fail(bench, record, at) -> None:
    """Unit tests and data tests run on a built warehouse; a row that breaks an identity fails the build that checks it."""
    purchase = {"t": "event", "pa": "purchase", "ti": "1", "tr": "5", "cu": "EUR", "pr1id": "A"}
    bench.deliver([record(at("2026-01-10 10:00")), record(at("2026-01-10 10:01"), **purchase)])
    bench.build(FIRST, LAST)
    bench.dbt("test", FIRST, LAST)
    with duckdb.connect(str(bench.warehouse.path)) as connection:
        connection.execute(
            "update stats.overview_1h set hits = hits + 1 where period = timestamp '2026-01-10 10:00:00' and tracking_id = '(all)'"
        )
    with pytest.raises(AssertionError, match="rollup_equals_parts_overview_1d"):
        bench.dbt("build", FIRST, LAST, "--select", "overview_1d", "--exclude-resource-type", "model")


def test_every_column_is_described(bench) -> None:
    """The documentation site has a sentence for each model and each column of a mart."""
    bench.dbt("parse", FIRST, LAST)
    manifest = json.loads((bench.root.parent / "target" / "manifest.json").read_text())
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    assert len(models) > 25
    for node in models:
        assert node["description"], node["name"]
        if node["config"]["materialized"] == "window":
            assert node["config"]["contract"]["enforced"], node["name"]
        for column in node["columns"].values():
            assert column["description"], f"{node['name']}.{column['name']}"


def test_macros_and_platform_agree_on_the_bounds(bench) -> None:
    """The window that models read (macros) and its inverse (dates.py) are two texts: they must hold the same numbers."""
    bench.dbt("parse", FIRST, LAST)
    manifest = json.loads((bench.root.parent / "target" / "manifest.json").read_text())
    variables = dict(re.findall(r"  (\w+): (\d+)\n", (bench.project / "dbt_project.yml").read_text()))
    assert int(variables["lookback_days"]) == dates.LOOKBACK_DAYS
    assert int(variables["session_timeout_minutes"]) == dates.SESSION_TIMEOUT_MINUTES
    assert int(variables["client_retry_hours"]) == dates.RETRY_HOURS
    # Orders reach furthest: their bound is an expression of the lookback.
    assert 2 * int(variables["lookback_days"]) + 1 == dates.REACH_DAYS
    before, after = 0, 0
    for macro in manifest["macros"].values():
        if macro["package_name"] != "clickstream" or not macro["name"].startswith("select_"):
            continue
        before = max([before, *map(int, re.findall(r"days_before=(\d+)", macro["macro_sql"]))])
        after = max([after, *map(int, re.findall(r"days_after=(\d+)", macro["macro_sql"]))])
    start, end = dates.load_window(dates.Window(FIRST, LAST))
    assert (FIRST - start).days >= max(before, dates.REACH_DAYS)
    assert (end - LAST).days >= after
    assert after == dates.AFFECTED_BEFORE
    assert dates.AFFECTED_AFTER == dates.REACH_DAYS
