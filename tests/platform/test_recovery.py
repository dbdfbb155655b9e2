"""Recovering what a rule had quarantined, once the rule is fixed: a copy of the dbt project is stricter first."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ingestion_platform.dates import Window
from ingestion_platform.resources import environments
from ingestion_platform.resources.dbt_project import MODELS_DIR, DbtProject

RULE = "            when hit_type is null then 'missing_hit_type'\n"
TOO_STRICT = (
    RULE
    + "            when document_title is null then 'no_title'\n            when campaign_name is not null then 'odd_campaign'\n"
)

MODELLED = (
    "events.logs",
    "events.sessions",
    "events.purchases",
    "events.daily_visitors",
    "stats.overview_1h",
    "stats.revenue_1d",
)


@pytest.fixture
def strict(place: Any, tmp_path: Path) -> DbtProject:
    """The dbt project with two rules more, which refuse good hits."""
    project = tmp_path / "strict"
    shutil.copytree(MODELS_DIR, project, ignore=shutil.ignore_patterns("target", "logs"))
    staging = project / "models" / "staging" / "stg_hits.sql"
    assert RULE in staging.read_text(), "the rules of staging look otherwise: fix this test"
    staging.write_text(staging.read_text().replace(RULE, TOO_STRICT))
    environment = environments.dbt_project(place.settings).environment
    return DbtProject(environment, tmp_path / "artifacts", project)


def modelled(place: Any) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of the dates that the test replays."""
    dates = f"event_date >= '{place.past(6)}' and event_date < '{place.today}'"
    return {table: place.rows(f"select * from {table} where {dates} order by all") for table in MODELLED}


def by_reason(place: Any) -> dict[tuple[Any, str], int]:
    """Rows of events.quarantine by date and reason."""
    rows = place.rows("select event_date, reason, count(*) from events.quarantine group by all")
    return {(day, reason): count for day, reason, count in rows}


def test_hits_come_back_by_reason_and_date_when_their_rule_is_fixed(place: Any, strict: DbtProject) -> None:
    """The archive keeps what a rule refused. After fixing it, the job rebuilds the dates that were asked for and hold the
    reason, and those that follow from them (left alone, newness and sessions of later dates were wrong for ever, and nothing
    said so); counts before and after are with the run. What was not asked for stays until it is."""
    whole = Window(place.past(6), place.today)
    for days in (6, 5, 3):
        # With the simulator's truth beside it, a replay that loses good hits would not be published at all.
        place.simulate(place.past(days), hits=1_500, truth=False)
    assert place.launch("replay", whole).success
    right = modelled(place)
    good = by_reason(place)

    with place.with_models(strict, hold_changed_code=False):
        assert place.launch("replay", whole).success
    refused = by_reason(place)
    first, second = place.past(6), place.past(5)
    assert all(refused[day, reason] for day in (first, second) for reason in ("no_title", "odd_campaign"))
    assert modelled(place) != right

    config = {"reasons": ["odd_campaign"], "first": f"{first}", "last": f"{first}"}
    result = place.launch("recover_quarantine", run_config={"ops": {"recover": {"config": config}}})
    (seen,) = [event for event in result.get_asset_observation_events() if event.asset_key.path[-1] == "quarantine"]
    figures = seen.asset_observation_data.asset_observation.metadata
    table = {
        (row.data["date"], row.data["reason"]): (row.data["before"], row.data["after"])
        for row in figures["quarantine"].records
    }
    came_back = refused[first, "no_title"] + refused[first, "odd_campaign"]
    assert figures["hits recovered"].value == came_back
    assert table[f"{first}", "odd_campaign"] == (refused[first, "odd_campaign"], 0)
    assert {day for day, _ in table} == {f"{first}"}
    assert 0 < figures["hits in events/logs after"].value - figures["hits in events/logs before"].value <= came_back
    assert place.materialized(result, "events/logs") >= {f"{first}", f"{second}", f"{place.today}"}
    assert result.success

    assert place.launch("recover_quarantine").success
    assert by_reason(place) == good
    assert modelled(place) == right
    books = next(event for event in result.get_asset_check_evaluations() if event.check_name == "reconciliation")
    assert books.passed
