"""What the UI shows as stale, asked through its own GraphQL, and that one launch of `hourly_refresh` leaves nothing stale."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster_graphql.schema import create_schema

from collector.archive_keys import object_key, parse_key
from ingestion_platform import definitions as location
from ingestion_platform.assets.keys import OVERVIEW_1D, RAW_LOGS
from ingestion_platform.assets.manifest import Models
from ingestion_platform.dates import ONE_DAY, Window
from ingestion_platform.resources import environments
from ingestion_platform.resources.dbt_project import MODELS_DIR, DbtProject, read_manifest
from simulations.config import DATES_AFTER
from tests.platform.conftest import PlatformHarness

_LOCATION = """
from ingestion_platform import settings
from ingestion_platform.definitions import definitions
defs = definitions(settings.read({{"DATA_DIR": {data_dir!r}}}))
"""

_STALE = """query($keys: [AssetKeyInput!]!, $days: [String!]!) { assetNodes(assetKeys: $keys) { assetKey { path }
    staleStatusByPartition(partitions: $days) staleCausesByPartition(partitions: $days) { reason } } }"""

_CHECKS = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
    assetChecksOrError { ... on AssetChecks { checks { name partitionStatuses {
        ... on AssetCheckTimePartitionStatuses { ranges { startKey endKey status } } } } } } } } }"""


@pytest.fixture
def place(place_on_disk: PlatformHarness) -> PlatformHarness:
    """Commands and a webserver look at what these tests launch."""
    return place_on_disk


@contextmanager
def webserver(place: PlatformHarness, folder: Path) -> Iterator[Any]:
    """What the webserver answers with, without its HTTP: ask(query, **variables) -> data, on the code location as it is now."""
    code = folder / "location.py"
    code.write_text(_LOCATION.format(data_dir=f"{place.settings.data_dir}"))
    origin = InProcessCodeLocationOrigin(LoadableTargetOrigin(python_file=f"{code}", attribute="defs"))
    schema = create_schema()
    with WorkspaceProcessContext(place.instance, InProcessWorkspaceLoadTarget(origin)) as process:

        def ask(query: str, **variables: Any) -> dict[str, Any]:
            context = process.create_request_context()
            answer = asyncio.run(schema.execute_async(query, context_value=context, variable_values=variables))
            assert not answer.errors, answer.errors
            return dict(answer.data)

        yield ask


def stale(ask: Any, days: list[date]) -> dict[str, dict[str, set[str]]]:
    """The stale partitions among `days`, with the reasons that the partition's page gives, by asset."""
    keys = [day.isoformat() for day in days]
    found: dict[str, dict[str, set[str]]] = {}
    nodes = ask("{ assetNodes { assetKey { path } isPartitioned } }")["assetNodes"]
    partitioned = [node["assetKey"] for node in nodes if node["isPartitioned"]]
    for node in ask(_STALE, keys=partitioned, days=keys)["assetNodes"]:
        statuses = zip(keys, node["staleStatusByPartition"], node["staleCausesByPartition"], strict=True)
        for key, status, causes in statuses:
            if status == "STALE":
                name = "/".join(node["assetKey"]["path"])
                found.setdefault(name, {})[key] = {cause["reason"] for cause in causes}
    return found


def late_copy(place: PlatformHarness, day: date) -> None:
    """Another object under a past date."""
    first = place.archive.objects(day, day + ONE_DAY)[0]
    parsed = parse_key(first.key)
    assert parsed is not None
    key = object_key("late", parsed.arrived_at, "00000000-0000-4000-8000-000000000003")
    place.archive.put(key, place.archive.read(first.key))


def check_results(ask: Any, asset: str, check: str) -> dict[str, str]:
    """The status of a check by partition, as the asset's checks page shows it."""
    node = ask(_CHECKS, key={"path": asset.split("/")})["assetNodeOrError"]
    (found,) = [one for one in node["assetChecksOrError"]["checks"] if one["name"] == check]
    return {
        day.isoformat(): one["status"]
        for one in found["partitionStatuses"]["ranges"]
        for day in Window(date.fromisoformat(one["startKey"]), date.fromisoformat(one["endKey"]) + ONE_DAY).days
    }


def test_a_late_object_makes_its_date_stale_until_the_refresh(place: PlatformHarness, tmp_path: Path) -> None:
    """A backfill used to give all its dates one data version, and the refresh none that counted: no date ever showed as stale."""
    days = [place.past(n) for n in (5, 4, 3)]
    for day in days[:2]:
        place.simulate(day, truth=False)
    late = f"{days[1]}"
    assert place.launch("replay", Window(days[0], days[-1] + ONE_DAY)).success
    with webserver(place, tmp_path) as ask:
        assert stale(ask, days) == {}
        assert place.launch("replay", Window(days[1], days[2]), asset_selection=[AssetKey(["events", "logs"])]).success
        assert stale(ask, days) == {}, (
            "the same code on the same objects has the same version, whatever the run's range"
        )

        late_copy(place, days[1])
        assert place.launch("observe_archive").success
        assert stale(ask, days) == {"raw/logs": {late: {"has a new data version"}}}
        assert place.launch("replay", Window(days[1], days[2]), asset_selection=[RAW_LOGS]).success
        below = stale(ask, days)
        assert {"events/logs", "events/user_agents", "events/duplicates"} <= set(below)
        assert "raw/logs" not in below
        assert all(set(found) == {late} for found in below.values()), below

        assert place.launch("hourly_refresh").success
        assert stale(ask, days) == {}


def test_an_edited_model_makes_itself_and_what_is_below_stale(
    place: PlatformHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an edit the UI must name each partition that is not what the code says, at once and not level by level, and one
    launch must fix it. Dagster by itself shows the edited model alone until that has been rebuilt."""
    days = [place.past(n) for n in (4, 3)]
    place.simulate(days[0], truth=False)
    assert place.launch("replay", Window(days[0], days[-1] + ONE_DAY)).success

    copy = tmp_path / "dbt_models"
    shutil.copytree(MODELS_DIR, copy, ignore=shutil.ignore_patterns("target", "logs"))
    model = copy / "models" / "events" / "purchases.sql"
    model.write_text(f"{model.read_text()}\nwhere 1 = 1\n")
    project = DbtProject(environments.dbt_project(place.settings).environment, tmp_path / "artifacts", copy)
    manifest = project.prepare()
    monkeypatch.setattr(location, "read_manifest", lambda adapter: read_manifest(manifest, adapter))
    monkeypatch.setattr(environments, "dbt_project", lambda _: project)
    place.located = location.definitions(place.settings)

    with webserver(place, tmp_path) as ask:
        found = stale(ask, days)
        assert set(found) == {
            "events/purchases",
            "stats/overview_1d",
            "stats/overview_1h",
            "stats/revenue_1d",
            "stats/revenue_1h",
        }
        reason = {"has a new code version"}
        assert all(dates == {f"{day}": reason for day in days} for dates in found.values()), found
        config = {"ops": {"refresh": {"config": {"rebuild_changed_models": True}}}}
        assert place.launch("hourly_refresh", run_config=config).success
        assert stale(ask, days) == {}


def test_what_compiles_to_other_sql_is_other_code_and_nothing_else(tmp_path: Path) -> None:
    """A comment, or another layout, made three years stale; a variable, which decides how far a model looks, made nothing stale."""
    before = Models.of(read_manifest()).code_versions
    copy = tmp_path / "dbt_models"
    shutil.copytree(MODELS_DIR, copy, ignore=shutil.ignore_patterns("target", "logs"))
    project = DbtProject({"INGEST_ENV": "local"}, tmp_path / "artifacts", copy)

    def changed() -> set[str]:
        after = Models.of(read_manifest(project.prepare())).code_versions
        return {key.to_user_string() for key, version in after.items() if version != before[key]}

    def edit(file: str, old: str, new: str) -> None:
        text = (copy / file).read_text()
        assert old in text, f"{file} looks otherwise: fix this test"
        (copy / file).write_text(text.replace(old, new))

    edit(
        "macros/models/session_lists.sql",
        "    select session_id, session_started_at, {{",
        "select  -- shorter\n session_id, session_started_at, {{",
    )
    edit("models/events/purchases.sql", "with hits as (", "/* as they are */ with hits as (")
    assert changed() == set()
    edit(
        "macros/models/session_lists.sql",
        "session_started_at, {{ joined(column) }} as list",
        "session_started_at, max({{ joined(column) }}) as list",
    )
    everything = {key.to_user_string() for key in before}
    assert everything - changed() == {"events/duplicates", "events/quarantine", "events_live/live_dates"}
    edit(
        "macros/models/session_lists.sql",
        "session_started_at, max({{ joined(column) }}) as list",
        "session_started_at, {{ joined(column) }} as list",
    )
    edit("dbt_project.yml", "client_retry_hours: 24", "client_retry_hours: 25")
    assert {"events/duplicates", "events/logs", "stats/overview_1d"} <= changed()
    assert "events/quarantine" not in changed()


@pytest.mark.dates("leap-day", "month-end-before-midnight", "after-midnight")
def test_each_date_of_a_range_shows_its_own_verdict(
    place: PlatformHarness, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One result a run said nothing of which of 31 dates failed. Also launched alone, and a rebuilt date is green again. And
    the storage takes results in batches: Dagster would fall back to one by one and say so on stderr only."""
    days = [place.past(n) for n in (6, 5, 4, 3)]
    place.simulate(days[1], truth=False)
    # All dates that its sessions may reach, or the last of them would lack its rows and show as red, rightly.
    assert days[1] + DATES_AFTER * ONE_DAY <= days[-1]
    window = Window(days[0], days[-1] + ONE_DAY)
    assert place.launch("replay", window).success
    green = {f"{day}": "SUCCEEDED" for day in days}
    with webserver(place, tmp_path) as ask:
        for check in ("reconciliation", "expected_results", "hit_volume_anomaly"):
            assert check_results(ask, "stats/overview_1d", check) == green
        assert check_results(ask, "raw/logs", "objects_readable").items() >= green.items()

        place.lose_a_row(days[1])
        # As "Execute all" on the checks' page does: without partitions.
        everything = place.located.resolve_implicit_global_asset_job_def()
        checks = {key for key in everything.asset_layer.asset_graph.asset_check_keys if key.asset_key == OVERVIEW_1D}
        alone = everything.get_subset(asset_selection=set(), asset_check_selection=checks)
        result = alone.execute_in_process(instance=place.instance, raise_on_error=False)
        assert {event.node_name for event in result.get_step_failure_events()} == {"statistics_checks"}
        after = check_results(ask, "stats/overview_1d", "reconciliation")
        assert after.items() >= (green | {f"{days[1]}": "FAILED"}).items()
        assert list(after.values()).count("FAILED") == 1
        assert check_results(ask, "stats/overview_1d", "hit_volume_anomaly").items() >= green.items()

        assert place.launch("replay", Window(days[1], days[2])).success
        assert check_results(ask, "stats/overview_1d", "reconciliation").items() >= green.items()
    assert "storing event batch" not in capfd.readouterr().err
