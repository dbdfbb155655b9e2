"""Where history begins: at PARTITIONS_START the refresh and a replay see the same hits, and none is lost between two dates."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from dagster import DagsterInstance

from collector.archive_keys import object_key
from collector.records import Source, build_record, encode
from ingestion_platform.dates import ONE_DAY, Window

_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)


def deliver(place: Any, arrived: datetime, number: int, *hits: dict[str, str]) -> None:
    """Put one object into the archive: hits that the collector received a minute before the object arrived."""
    received = int((arrived - timedelta(minutes=1)).timestamp() * 1000)
    source = Source("POST", "/collect", "127.0.0.1", "203.0.113.0", {"user-agent": _AGENT})
    lines = []
    for at, hit in enumerate(hits):
        full = {"v": "1", "t": "pageview", "tid": "UA-1-1", "cid": "alice", **hit}
        event_id = f"00000000-0000-4000-8000-{number:06d}{at:06d}"
        text = encode(build_record(full, source, event_id=event_id, received_at=received, responded_at=received + 3))
        lines.append(text if isinstance(text, bytes) else text.encode())
    key = object_key("test", arrived, f"00000000-0000-4000-8000-{number:012d}")
    place.archive.put(key, gzip.compress(b"".join(lines)))


def fill(place: Any, first: date) -> None:
    """Traffic over the midnight at which history begins: simulated, and a visitor whose hit was queued over it."""
    for day in (first - ONE_DAY, first, first + ONE_DAY):
        place.simulate(day, hits=300)
    midnight = datetime.combine(first, datetime.min.time(), UTC)
    deliver(place, midnight - timedelta(minutes=5), 1, {"dp": "/before"})
    deliver(place, midnight + timedelta(minutes=6), 2, {"dp": "/queued", "qt": "600000"}, {"dp": "/after"})


def books(result: Any) -> dict[str, bool]:
    return {
        f"{e.partition}": e.passed for e in result.get_asset_check_evaluations() if e.check_name == "reconciliation"
    }


def test_a_refresh_and_replays_agree_on_the_first_dates(make_place: Callable[..., Any]) -> None:
    """A replay loaded the date before PARTITIONS_START as a margin and the refresh did not: 1,481 sessions against 1,473. A hit that
    was queued over that midnight was in no model and no quarantine, and no balance missed it."""
    with DagsterInstance.ephemeral() as other:
        first = make_place().past(4)
        refreshed = make_place(PARTITIONS_START=f"{first}")
        replayed = make_place(instance=other, PARTITIONS_START=f"{first}")
        for place in (refreshed, replayed):
            fill(place, first)
        result = refreshed.launch("hourly_refresh")
        assert result.success
        assert set(books(result).values()) == {True}
        second = Window(first + ONE_DAY, first + 2 * ONE_DAY)
        for window in (second, Window(first, first + ONE_DAY), second, Window(first, refreshed.past(-1))):
            result = replayed.launch("replay", window)
            assert result.success
            assert set(books(result).values()) == {True}
        assert refreshed.everything() == replayed.everything()
        for place in (refreshed, replayed):
            found = place.rows(
                "select event_date, cast(received_at as date), payload from events.quarantine where reason = 'before_first_partition'"
            )
            assert [row[:2] for row in found if "/queued" in row[2]] == [(first, first)]
            assert {row[0] for row in found} == {first}
            assert place.rows("select count(*) from events.logs where document_path = '/after'") == [(1,)]
            assert place.rows("select count(*) from raw.logs where arrival_date < ?", [first]) == [(0,)]
            assert place.launch("hourly_refresh").get_asset_materialization_events() == [] or place is replayed


def test_a_hit_from_before_that_comes_late_is_in_the_first_date_s_quarantine(make_place: Callable[..., Any]) -> None:
    """It changes a date that no rule named: the refresh must rebuild the first one, and the balance must hold there."""
    first = make_place().past(4)
    place = make_place(PARTITIONS_START=f"{first}")
    midnight = datetime.combine(first, datetime.min.time(), UTC)
    deliver(place, midnight + timedelta(hours=12), 1, {"dp": "/noon"})
    assert place.launch("hourly_refresh").success
    deliver(place, midnight + timedelta(minutes=6), 2, {"dp": "/queued", "qt": "14400000"})
    result = place.launch("hourly_refresh")
    assert result.success
    assert f"{first}" in place.materialized(result, "events/quarantine")
    assert set(books(result).values()) == {True}
    assert place.rows("select event_date, reason from events.quarantine") == [(first, "before_first_partition")]
    assert place.rows("select min(event_date) from events_live.live_dates") == [(None,)], (
        "no date is left to the live views"
    )


def test_a_refresh_of_an_empty_archive_says_that_nothing_is_new(make_place: Callable[..., Any]) -> None:
    """The first tick of a new platform ended red: its live views read marts that nobody had built."""
    place = make_place()
    for _ in range(2):
        result = place.launch("hourly_refresh")
        assert result.success
        assert result.get_asset_materialization_events() == []
        messages = [record.user_message for record in place.instance.all_logs(result.run_id)]
        assert any(message.startswith("Nothing new") for message in messages)
    place.simulate(place.past(3))
    assert place.launch("hourly_refresh").success
    assert place.count("events_live.logs_live") > 0


def test_a_replay_names_the_dates_that_it_leaves_stale(make_place: Callable[..., Any]) -> None:
    """A replay of one date loads hits that change others, and nothing said which: the run's tag, its log and each date's figures do."""
    place = make_place()
    for number, days in enumerate((6, 4)):
        deliver(
            place,
            datetime.combine(place.past(days), datetime.min.time(), UTC) + timedelta(hours=12),
            number,
            {"dp": "/"},
        )
    result = place.launch("replay", Window(place.past(6), place.past(5)))
    assert result.success
    # The day before, for visits over midnight, and those after it, for newness; the other date was loaded as a margin.
    stale = f"{place.past(7)}, {place.past(5)} to {place.past(0)}"
    run = place.instance.get_run_by_id(result.run_id)
    assert run is not None and run.tags["clickstream/dates_left_stale"] == stale
    messages = [record.user_message for record in place.instance.all_logs(result.run_id)]
    assert any(message.startswith(f"Left stale by this run: {stale}.") for message in messages)
    event = next(
        e
        for e in result.get_asset_materialization_events()
        if e.asset_key and e.asset_key.path[-1] == "logs" and e.asset_key.path[0] == "events"
    )
    assert event.materialization.metadata["dates left stale"].value == stale

    assert place.launch("hourly_refresh").success
    again = place.launch("replay", Window(place.past(6), place.past(5)))
    run = place.instance.get_run_by_id(again.run_id)
    assert run is not None and "clickstream/dates_left_stale" not in run.tags
