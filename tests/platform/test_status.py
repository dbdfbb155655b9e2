"""`status` on one history: dates that wait, are well, are wrong, and well again; what it prints, and its exit code."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from collector.archive_keys import object_key
from ingestion_platform.dagster_internals.failed_checks import failed_checks
from ingestion_platform.dates import ONE_DAY
from ingestion_platform.resources import environments
from ingestion_platform.status import DateStatus, status
from tests.platform.conftest import PlatformHarness


@pytest.fixture
def place(place_on_disk: PlatformHarness) -> PlatformHarness:
    """Commands and a webserver look at what these tests launch."""
    return place_on_disk


def by_date(place: PlatformHarness) -> dict[date, DateStatus]:
    checks = place.located.resolve_asset_graph().asset_check_keys
    return {of_date.day: of_date for of_date in status(place.settings, failed_checks(place.instance, checks))}


def test_nothing_is_no_trouble(place: PlatformHarness) -> None:
    """A newcomer's first look, before anything was made."""
    told = place.command("status")
    assert told.returncode == 0 and "make demo" in told.stdout
    assert not place.settings.warehouse_file.exists()


def test_what_waits_is_not_wrong_and_what_is_wrong_is_named_under_its_date(place: PlatformHarness) -> None:
    first, second = place.past(5), place.past(4)
    for day in (first, second):
        place.simulate(day, truth=False)
    waiting = by_date(place)
    assert {day for day, found in waiting.items() if found.is_waiting} >= {first, second}
    assert not any(found.wrong or found.is_built or found.is_published for found in waiting.values())

    assert place.launch("hourly_refresh").success
    well = by_date(place)
    for day in (first, second):
        found = well[day]
        assert (found.is_waiting, found.is_stale, found.wrong) == (False, False, [])
        assert found.is_built and found.is_published
        assert found.objects == len(place.archive.objects(day, day + ONE_DAY))
        count = "select count(*) from {} where event_date = ?"
        assert found.hits == place.rows(count.format("events.logs"), [day])[0][0] > 0
        assert found.duplicates == place.rows(count.format("events.duplicates"), [day])[0][0]
        assert found.quarantined == place.rows(count.format("events.quarantine"), [day])[0][0]
        lines = "select count(*) from raw.logs where arrival_date = ?"
        assert found.lines == place.rows(lines, [day])[0][0]

    # A late copy of an object that is there: its date waits, whatever the checks said of it before.
    held = place.archive.objects(second, second + ONE_DAY)[0]
    content = environments.archive(place.settings).read(held.key)
    late = object_key("late", _noon(second), "00000000-0000-4000-8000-000000000001")
    place.archive.put(late, content)
    assert by_date(place)[second].is_waiting and not by_date(place)[second].wrong
    assert place.launch("hourly_refresh").success
    assert by_date(place)[second].is_stale is by_date(place)[second].is_waiting is False

    # A corrupt object: wrong under its arrival date, nowhere else, and the command says which object and exits with 1.
    broken = object_key("late", _noon(first), "00000000-0000-4000-8000-000000000002")
    place.archive.put(broken, content[:40])
    assert not place.launch("hourly_refresh").success
    troubled = by_date(place)
    assert [day for day, found in troubled.items() if found.wrong] == [first]
    assert broken in troubled[first].wrong[0]
    told = place.command("status")
    assert told.returncode == 1 and f"{first}  raw/logs, objects_readable" in told.stdout and broken in told.stdout

    # A lost mount: one line for all dates, and everything else as it was.
    aside = place.settings.archive_folder.with_name("unmounted")
    place.settings.archive_folder.rename(aside)
    lost = place.command("status")
    assert lost.returncode == 1
    (line,) = [line for line in lost.stdout.splitlines() if "is its disk there" in line]
    assert f"  {first} to " in line
    aside.rename(place.settings.archive_folder)
    (place.settings.archive_folder / broken).unlink()
    assert place.launch("hourly_refresh").success
    assert not any(found.wrong for found in by_date(place).values())


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)
