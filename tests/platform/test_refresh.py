"""The hourly refresh: everything new on whichever dates, exactly the dates it touches, and nothing when nothing is new."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import Any

import pytest
from dagster import AssetKey

from collector.archive_keys import object_key, parse_key
from ingestion_platform.assets.keys import OVERVIEW_1D, RAW_LOGS
from ingestion_platform.dates import AFFECTED_AFTER, AFFECTED_BEFORE
from ingestion_platform.versions import outdated


def test_one_run_brings_everything_up_to_date_and_the_next_says_that_nothing_is_new(place: Any) -> None:
    """After days of downtime the next tick catches up on each date (partitioned schedules never did); an idle one is quick
    and records nothing."""
    days = [place.past(3), place.past(2)]
    for day in days:
        place.simulate(day)
    first = place.launch("hourly_refresh")
    assert first.success
    assert place.materialized(first, "raw/logs") >= {day.isoformat() for day in days}
    assert place.materialized(first, "stats/overview_1d") >= {day.isoformat() for day in days}
    assert place.materialized(first, "published/overview") == place.materialized(first, "stats/overview_1d")
    assert place.materialized(first, "events_live/logs_live") == {"None"}
    assert place.rows("select count(*) from events_live.logs_live")[0][0] > 0
    assert (place.settings.published_dir / "overview_1d" / f"{days[0]}.parquet").exists()

    second = place.launch("hourly_refresh")
    assert second.success
    assert second.get_asset_materialization_events() == []
    messages = [record.user_message for record in place.instance.all_logs(second.run_id)]
    assert any(message.startswith("Nothing new") for message in messages)

    everything, live = place.everything(), place.count("events_live.logs_live")
    shutil.rmtree(place.settings.lake_catalog.parent)
    assert place.launch("hourly_refresh").success
    assert place.everything() == everything, "who removes the lake starts over"
    assert place.count("events_live.logs_live") == live, "Dagster knows the views as up to date"


@pytest.mark.dates("leap-day")
def test_a_late_object_rebuilds_exactly_the_dates_it_affects(place: Any) -> None:
    """An object under an old date must be noticed, and dates out of its reach must be left alone."""
    old = place.past(40)
    for day in (old, place.past(2)):
        place.simulate(day, truth=False)
    assert place.launch("hourly_refresh").success
    archive = place.archive
    first = archive.objects(old, old + timedelta(days=1))[0]
    parsed = parse_key(first.key)
    assert parsed is not None
    late = object_key("late", parsed.arrived_at, "00000000-0000-4000-8000-000000000001")
    archive.put(late, archive.read(first.key))

    result = place.launch("hourly_refresh")
    assert result.success
    assert place.materialized(result, "raw/logs") == {old.isoformat()}
    reach = {(old + timedelta(days=n)).isoformat() for n in range(-AFFECTED_BEFORE, AFFECTED_AFTER + 1)}
    assert old.isoformat() in place.materialized(result, "stats/overview_1d")
    assert place.materialized(result, "stats/overview_1d") <= reach
    copies = place.rows(f"select count(*) from events.duplicates where event_date = '{old}'")[0][0]
    assert copies > 0, "the late object repeats hits: they are counted duplicates"


def test_an_unreadable_object_costs_only_itself_and_ends_the_run_red(place: Any) -> None:
    """A corrupt object must not keep the others from the statistics, nor be passed over in silence; replacing it heals."""
    place.simulate(place.past(3), truth=False)
    archive = place.archive
    broken = archive.objects(place.past(3), place.past(2))[2]
    whole = archive.read(broken.key)
    archive.put(broken.key, whole[: len(whole) // 2])
    result = place.launch("hourly_refresh")
    assert not result.success
    failure = result.failure_data_for_node("refresh")
    assert failure is not None and failure.user_failure_data is not None
    assert broken.key in str(failure.user_failure_data.description)
    assert "restore it" in str(failure.user_failure_data.description)
    assert place.past(3).isoformat() in place.materialized(result, "stats/overview_1d")
    before = place.rows("select count(*) from raw.logs")[0][0]

    archive.put(broken.key, whole)
    assert place.launch("hourly_refresh").success
    assert place.rows("select count(*) from raw.logs")[0][0] > before


def test_partitions_built_by_other_sql_are_named_and_rebuilt_on_request(place: Any) -> None:
    """After a model's SQL changed, its old partitions must be findable, and one launch must bring them up to date."""
    place.simulate(place.past(3))
    assert place.launch("hourly_refresh").success
    key = AssetKey(["events", "logs"])
    event = place.instance.get_latest_materialization_event(key)
    assert event is not None and event.asset_materialization is not None
    made_by = (event.asset_materialization.tags or {})["dagster/code_version"]
    assert outdated(place.instance, {key: made_by}) == {}
    assert place.past(3).isoformat() in outdated(place.instance, {key: "another"})[key]
    config = {"ops": {"refresh": {"config": {"rebuild_changed_models": True}}}}
    assert place.launch("hourly_refresh", run_config=config).get_asset_materialization_events() == []


def test_the_archive_s_versions_are_observed_once(place: Any) -> None:
    """A year of unchanged history must not be recorded anew each hour."""
    place.simulate(place.past(3))
    assert place.launch("observe_archive").success
    assert place.instance.fetch_observations(AssetKey(["archive", "events"]), limit=100).records
    seen = len(place.instance.fetch_observations(AssetKey(["archive", "events"]), limit=100).records)
    assert place.launch("hourly_refresh").success
    assert len(place.instance.fetch_observations(AssetKey(["archive", "events"]), limit=100).records) == seen


def test_what_the_refresh_records_counts_as_current(place: Any) -> None:
    """Materializations logged by an op must carry the same versions as those of asset runs, or all would show as stale."""
    place.simulate(place.past(3))
    assert place.launch("hourly_refresh").success
    for key, tag in ((RAW_LOGS, "archive/events"), (OVERVIEW_1D, "events/logs")):
        event = place.instance.get_latest_materialization_event(key)
        assert event is not None and event.asset_materialization is not None
        tags = event.asset_materialization.tags or {}
        assert tags[f"dagster/input_event_pointer/{tag}"] != "NULL"
        assert tags["dagster/data_version"]
