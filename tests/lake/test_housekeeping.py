"""What is forgotten, deleted and merged, and above all what is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

import tests_clock
from ingestion_platform.resources.duckdb import lake as duckdb_lake
from ingestion_platform.resources.duckdb.housekeeping import keep_house
from ingestion_platform.resources.duckdb.ledger import LakeLedger
from ingestion_platform.resources.lake.catalog import Catalog
from ingestion_platform.resources.lake.contents import CatalogError, Column, NewFile, Table
from ingestion_platform.resources.lake.housekeeping import (
    delete_scheduled,
    expire,
    merge,
    remove_orphans,
)
from ingestion_platform.resources.lake.usage import held
from ingestion_platform.resources.lake.workplaces import Removed, remove_abandoned

DAY, NEXT = date(2026, 1, 1), date(2026, 1, 2)
START = tests_clock.NOW
WEEK, HOUR = timedelta(days=7), timedelta(hours=1)
TIMES = timedelta(days=365_000)


def select(day: date, rows: int, more: str = "") -> str:
    return f"select date '{day}' as event_date, i::integer as n{more} from range({rows}) t(i)"


def publish(lake, name: str, days: list[date], rows: int = 3, more: str = "") -> None:
    """Another version of the dates."""
    files = [lake.write("events.hits", day, name, select(day, rows, more)) for day in days]
    with lake.change(name) as change:
        change.define_table(lake.table("events.hits", select(DAY, 1, more)))
        change.replace("events.hits", days, files)


def with_ledger(lake: Catalog) -> None:
    """As a warehouse's: what it holds for a person is in its ledger."""
    with lake.change("tables") as change:
        LakeLedger(change.connection).create_tables()


def on_disk(lake: Catalog) -> set[str]:
    return {path.relative_to(lake.folder).as_posix() for path in lake.folder.rglob("*.parquet")}


def names(lake: Catalog) -> list[str]:
    return sorted(Path(path).parent.name[-2:] + Path(path).stem for path in on_disk(lake))


def needed(lake: Catalog) -> set[str]:
    """What the kept snapshots have."""
    return {
        file.path
        for info in lake.snapshots()
        for files in lake.snapshot(info.snapshot_id).files.values()
        for file in files
    }


def rows(lake: Catalog, at: int | None = None) -> list[tuple]:
    snapshot = lake.snapshot(at)
    paths = [f"{lake.folder / file.path}" for file in snapshot.files["events.hits"]]
    with duckdb.connect() as engine:
        return engine.execute(
            "select * from read_parquet(?, union_by_name = true, hive_partitioning = false) order by all", [paths]
        ).fetchall()


@pytest.fixture
def at_start() -> Iterator[None]:
    """The clock for what moves it."""
    tests_clock.move_to(START)
    yield
    tests_clock.move_to(tests_clock.NOW)


@pytest.fixture
def aged(at_start, lake):
    """Versions of two dates, on the days 0, 3, 6 and 9."""
    for i, (name, days) in enumerate([("a", [DAY, NEXT]), ("b", [DAY]), ("c", [DAY]), ("d", [NEXT])]):
        tests_clock.move_to(START + i * timedelta(days=3))
        publish(lake, name, days)
    return lake


def test_what_was_current_in_the_last_days_stays(aged) -> None:
    """Ten days after the first one, seven are kept: the version that was current when they began, and all since."""
    now = START + timedelta(days=10, minutes=1)
    assert expire(aged, WEEK, now) == 2
    assert [info.snapshot_id for info in aged.snapshots()] == [2, 3, 4]
    assert [aged.paths("events.hits", at) for at in (2, 3, 4)] == [
        ["b.parquet", "a.parquet"],
        ["c.parquet", "a.parquet"],
        ["c.parquet", "d.parquet"],
    ]
    with pytest.raises(CatalogError, match="snapshot 1 is not kept; those from 2 to 4"):
        aged.snapshot(1)
    assert names(aged) == ["01a", "01b", "01c", "02a", "02d"]
    assert expire(aged, WEEK, now) == 0
    assert expire(aged, WEEK, START - timedelta(days=1)) == 0


def test_the_newest_is_never_forgotten(aged) -> None:
    """However long nothing was published."""
    assert expire(aged, timedelta(0), START + TIMES) == 4
    assert [info.snapshot_id for info in aged.snapshots()] == [4]
    assert aged.paths("events.hits") == ["c.parquet", "d.parquet"]
    publish(aged, "e", [DAY])
    assert aged.paths("events.hits", at=4) == ["c.parquet", "d.parquet"]
    assert aged.paths("events.hits") == ["e.parquet", "d.parquet"]


def test_a_file_is_deleted_a_while_after_nothing_needs_it(aged) -> None:
    """Who opened the warehouse when it was needed may still read it."""
    now = START + timedelta(days=10, minutes=1)
    expire(aged, WEEK, now)
    assert delete_scheduled(aged, HOUR, now + HOUR - timedelta(seconds=1)) == Removed()
    assert names(aged) == ["01a", "01b", "01c", "02a", "02d"]
    size = (aged.folder / "events/hits/event_date=2026-01-01/a.parquet").stat().st_size
    assert delete_scheduled(aged, HOUR, now + HOUR) == Removed(1, size)
    assert on_disk(aged) == needed(aged) and names(aged) == ["01b", "01c", "02a", "02d"]
    assert delete_scheduled(aged, HOUR, now + HOUR) == Removed()


def test_what_a_killed_deletion_left_is_finished(aged) -> None:
    """A file that is gone already is no error."""
    expire(aged, timedelta(0), START + TIMES)
    (aged.folder / "events/hits/event_date=2026-01-01/a.parquet").unlink()
    assert delete_scheduled(aged, HOUR, START + TIMES + HOUR).files == 2
    assert on_disk(aged) == needed(aged)


def test_orphans_are_removed_and_nothing_else(aged) -> None:
    """Files of killed runs; not those that are new, wait to be deleted, or lie where a process is at work."""
    expire(aged, timedelta(0), START + TIMES)
    known = on_disk(aged)
    orphan = aged.write("events.hits", DAY, "orphan", select(DAY, 5))
    for path in ("staged/x/events/hits/event_date=2026-01-01/rows.parquet", "spill/x/duckdb_temp.tmp", ".load.lock"):
        (aged.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (aged.folder / path).write_bytes(b"1234")
    made = datetime.fromtimestamp(os.stat(aged.folder / orphan.path).st_ctime, UTC)
    assert remove_orphans(aged, HOUR, made + HOUR - timedelta(seconds=5)) == Removed()
    assert remove_orphans(aged, HOUR, made + 2 * HOUR) == Removed(1, orphan.size)
    assert on_disk(aged) == known | {"staged/x/events/hits/event_date=2026-01-01/rows.parquet"}
    assert (aged.folder / "spill/x/duckdb_temp.tmp").exists()
    assert (aged.folder / ".load.lock").exists() and aged.head() == 4


ABANDONS = """
import os, signal, sys
from pathlib import Path
from ingestion_platform.resources.duckdb.lake import Lake

lake = Lake(Path(sys.argv[1]))
with lake.staged() as staged, lake.spill() as spill:
    (staged / "events").mkdir()
    for path in (staged / "events" / "rows.parquet", spill / "duckdb_temp.tmp"):
        path.write_bytes(b"1234")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_killed_runs_staged_and_spilled_goes(lake) -> None:
    """A while after they were last at it; never what a living process holds, however long it thinks. Its own it removes itself."""
    killed = subprocess.run([sys.executable, "-c", ABANDONS, f"{lake.folder}"], check=False)
    assert killed.returncode == -signal.SIGKILL
    with duckdb_lake.Lake(lake.folder).staged() as mine:
        (mine / "rows.parquet").write_bytes(b"mine")
        made = datetime.fromtimestamp((mine / "rows.parquet").stat().st_ctime, UTC)
        assert remove_abandoned(lake.folder, HOUR, made + HOUR - timedelta(minutes=1)) == Removed()
        assert remove_abandoned(lake.folder, HOUR, made + 2 * HOUR) == Removed(2, 8)
        assert list((lake.folder / "staged").iterdir()) == [mine] and list((lake.folder / "spill").iterdir()) == []
        assert (mine / "rows.parquet").read_bytes() == b"mine"
    assert list((lake.folder / "staged").iterdir()) == []


def test_a_file_that_was_moved_into_place_is_new(lake) -> None:
    """A proposal that waited for days is published: between the move and the commit its file is old, and known to nobody."""
    new = lake.write("events.hits", DAY, "waited", select(DAY, 1))
    path = lake.folder / new.path
    os.utime(path, (0, 0))
    staged = path.with_name("elsewhere")
    path.rename(staged)
    staged.rename(path)
    assert remove_orphans(lake, HOUR, datetime.fromtimestamp(path.stat().st_ctime, UTC) + HOUR / 2) == Removed()


def test_small_files_of_a_date_become_one(tmp_path: Path, lake) -> None:
    """Their rows stay, in the table's columns of today; earlier snapshots keep their files, and no run takes it for a change of its dates."""
    with_ledger(lake)
    publish(lake, "a", [DAY, NEXT], 3)
    more = ", 'x' as added"
    with lake.change("evolved") as change:
        change.define_table(lake.table("events.hits", select(DAY, 1, more)))
        change.add([lake.write("events.hits", DAY, name, select(DAY, 2, more)) for name in "bc"])
    before, head = rows(lake), lake.head()
    kept = keep_house(duckdb_lake.Lake(lake.folder), WEEK, HOUR, datetime.now(UTC))
    assert (kept.merged, kept.expired) == (2, 0)
    assert rows(lake) == before and len(before) == 10
    merged, other = lake.snapshot().files["events.hits"]
    assert (merged.day, merged.rows, merged.columns) == (DAY, 7, lake.snapshot().tables["events.hits"].columns)
    assert Path(other.path).stem == "a"
    assert lake.paths("events.hits", at=head) == ["a.parquet", "b.parquet", "c.parquet", "a.parquet"]
    assert lake.snapshots()[-1].message == "merge 3 files of events.hits of 2026-01-01"
    assert keep_house(duckdb_lake.Lake(lake.folder), WEEK, HOUR, datetime.now(UTC)).merged == 0


def test_large_files_are_not_merged(lake) -> None:
    """Nor is one small file beside a large one: merging ends."""
    with lake.change("first") as change:
        change.define_table(lake.table("events.hits", select(DAY, 1)))
        change.add(
            [lake.write("events.hits", DAY, name, select(DAY, rows)) for name, rows in (("a", 3), ("b", 50_000))]
        )
    assert merge(lake, lambda table, files: pytest.fail("written"), small=10_000) == 0


@pytest.mark.parametrize("moved", ["replaced", "evolved"])
def test_a_date_that_moves_while_it_is_merged_is_left(lake, moved: str) -> None:
    """Another run publishes it between the reading and the commit: that run's rows stay, and the merged file goes."""
    publish(lake, "a", [DAY])
    with lake.change("more") as change:
        change.add([lake.write("events.hits", DAY, "b", select(DAY, 2))])

    def write(table, files):
        if moved == "replaced":
            publish(lake, "c", [DAY])
        else:
            with lake.change("evolved") as change:
                change.define_table(lake.table("events.hits", select(DAY, 1, ", 'x' as added")))
        return lake.write("events.hits", DAY, "merged", select(DAY, sum(file.rows for file in files)))

    assert merge(lake, write) == 0
    assert lake.paths("events.hits") == (["c.parquet"] if moved == "replaced" else ["a.parquet", "b.parquet"])
    assert "01merged" not in names(lake)
    with lake.reading() as connection:
        assert connection.execute(
            "select max(end_snapshot), max(begin_snapshot) from ducklake_data_file"
        ).fetchone() == ((3, 3) if moved == "replaced" else (None, 2))
    assert lake.head() == 3


def test_a_merged_file_that_lacks_rows_is_refused(lake) -> None:
    """Whatever made it, the lake keeps what it has."""
    publish(lake, "a", [DAY])
    with lake.change("more") as change:
        change.add([lake.write("events.hits", DAY, "b", select(DAY, 2))])
    with pytest.raises(CatalogError, match="has not the rows of what it would replace"):
        merge(lake, lambda table, files: lake.write("events.hits", DAY, "merged", select(DAY, 4)))
    with pytest.raises(CatalogError, match="are said to have rows and have none"):
        merge(lake, lambda table, files: None)
    assert lake.paths("events.hits") == ["a.parquet", "b.parquet"]


def test_an_older_shape_is_known_as_long_as_a_file_has_it(lake) -> None:
    """A date that was never rebuilt was written before the column's type changed, and its snapshot is long forgotten."""
    publish(lake, "a", [DAY, NEXT])
    older = lake.snapshot().tables["events.hits"].columns
    wider = Table("events.hits", (older[0], Column("n", "BIGINT")), "event_date")
    with lake.change("wider") as change:
        change.define_table(wider)
    publish_wider = f"select date '{NEXT}' as event_date, 1::bigint as n"
    with lake.change("rebuilt") as change:
        change.replace("events.hits", [NEXT], [lake.write("events.hits", NEXT, "b", publish_wider)])
    expire(lake, timedelta(0), START + TIMES)
    assert [file.columns for file in lake.snapshot().files["events.hits"]] == [older, wider.columns]
    with lake.change("rebuilt") as change:
        change.replace("events.hits", [DAY], [lake.write("events.hits", DAY, "b", publish_wider)])
    expire(lake, timedelta(0), START + TIMES)
    with lake.reading() as connection:
        for table, count in (("ducklake_column", 2), ("ducklake_column_mapping", 1), ("ducklake_name_mapping", 2)):
            assert connection.execute(f"select count(*) from {table}").fetchone() == (count,), table


def test_how_much_disk_which_snapshots_hold(aged) -> None:
    """A file counts for the last snapshot that has it, so that the sum is what is on disk."""
    size = {path: (aged.folder / path).stat().st_size for path in on_disk(aged)}

    def of(*stems: str) -> int:
        return sum(size[f"events/hits/event_date=2026-01-0{stem[0]}/{stem[1]}.parquet"] for stem in stems)

    usage = held(aged)
    assert usage.current == of("1c", "2d")
    assert [(info.snapshot_id, size) for info, size in usage.by_snapshot] == [
        (1, of("1a")),
        (2, of("1b")),
        (3, of("2a")),
    ]
    assert usage.scheduled == 0
    expire(aged, WEEK, START + timedelta(days=10, minutes=1))
    usage = held(aged)
    assert [(info.snapshot_id, size) for info, size in usage.by_snapshot] == [(2, of("1b")), (3, of("2a"))]
    assert (usage.current, usage.scheduled) == (of("1c", "2d"), of("1a"))


def again(lake, at: int) -> None:
    """Publish the files of an earlier snapshot as they are."""
    files = lake.snapshot(at).files["events.hits"]
    with lake.change(f"back to {at}") as change:
        change.replace(
            "events.hits",
            [DAY, NEXT],
            [NewFile(file.relation, file.day, file.path, file.rows, file.size, file.footer_size) for file in files],
        )


def test_a_version_that_was_published_again_stays(aged) -> None:
    """Its files are those of a snapshot that is forgotten, and of the newest; they count once."""
    size = sum((aged.folder / path).stat().st_size for path in on_disk(aged))
    again(aged, 2)
    assert aged.paths("events.hits") == ["b.parquet", "a.parquet"]
    usage = held(aged)
    assert usage.current + sum(bytes_ for _, bytes_ in usage.by_snapshot) == size
    assert expire(aged, timedelta(0), START + TIMES) == 5
    assert delete_scheduled(aged, HOUR, START + TIMES + HOUR).files == 3
    assert names(aged) == ["01b", "02a"] and on_disk(aged) == needed(aged)
    publish(aged, "e", [DAY, NEXT])
    expire(aged, timedelta(0), START + TIMES)
    assert delete_scheduled(aged, HOUR, START + TIMES + HOUR).files == 2


def test_what_is_published_again_while_it_is_forgotten_stays(aged) -> None:
    """Somebody chose a version just before its time was over."""
    files = aged.snapshot(1).files["events.hits"]
    expire(aged, timedelta(0), START + TIMES)
    with aged.change("back") as change:
        change.replace("events.hits", [DAY], [NewFile("events.hits", DAY, files[0].path, 3, files[0].size, 300)])
    delete_scheduled(aged, HOUR, START + TIMES + HOUR)
    assert on_disk(aged) == needed(aged) and aged.paths("events.hits") == ["a.parquet", "d.parquet"]


def test_files_of_other_columns_are_not_published_again(aged) -> None:
    """They would be read as if they had those of today; and a file is not twice in one snapshot."""
    with pytest.raises(CatalogError, match="is published already"), aged.change("twice") as change:
        change.add([aged.write("events.hits", DAY, "c", select(DAY, 3))])
    publish(aged, "e", [DAY], more=", 1 as added")
    with pytest.raises(CatalogError, match=r"or was when events\.hits had other columns: write it anew"):
        again(aged, 2)
    assert aged.paths("events.hits") == ["e.parquet", "d.parquet"]


WORKER = """
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4
from ingestion_platform.resources.duckdb.housekeeping import keep_house
from ingestion_platform.resources.duckdb.lake import Lake
from ingestion_platform.resources.lake.catalog import Column, Table

lake = Lake(Path(sys.argv[1]))
lake.catalog.create()
table = Table("events.hits", (Column("event_date", "DATE"), Column("n", "INTEGER")), "event_date")
days = [date(2026, 1, 1), date(2026, 1, 2)]
with lake.catalog.change("table") as change:
    change.define_table(table)
with lake.engine() as engine:
    print("ready", flush=True)
    for i in range(1000):
        n = lake.catalog.head()
        for day in days:
            select = f"select date '{day}' as event_date, {n} as n from range(100)"
            halves = [lake.write(engine, select, table, day) for _ in range(2)]
            with lake.catalog.change(f"{n}") as change:
                change.replace(table.name, [day], halves)
        keep_house(lake, timedelta(0), timedelta(0), datetime.now(UTC) + timedelta(seconds=5))
"""


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """While it writes, publishes, merges, forgets and deletes: no file is lost, and none is left for good."""
    catalog = Catalog(tmp_path / "lake")
    catalog.create()
    with_ledger(catalog)
    for i in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, f"{catalog.folder}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
        time.sleep(0.05 + 0.061 * i)
        process.send_signal(signal.SIGKILL)
        errors = process.communicate()[1]
        assert process.returncode == -signal.SIGKILL, errors
        assert needed(catalog) <= on_disk(catalog)
        for info in catalog.snapshots():
            for file in catalog.snapshot(info.snapshot_id).files.get("events.hits", ()):
                with duckdb.connect() as engine:
                    found = engine.execute(
                        f"select count(*), count(distinct n), min(event_date) from read_parquet('{catalog.folder / file.path}', hive_partitioning = false)"
                    ).fetchone()
                assert found == (file.rows, 1, file.day)
    assert catalog.head() > 5
    later = datetime.now(UTC) + TIMES
    keep_house(duckdb_lake.Lake(catalog.folder), timedelta(0), timedelta(0), later)
    assert on_disk(catalog) == needed(catalog)
    assert len(on_disk(catalog)) == 2
