"""dbt's own tests on the Snowflake adapter, and what the project asks of Snowflake beside rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

PROFILES = Path(__file__).parents[2] / "dbt_models" / "profiles.yml"
FIRST, LAST = date(2026, 1, 10), date(2026, 1, 11)


@pytest.fixture(scope="module")
def built(make_bench_of_module: Callable[[str], Any]) -> Any:
    """A bench on an empty warehouse, everything built and all data tests run on it, with dbt's debug log."""
    bench = make_bench_of_module("snowflake")
    for tag in ("daily", "live"):
        bench.dbt(
            "build",
            FIRST,
            LAST,
            "--select",
            f"tag:{tag}",
            "--exclude-resource-type",
            "unit_test",
            "--log-level-file",
            "debug",
        )
    return bench


def test_unit_tests_and_data_tests_pass(built: Any) -> None:
    """Unit tests run on the Snowflake dialect; models build on an empty warehouse, and data tests pass there."""
    built.dbt("test", FIRST, LAST, "--select", "test_type:unit")
    assert built.rows("select count(*) from events.logs")[0][0] == 0
    # A date without hits has its hours all the same.
    assert built.rows("select count(*) from stats.overview_1h")[0][0] == 24


def test_sql_uses_nothing_that_only_the_emulator_takes(built: Any) -> None:
    """fakesnow accepts DuckDB's SQL where Snowflake has none: named windows, and intervals with a sign."""
    folder = built.root.parent / "target_snowflake" / "run" / "clickstream" / "models"
    texts = {path.stem: path.read_text().lower() for path in folder.rglob("*.sql") if path.is_file()}
    assert len(texts) > 20
    for name, text in texts.items():
        assert not re.search(r"\)\s*window\s|over\s+[a-z_]+\s*[,\n]", text), f"{name} has a named window"
        assert "interval '-" not in text, name
        assert not re.search(r"ignore nulls\s*\)", text), f"{name}: IGNORE NULLS stands after the bracket on Snowflake"
        assert not re.search(r"\b(unnest|list_filter|json_transform|regexp_matches|regexp_extract|epoch_ms)\(", text), (
            name
        )


def test_a_failed_rebuild_cannot_be_committed_by_the_next_model() -> None:
    """Snowflake keeps a transaction open when a statement in it fails; only the end of the session rolls the DELETE back."""
    outputs = yaml.safe_load(PROFILES.read_text())["clickstream"]["outputs"]
    assert [outputs[name]["reuse_connections"] for name in ("emulated", "production")] == [False, False]


def test_tables_are_transient_and_clustered_and_runs_are_tagged(built: Any) -> None:
    """Marts are clustered by date (product actions also by action), and each rebuild names its run and dates in the query tag."""
    bench = built
    text = (bench.root / "logs" / "dbt.log").read_text()
    created = dict(
        re.findall(r"create transient table if not exists \S+\.(\w+)\s+\(.*?cluster by \(([^)]*)\)", text, re.S)
    )
    assert created["product_actions"] == "event_date, product_action"
    assert {created[name] for name in ("logs", "sessions", "overview_1h")} == {"event_date"}
    assert re.search(
        r"alter session set query_tag = 'clickstream [0-9a-f-]{36} sessions \[2026-01-10 00:00:00, 2026-01-11 00:00:00\)'",
        text,
    )
    comments = dict(
        bench.rows("select table_name, comment from information_schema.tables where table_schema = 'EVENTS'")
    )
    assert comments["LOGS"].startswith("Hits, enriched and sessionized")
    assert re.search(r'alter\s+table \S+\.logs alter\s.*?"SESSION_ID" COMMENT \$\$The session', text, re.S)
