"""Replays as Dagster runs: any dates, any selection, the same rows again, and nothing wrong published."""

from __future__ import annotations

from collections import Counter
from typing import Any

import duckdb
import pytest
from dagster import AssetCheckKey, AssetKey

from ingestion_platform.assets.keys import OVERVIEW_1D, PUBLISHED_OVERVIEW, RAW_LOGS
from ingestion_platform.dates import ONE_DAY, Window
from ingestion_platform.partitions import range_tags
from simulations.config import DATES_AFTER

CHECK_OVERVIEW = AssetCheckKey(OVERVIEW_1D, "overview")


def test_a_replay_records_each_date_and_a_second_one_changes_no_row(place: Any) -> None:
    """Every partition carries its own figures (Dagster's default is one figure for the whole run), and replaying is harmless."""
    window = Window(place.past(4), place.past(2))
    for day in window.days:
        place.simulate(day, hits=2_000)
    first = place.launch("replay", window)
    assert first.success
    made = Counter((event.asset_key, event.partition) for event in first.get_asset_materialization_events())
    assert set(made.values()) == {1}, "steps record their dates themselves: Dagster must not add to them"
    assert {key for key, _ in made} >= {RAW_LOGS, OVERVIEW_1D, PUBLISHED_OVERVIEW}
    rows = {
        str(event.partition): event.materialization.metadata["dagster/partition_row_count"].value
        for event in first.get_asset_materialization_events()
        if event.asset_key == AssetKey(["events", "logs"])
    }
    counted = place.rows("select cast(event_date as varchar), count(*) from events.logs group by 1")
    assert rows == {day: n for day, n in counted if day in rows}
    assert set(rows) == {day.isoformat() for day in window.days}
    assert len(set(rows.values())) == 2
    _holds_the_business(place, first)
    before = place.everything()
    parquet = place.settings.published_dir / "overview_1d" / f"{window.start}.parquet"
    assert duckdb.sql(f"select count(*) from '{parquet}'").fetchall()[0][0] > 0

    second = place.launch("replay", window)
    assert second.success
    assert place.everything() == before
    third = place.launch("replay", window, run_config={"ops": {"raw__logs": {"config": {"full_reload": True}}}})
    assert third.success
    assert place.everything() == before


def _holds_the_business(place: Any, run: Any) -> None:
    """Each date of overview_1d has what it came to as numbers, which the asset's plots show; they were texts, or nowhere."""
    shown = {
        str(event.partition): {name: value.value for name, value in event.materialization.metadata.items()}
        for event in run.get_asset_materialization_events()
        if event.asset_key == OVERVIEW_1D
    }
    counted = place.rows(
        "select cast(event_date as varchar), hits, count_active_sessions, transactions from stats.overview_1d where tracking_id = '(all)'"
    )
    left_out = dict(place.rows("select cast(event_date as varchar), count(*) from events.quarantine group by 1"))
    revenue = place.rows(
        "select cast(event_date as varchar), currency_code, transaction_revenue - refunded_revenue from stats.revenue_1d "
        "where tracking_id = '(all)' and currency_code <> '(not set)'"
    )
    figures = {day: [of_day[name] for name in ("hits", "sessions", "transactions")] for day, of_day in shown.items()}
    assert figures == {day: of_day for day, *of_day in counted if day in shown}
    assert all(of_day["hits"] > 0 and of_day["quarantined"] == left_out.get(day, 0) for day, of_day in shown.items())
    money = {(day, f"revenue {currency}"): float(amount) for day, currency, amount in revenue if day in shown}
    assert money, "no date sold anything"
    found = {
        (day, name): value for day, of_day in shown.items() for name, value in of_day.items() if name[:8] == "revenue "
    }
    assert found == money


@pytest.mark.dates("leap-day", "month-end-before-midnight", "after-midnight")
def test_simulated_dates_are_held_against_their_truth(place: Any) -> None:
    """The check must compare something: one that compares nothing would be green for ever."""
    window = Window(place.past(6), place.past(6) + (DATES_AFTER + 2) * ONE_DAY)
    place.simulate(window.start)
    result = place.launch("replay", window)
    found = {e.partition: e for e in result.get_asset_check_evaluations() if e.check_name == "expected_results"}
    assert set(found) == {f"{day}" for day in window.days}
    assert all(evaluation.passed for evaluation in found.values())
    assert found[f"{window.start}"].metadata["compared"].value is True
    beyond = f"{window.days[-1]}"
    assert found[beyond].metadata["compared"].value is False, "no simulated session reaches that date"


def test_the_statistics_alone_can_be_rebuilt(place: Any) -> None:
    """Only stats: neither the archive is read nor a mart rebuilt."""
    window = Window(place.past(4), place.past(3))
    place.simulate(window.start)
    assert place.launch("replay", window).success
    result = place.launch("replay", window, asset_selection=[OVERVIEW_1D])
    assert result.success
    assert {event.asset_key for event in result.get_asset_materialization_events()} == {OVERVIEW_1D}


def test_books_that_do_not_balance_are_not_published(place: Any) -> None:
    """A lost row must stop at the blocking check: its date is named and red, the other date of the run is green, and neither is
    published, so that readers keep the figures of the last good run."""
    window = Window(place.past(4), place.past(2))
    place.simulate(window.start, truth=False)
    assert place.launch("replay", window).success
    parquet = place.settings.published_dir / "overview_1d" / f"{window.start}.parquet"
    written = parquet.stat().st_mtime_ns
    place.lose_a_row(window.start)
    seen = place.everything()

    result = place.launch("replay", window, asset_selection=[OVERVIEW_1D, PUBLISHED_OVERVIEW])
    assert not result.success
    books = {e.partition: e for e in result.get_asset_check_evaluations() if e.check_name == "reconciliation"}
    assert {day: found.passed for day, found in books.items()} == {f"{place.past(4)}": False, f"{place.past(3)}": True}
    assert f"{window.start}" in str(books[f"{window.start}"].description)
    failure = result.failure_data_for_node("models")
    assert failure is not None and failure.user_failure_data is not None
    told = str(failure.user_failure_data.description)
    assert f" is not published, and stays as it was: reconciliation failed on {window.start}:" in told
    assert result.get_asset_materialization_events() == []
    assert place.everything() == seen
    assert parquet.stat().st_mtime_ns == written

    assert place.launch("replay", window).success, "a replay of the date heals it"
    assert parquet.stat().st_mtime_ns > written


def test_statistics_that_contradict_their_marts_are_not_published(place: Any) -> None:
    """Figures that no mart adds up to are red on their date alone, told with what they must be, and stay out of the published
    files: in the run that made them, and in a later one that only publishes."""
    window = Window(place.past(4), place.past(2))
    place.simulate(window.start, truth=False)
    assert place.launch("replay", window).success
    parquet = place.settings.published_dir / "overview_1d" / f"{window.start}.parquet"
    written = parquet.stat().st_mtime_ns
    replaced = "select * replace ({} as {}) from {{rows}}".format
    for day in window.days:
        taxed = "case when tracking_id = '(all)' then transaction_tax + 1 else transaction_tax end"
        place.alter("stats.revenue_1d", day, replaced(taxed, "transaction_tax"))
    more = "case when tracking_id = '(all)' then hits + 1 else hits end"
    place.alter("stats.overview_1d", window.start, replaced(more, "hits"))

    everything = place.located.resolve_implicit_global_asset_job_def()
    alone = everything.get_subset(asset_selection=set(), asset_check_selection={CHECK_OVERVIEW})
    checks = alone.execute_in_process(instance=place.instance, tags=dict(range_tags(window)), raise_on_error=False)
    found = {e.partition: e for e in checks.get_asset_check_evaluations()}
    assert {day: one.passed for day, one in found.items()} == {f"{place.past(4)}": False, f"{place.past(3)}": True}
    told = str(found[f"{window.start}"].description)
    hits = place.rows("select count(*) from events.logs where not is_bot")[0][0]
    assert f"(all) day: hits is {hits + 1}, must be {hits}" in told

    published = place.launch("replay", window, asset_selection=[PUBLISHED_OVERVIEW])
    assert not published.success
    failure = published.failure_data_for_node("published__overview")
    assert failure is not None and failure.user_failure_data is not None
    assert "is not published: overview failed on" in str(failure.user_failure_data.description)
    assert parquet.stat().st_mtime_ns == written


def test_a_corrupt_object_stops_a_backfill_before_the_marts(place: Any) -> None:
    """A date with a hole must not be modelled by a backfill as if it were whole; the message names the object."""
    window = Window(place.past(4), place.past(2))
    place.simulate(window.start, truth=False)
    broken = place.archive.objects(window.start, window.end)[1]
    place.archive.put(broken.key, b"\x1f\x8b no gzip")
    result = place.launch("replay", window)
    assert not result.success
    readable = {e.partition: e for e in result.get_asset_check_evaluations() if e.check_name == "objects_readable"}
    # Dates of the margin are judged, too, where a session over midnight left them an object.
    assert set(readable) >= {f"{day}" for day in window.days}
    assert {day for day, found in readable.items() if not found.passed} == {f"{window.start}"}
    assert broken.key in str(readable[f"{window.start}"].description)
    failure = result.failure_data_for_node("raw__logs")
    assert failure is not None and failure.user_failure_data is not None
    assert str(failure.user_failure_data.description).startswith(f"objects_readable failed on {window.start}: ")
    assert place.materialized(result, "events/logs") == set()
    loaded = place.materialized(result, "raw/logs")
    assert f"{place.past(3)}" in loaded and f"{window.start}" not in loaded, "the corrupt date shows as failed"
    day_hits = place.rows(f"select count(*) from raw.logs where arrival_date = date '{window.start}'")
    assert day_hits[0][0] > 0, "what could be read of it is loaded"
    reached = place.instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [AssetCheckKey(OVERVIEW_1D, name) for name in ("reconciliation", "expected_results")]
    )
    assert reached == {}, "a check that was not reached must not show as one that failed to execute"


def test_dates_loaded_as_a_margin_are_recorded_too(place: Any) -> None:
    """A rebuild loads the dates around its own; the UI must show them as materialized, or they would look missing."""
    for days in (5, 4):
        place.simulate(place.past(days))
    result = place.launch("replay", Window(place.past(4), place.past(4) + ONE_DAY), asset_selection=[RAW_LOGS])
    assert result.success
    assert place.materialized(result, "raw/logs") >= {place.past(5).isoformat(), place.past(4).isoformat()}
