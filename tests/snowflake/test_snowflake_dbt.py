"""dbt's own tests on the Snowflake adapter, and what the project asks of Snowflake beside rows."""

from __future__ import annotations

import re
from datetime import date

FIRST, LAST = date(2026, 1, 10), date(2026, 1, 11)


def test_unit_tests_and_data_tests_pass(make_bench, record, at) -> None:
    """Unit tests run on the Snowflake dialect; models build on an empty warehouse, and data tests pass there."""
    bench = make_bench("snowflake")
    bench.warehouse.create_tables()
    bench.dbt("build", FIRST, LAST, "--exclude-resource-type", "unit_test")
    bench.dbt("test", FIRST, LAST, "--select", "test_type:unit")
    assert bench.rows("select count(*) from events.logs")[0][0] == 0
    # A date without hits has its hours all the same.
    assert bench.rows("select count(*) from stats.overview_1h")[0][0] == 24
    compiled = {
        path.stem: path.read_text()
        for path in (bench.root.parent / "target_snowflake" / "run" / "clickstream" / "models").rglob("*.sql")
        if path.is_file()
    }
    assert not [
        name for name, sql in compiled.items() if re.search(r"\)\s*window\s|over\s+[a-z_]+\s*[,\n]", sql, re.I)
    ], "Snowflake has no named windows"


def test_tables_are_transient_and_clustered_and_runs_are_tagged(make_bench) -> None:
    """Marts are cluster by date (product actions also by action), and each rebuild names its run and dates in the query tag."""
    bench = make_bench("snowflake")
    bench.warehouse.create_tables()
    log = bench.root / "logs" / "dbt.log"
    bench.dbt("run", FIRST, LAST, "--select", "tag:daily", "--log-level-file", "debug")
    text = log.read_text()
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
