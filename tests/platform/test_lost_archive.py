"""What a user meets when the archive, or part of it, is not there, or holds what no load takes."""

from __future__ import annotations

from typing import Any

from dagster import AssetCheckKey, DagsterEventType, EventRecordsFilter

from collector.archive_keys import MARKER_KEY
from ingestion_platform.assets.keys import ARCHIVE_EVENTS, RAW_LOGS
from ingestion_platform.dates import ONE_DAY, Window


def readable_verdicts(place: Any) -> dict[str, str]:
    """The last result of `objects_readable` by date, where it failed."""
    records = place.instance.event_log_storage.get_asset_check_execution_history(
        AssetCheckKey(RAW_LOGS, "objects_readable"), 500
    )
    last: dict[str, Any] = {}
    for found in records:
        evaluation = found.event and found.event.dagster_event.asset_check_evaluation_data
        if evaluation:
            last.setdefault(found.partition, evaluation)
    return {day: f"{found.description}" for day, found in last.items() if not found.passed}


def test_a_replay_of_a_lost_archive_keeps_every_row(place: Any) -> None:
    """A mount that is not there: neither replay nor refresh removes a row or a file; the check and `doctor` say so in one line."""
    day = place.past(4)
    window = Window(day, day + ONE_DAY)
    place.simulate(day)
    assert place.launch("replay", window).success
    assert place.launch("hourly_refresh").success
    before = place.everything()
    published = {path: path.read_bytes() for path in sorted(place.settings.published_dir.rglob("*.parquet"))}
    assert published
    aside = place.settings.archive_folder.with_name("unmounted")
    place.settings.archive_folder.rename(aside)
    for job, dates in (("replay", window), ("hourly_refresh", None)):
        result = place.launch(job, dates)
        assert not result.success
        assert place.everything() == before
        assert {path: path.read_bytes() for path in published} == published
        assert f"has no {MARKER_KEY}" in readable_verdicts(place)[f"{day}"]
    told = place.command("doctor").stdout
    assert "keep their rows" in told and MARKER_KEY in told
    aside.rename(place.settings.archive_folder)
    assert place.launch("hourly_refresh").success
    assert place.everything() == before and readable_verdicts(place) == {}


def test_what_vanished_is_removed_only_by_name(place: Any) -> None:
    """A replay names the object that is gone and stops; launched with its key in `remove_objects` it removes its rows, and only them."""
    day = place.past(4)
    window = Window(day, day + ONE_DAY)
    place.simulate(day, truth=False)
    assert place.launch("replay", window).success
    rows = place.count("raw.logs")
    gone = place.archive.objects(*window)[0].key
    of_object = place.rows(f"select row_count from raw.load_history where object_key = '{gone}'")[0][0]
    (place.settings.archive_folder / gone).unlink()
    assert not place.launch("replay", window).success
    assert gone in readable_verdicts(place)[f"{day}"]
    assert place.count("raw.logs") == rows
    config = {"ops": {"raw__logs": {"config": {"remove_objects": [gone]}}}}
    assert place.launch("replay", window, run_config=config).success
    assert place.count("raw.logs") == rows - of_object


def test_frozen_dates_are_not_replayed(place: Any) -> None:
    """Beyond ARCHIVE_RETENTION_DAYS a lifecycle rule may have taken the objects: a replay that includes such dates names them and stops."""
    result = place.command(
        "replay", "--from", f"{place.past(6)}", "--to", f"{place.past(2)}", ARCHIVE_RETENTION_DAYS="4"
    )
    assert result.returncode != 0
    told = result.stdout + result.stderr
    assert f"{place.past(6)} to {place.past(5)} is frozen" in told and "Traceback" not in told


def test_what_no_load_takes_is_named(place: Any) -> None:
    """Another ending, an id in upper case, a date before the first partition: the check `layout`, the observation and `doctor` name each."""
    day = place.past(4)
    place.simulate(day)
    key = place.archive.objects(day, day + ONE_DAY)[0].key
    passed = [f"{key}.json", f"{key.rpartition('/')[0]}/notes.txt", key.replace(f"{day:%Y/%m/%d}", "2019/12/31")]
    for other in passed:
        place.archive.put(other, place.archive.read(key))
    assert place.launch("hourly_refresh").success
    assert place.launch("observe_archive").success
    check = place.instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [AssetCheckKey(ARCHIVE_EVENTS, "layout")]
    )
    evaluation = check[AssetCheckKey(ARCHIVE_EVENTS, "layout")].event.dagster_event.asset_check_evaluation_data
    seen = place.instance.get_event_records(EventRecordsFilter(DagsterEventType.ASSET_OBSERVATION, ARCHIVE_EVENTS))
    metadata = " ".join(f"{record.asset_observation.metadata}" for record in seen)
    told = " ".join(place.command("doctor").stdout.split())
    assert not evaluation.passed
    for other in passed:
        assert other in f"{evaluation.description}" and other in metadata and other in told
