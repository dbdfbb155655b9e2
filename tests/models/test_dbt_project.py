"""The dbt project itself: its tests pass, its texts stand in one place, its layers keep apart, its macros keep the platform's bounds."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion_platform import dates

DBT_PROJECT = Path(__file__).parents[2] / "dbt_models"
FIRST, LAST = date(2026, 1, 10), date(2026, 1, 11)


@pytest.fixture(scope="module")
def manifest(dbt_runner, tmp_path_factory) -> dict[str, Any]:
    """The manifest of the project as it stands now."""
    target = tmp_path_factory.mktemp("parsed")
    paths = ["--project-dir", f"{DBT_PROJECT}", "--profiles-dir", f"{DBT_PROJECT}", "--target-path", f"{target}"]
    assert dbt_runner.invoke(["--quiet", "parse", *paths, "--log-path", f"{target}"]).success
    made: dict[str, Any] = json.loads((target / "manifest.json").read_text())
    return made


@pytest.fixture(scope="module")
def models(manifest) -> list[dict[str, Any]]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]


def test_dbts_own_tests_pass_and_can_fail(bench, record, at) -> None:
    """Unit tests and data tests run on a built warehouse; a row that breaks an identity fails the build that checks it."""
    purchase = {"t": "event", "pa": "purchase", "ti": "1", "tr": "5", "cu": "EUR", "pr1id": "A"}
    bench.deliver([record(at("2026-01-10 10:00")), record(at("2026-01-10 10:01"), **purchase)])
    bench.build(FIRST, LAST)
    bench.dbt("test", FIRST, LAST)
    wrong = "case when tracking_id = '(all)' and hour(period) = 10 then hits + 1 else hits end"
    bench.alter("stats.overview_1h", FIRST, f"select * replace ({wrong} as hits) from {{rows}}")
    with pytest.raises(AssertionError, match="rollup_equals_parts_overview_1d"):
        bench.dbt("build", FIRST, LAST, "--select", "overview_1d", "--exclude-resource-type", "model")


def test_every_column_is_described(models) -> None:
    """The documentation site has a sentence for each model and each column of a mart, and so has Snowflake's catalog."""
    assert len(models) > 25
    for node in models:
        assert node["description"], node["name"]
        if node["config"]["materialized"] == "replace_partitions":
            assert node["config"]["contract"]["enforced"], node["name"]
        for column in node["columns"].values():
            assert column["description"] and "{{" not in column["description"], f"{node['name']}.{column['name']}"


def test_a_description_stands_in_one_place() -> None:
    """A column that many models have was described in each, and edits left them apart: what is said twice is a doc block."""
    folder = DBT_PROJECT / "models"
    said = [
        column["description"]
        for path in folder.rglob("*.yml")
        for model in yaml.safe_load(path.read_text()).get("models", [])
        for column in model.get("columns", [])
    ]
    blocks = re.findall(r"{% docs (\w+) %}(.+?){% enddocs %}", (folder / "columns.md").read_text())
    texts = [text for text in said if not text.startswith("{{ doc(")] + [text for _, text in blocks]
    assert len(blocks) > 90 and len(said) > 600
    assert [text for text, count in Counter(texts).items() if count > 1] == []
    assert [name for name, _ in blocks if said.count(f"{{{{ doc('{name}') }}}}") < 2] == []


def test_only_staging_reads_sources(models) -> None:
    """`live_dates` read the ledger's tables and RAW.LOGS itself: a renamed column had to be looked for everywhere."""
    readers = {
        node["fqn"][1]
        for node in models
        if any(unique_id.startswith("source.") for unique_id in node["depends_on"]["nodes"])
    }
    assert readers == {"staging"}


def test_raw_rows_are_private_to_the_models_of_hits(models, dbt_runner, tmp_path) -> None:
    """Marts and statistics are public, what they are made from is not: dbt refuses a statistic that reads raw rows itself."""
    assert {(node["fqn"][1], node["group"], node["access"]) for node in models if node["name"] != "live_dates"} == {
        ("staging", "hits", "private"),
        ("intermediate", "hits", "private"),
        ("events", "hits", "public"),
        ("events_live", "hits", "public"),
        ("stats", "statistics", "public"),
    }
    project = tmp_path / "dbt_models"
    shutil.copytree(DBT_PROJECT, project, ignore=shutil.ignore_patterns("target", "logs", ".user.yml"))
    statistic = project / "models" / "stats" / "revenue_1d.sql"
    statistic.write_text(statistic.read_text() + "\n-- {{ ref('stg_hits') }}\n")
    outcome = dbt_runner.invoke(["--quiet", "parse", "--project-dir", f"{project}", "--profiles-dir", f"{project}"])
    assert not outcome.success
    assert "revenue_1d" in f"{outcome.exception}" and "stg_hits" in f"{outcome.exception}"


def test_a_macro_of_models_has_several_models(manifest, models) -> None:
    """The SQL of one model stands in that model: macros/models/ is for what several share, as a mart and its live view do."""
    macros = {
        unique_id: macro
        for unique_id, macro in manifest["macros"].items()
        if macro["original_file_path"].startswith("macros/models/")
    }
    assert len(macros) > 10
    users: dict[str, set[str]] = {unique_id: set() for unique_id in macros}
    for node in models:
        waiting = [*node["depends_on"]["macros"]]
        while waiting:
            unique_id = waiting.pop()
            if unique_id in macros and node["name"] not in users[unique_id]:
                users[unique_id].add(node["name"])
                waiting += macros[unique_id]["depends_on"]["macros"]
    assert {unique_id: names for unique_id, names in users.items() if len(names) < 2} == {}


def test_macros_and_platform_agree_on_the_bounds(manifest) -> None:
    """The window that models read (macros) and its inverse (dates.py) are two texts: they must hold the same numbers."""
    variables = dict(re.findall(r"  (\w+): (\d+)\n", (DBT_PROJECT / "dbt_project.yml").read_text()))
    assert int(variables["lookback_days"]) == dates.LOOKBACK_DAYS
    assert int(variables["session_timeout_minutes"]) == dates.SESSION_TIMEOUT_MINUTES
    assert int(variables["client_retry_hours"]) == dates.RETRY_HOURS
    # Orders reach furthest: their bound is an expression of the lookback.
    assert 2 * int(variables["lookback_days"]) + 1 == dates.REACH_DAYS
    before, after = 0, 0
    for macro in manifest["macros"].values():
        if not macro["original_file_path"].startswith("macros/models/"):
            continue
        before = max([before, *map(int, re.findall(r"days_before=(\d+)", macro["macro_sql"]))])
        after = max([after, *map(int, re.findall(r"days_after=(\d+)", macro["macro_sql"]))])
    start, end = dates.load_window(dates.Window(FIRST, LAST))
    assert (FIRST - start).days >= max(before, dates.REACH_DAYS)
    assert (end - LAST).days >= after
    assert after == dates.AFFECTED_BEFORE
    assert dates.AFFECTED_AFTER == dates.REACH_DAYS
