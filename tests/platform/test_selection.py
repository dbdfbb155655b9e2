"""What is asked for is what dbt executes and what is recorded: every asset alone, every group, every check, with real builds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dagster import AssetSelection, ExecuteInProcessResult

from ingestion_platform.assets.keys import RAW_LOGS
from ingestion_platform.assets.manifest import Models
from ingestion_platform.dates import ONE_DAY, Window
from ingestion_platform.partitions import range_tags
from ingestion_platform.resources.dbt_project import DbtProject, NodeResult, read_manifest

MODELS = Models.of(read_manifest())
NODES = {key.to_user_string(): unique_id for unique_id, key in MODELS.keys.items()}
BELOW_RAW = AssetSelection.assets(RAW_LOGS).downstream().materializable()
LIVE = AssetSelection.groups("events_live")


SHARED_TABLES = {
    "events/logs": ["int_duplicates", "int_orders"],
    "events/sessions": ["int_duplicates", "int_orders"],
    "events/duplicates": ["int_duplicates"],
}
"""The tables that models of a run share, by the assets that read them."""


class Asked:
    """A platform with one replayed date, and what dbt executed in its last run."""

    def __init__(self, place: Any) -> None:
        self.place = place
        self.dates = Window(place.past(3), place.past(3) + ONE_DAY)
        self.executed: list[NodeResult] = []

    def materialize(self, selection: AssetSelection, live: bool = False) -> ExecuteInProcessResult:
        """A run of `selection`, as the UI makes it: over the date, unless it is of views."""
        self.executed.clear()
        graph = self.place.located.get_repository_def().asset_graph
        job = self.place.located.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection=selection.resolve(graph), asset_check_selection=selection.resolve_checks(graph)
        )
        result: ExecuteInProcessResult = job.execute_in_process(
            instance=self.place.instance,
            tags={} if live else dict(range_tags(self.dates)),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
        assert result.success, [event.step_failure_data.error for event in result.get_step_failure_events()]
        return result

    def ran(self, kind: str) -> set[str]:
        """What dbt executed of a kind, without the views over the sources, which every build writes, and the tables that some need."""
        found = [result.unique_id for result in self.executed]
        assert len(found) == len(set(found))
        assert set(found) >= set(MODELS.staging) - MODELS.shared
        return {result.unique_id for result in self.executed if result.kind == kind} - set(MODELS.staging)


def recorded(result: ExecuteInProcessResult) -> set[str]:
    """The unique ids of the models that a run recorded as materialized."""
    keys = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}
    return {NODES[key] for key in keys if key in NODES}


def checked(result: ExecuteInProcessResult) -> set[str]:
    """The unique ids of the dbt tests of which a run recorded a result."""
    keys = {found.asset_check_key for found in result.get_asset_check_evaluations()}
    return {test for test, key in MODELS.test_keys.items() if key in keys}


@pytest.fixture(scope="module")
def asked(shared_place: Any) -> Iterator[Asked]:
    """The platform, with everything below raw/logs built once, as a backfill does it: the views in runs of their own."""
    made = Asked(shared_place)
    build = DbtProject.build

    def watched(self: DbtProject, *arguments: Any) -> list[NodeResult]:
        results = build(self, *arguments)
        made.executed += results
        return results

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DbtProject, "build", watched)
        shared_place.simulate(made.dates.start, hits=60)
        result = made.materialize(BELOW_RAW - LIVE)
        assert made.ran("model") == recorded(result) == set(MODELS.partitioned)
        assert made.ran("test") == checked(result) == set(MODELS.tests_of(MODELS.partitioned))
        # The daemon launches each view when what it reads is recorded: `live_dates` first, then the others without it.
        first = AssetSelection.assets("events_live/live_dates")
        made.materialize(first, live=True)
        assert made.ran("model") == {NODES["events_live/live_dates"]}
        result = made.materialize(LIVE - first, live=True)
        assert made.ran("model") == recorded(result) == set(MODELS.live) - {NODES["events_live/live_dates"]}
        assert shared_place.count("events_live.events_live") > 0
        yield made


@pytest.mark.parametrize("asset", sorted(NODES))
def test_an_asset_alone_builds_nothing_else(asked: Asked, asset: str) -> None:
    """*Materialize* of `events/events` rebuilt eleven models, unrecorded: dbt takes the bare name for the folder, too."""
    result = asked.materialize(AssetSelection.assets(asset), live=asset.startswith("events_live/"))
    assert asked.ran("model") == recorded(result) == {NODES[asset]}
    shared = {result.unique_id for result in asked.executed} & MODELS.shared
    assert {node.rpartition(".")[2] for node in shared} == set(SHARED_TABLES.get(asset, ())), (
        "worked out where it is read, and only there"
    )
    own = {test for test, key in MODELS.test_keys.items() if key.asset_key.to_user_string() == asset}
    assert asked.ran("test") == checked(result) <= own
    beside = {test for test in own if len(MODELS.manifest["nodes"][test]["depends_on"]["nodes"]) > 1}
    assert own - asked.ran("test") <= beside, "only a test that looks at a sibling waits for both"


@pytest.mark.parametrize("group", ["events", "stats", "events_live"])
def test_a_group_builds_the_models_of_its_folder(asked: Asked, group: str) -> None:
    """`events_live` failed when its views were launched apart: the name of the one that is also the folder's built them all."""
    result = asked.materialize(AssetSelection.groups(group), live=group == "events_live")
    assert (
        asked.ran("model") == recorded(result) == {node for key, node in NODES.items() if key.startswith(f"{group}/")}
    )
    assert asked.ran("test") == checked(result)


def test_a_check_alone_builds_no_model(asked: Asked) -> None:
    """*Execute* on a check's page runs this one test."""
    test, key = next(
        (test, key) for test, key in MODELS.test_keys.items() if test.split(".")[2] == "unique_logs_log_id"
    )
    result = asked.materialize(AssetSelection.checks(key))
    assert asked.ran("model") == set()
    assert asked.ran("test") == checked(result) == {test}


def test_every_test_is_a_check() -> None:
    """A dbt test without an asset would run in no launch from the UI, and nobody would see its result."""
    tests = {node["unique_id"] for node in MODELS.manifest["nodes"].values() if node["resource_type"] == "test"}
    assert tests == set(MODELS.test_keys)
    assert set(MODELS.tests_of([*MODELS.partitioned, *MODELS.live])) == tests, "a test that no whole build runs"
