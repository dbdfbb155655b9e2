"""Snapshots: what a change makes of the one before, what stays as it was, and what other readers find in the catalog."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ingestion_platform.resources.lake.catalog import Catalog
from ingestion_platform.resources.lake.contents import CatalogError, Column, NewFile, Table

DAY, NEXT = date(2026, 1, 1), date(2026, 1, 2)
HITS = Table("events.hits", (Column("event_date", "DATE"), Column("n", "INTEGER")), "event_date")
AGENTS = Table("events.agents", (Column("agent", "VARCHAR"),), None)


@pytest.fixture
def filled(lake, named):
    """Two dates of a table."""
    with lake.change("first") as change:
        change.define_table(HITS)
        change.add([named("a", DAY), named("b", NEXT)])
    return lake


def rows(lake: Catalog, sql: str) -> list[tuple]:
    with lake.reading() as connection:
        return connection.execute(sql).fetchall()


def test_an_empty_lake(lake) -> None:
    """Creating it again changes nothing."""
    before = lake.path.read_bytes()
    lake.create()
    assert lake.path.read_bytes() == before
    assert (lake.head(), lake.snapshot().tables, lake.snapshot().views) == (0, {}, {})


def test_a_change_is_one_snapshot(filled, named) -> None:
    """Tables, files and views of a change become visible together, under one number and message."""
    assert filled.head() == 1
    found = filled.snapshot()
    assert found.tables == {"events.hits": HITS}
    first, second = found.files["events.hits"]
    assert (first.day, first.path, first.rows, first.size, first.footer_size, first.columns) == (
        DAY,
        "events/hits/event_date=2026-01-01/a.parquet",
        10,
        1000,
        300,
        HITS.columns,
    )
    assert second.day == NEXT and second.file_id != first.file_id
    assert [(info.snapshot_id, info.message) for info in filled.snapshots()] == [(0, "an empty lake"), (1, "first")]
    assert rows(filled, "select changes_made from ducklake_snapshot_changes where snapshot_id = 1") == [
        ('created_schema:"events",created_table:"events"."hits",inserted_into_table:2',)
    ]


def test_replacing_a_date(filled, named) -> None:
    """Another version of one date, and none of another; earlier snapshots keep theirs."""
    with filled.change("again") as change:
        assert change.before == 1
        change.replace("events.hits", [DAY, NEXT, date(2026, 1, 3)], [named("c", DAY), named("d", DAY)])
    assert filled.paths("events.hits") == ["c.parquet", "d.parquet"]
    assert filled.paths("events.hits", at=1) == ["a.parquet", "b.parquet"]
    assert filled.paths("events.hits", at=2) == ["c.parquet", "d.parquet"]
    assert rows(filled, "select * from ducklake_table_stats") == [(2, 20, 40, 2000)]
    with pytest.raises(CatalogError, match="snapshot 3 is not kept"):
        filled.snapshot(3)


def test_files_of_a_change_can_be_replaced_in_it(filled, named) -> None:
    """What no snapshot ever had leaves no trace that a reader could find, whatever order a run works in."""
    with filled.change("twice") as change:
        change.replace("events.hits", [DAY], [named("c", DAY)])
        change.replace("events.hits", [DAY], [named("d", DAY)])
    assert filled.paths("events.hits") == ["d.parquet", "b.parquet"]
    assert rows(filled, "select count(*) from ducklake_data_file where begin_snapshot = end_snapshot") == [(0,)]
    for table in ("file_partition_value", "file_column_stats"):
        assert rows(
            filled,
            f"select count(*) from ducklake_{table} where data_file_id not in (select data_file_id from ducklake_data_file)",
        ) == [(0,)]


def test_a_table_without_dates(lake) -> None:
    """Its files have no day, and replacing it replaces all."""
    with lake.change("agents") as change:
        change.define_table(AGENTS)
        change.add([NewFile("events.agents", None, f"events/agents/{name}.parquet", 1, 10, 5) for name in "ab"])
    assert [file.day for file in lake.snapshot().files["events.agents"]] == [None, None]
    with lake.change("again") as change:
        change.replace("events.agents", [None], [NewFile("events.agents", None, "events/agents/c.parquet", 1, 10, 5)])
    assert lake.paths("events.agents") == ["c.parquet"]


def test_what_changes_nothing_makes_no_snapshot(filled) -> None:
    """A run of every hour that finds the same columns and no file; the ledger's rows beside it count all the same."""
    with filled.change("nothing") as change:
        change.define_table(HITS)
        change.replace("events.hits", [date(2025, 1, 1)], [])
        change.drop_view("staging.none")
        change.connection.execute("create table ledger (n)")
        change.connection.execute("insert into ledger values (1)")
    assert filled.head() == 1
    assert rows(filled, "select n from ledger") == [(1,)]


def test_columns_evolve(filled, named) -> None:
    """New ones at the end, wider types; a file says which it has, and the snapshots before have theirs."""
    wider = (Column("event_date", "DATE"), Column("n", "BIGINT"), Column("r", "STRUCT(a VARCHAR)"))
    with filled.change("wider") as change:
        change.define_table(Table("events.hits", wider, "event_date"))
        change.replace("events.hits", [NEXT], [named("c", NEXT)])
    found = filled.snapshot()
    assert found.tables["events.hits"].columns == wider
    assert [file.columns for file in found.files["events.hits"]] == [HITS.columns, wider]
    assert filled.snapshot(1).tables["events.hits"] == HITS
    deeper = (*wider[:2], Column("r", "STRUCT(a VARCHAR, b STRUCT(c UUID)[])"))
    with filled.change("deeper") as change:
        change.define_table(Table("events.hits", deeper, "event_date"))
    assert filled.snapshot().tables["events.hits"].columns == deeper
    assert filled.snapshot(2).tables["events.hits"].columns == wider
    assert [file.columns for file in filled.snapshot().files["events.hits"]] == [HITS.columns, wider]
    assert rows(filled, "select begin_snapshot, schema_version from ducklake_schema_versions where table_id = 2") == [
        (1, 1),
        (2, 2),
        (3, 3),
    ]


def test_a_table_may_be_defined_twice_in_a_change(lake, named) -> None:
    """The last definition counts, and is all that the snapshot has."""
    with lake.change("twice") as change:
        change.define_table(HITS)
        change.define_table(
            Table(HITS.name, (HITS.columns[0], Column("n", "HUGEINT"), Column("m", "DATE")), "event_date")
        )
        change.add([named("a", DAY)])
    assert [column.type for column in lake.snapshot().tables["events.hits"].columns] == ["DATE", "HUGEINT", "DATE"]
    assert rows(lake, "select count(*) from ducklake_column where end_snapshot is not null") == [(0,)]
    assert rows(lake, "select begin_snapshot, schema_version from ducklake_schema_versions where table_id = 2") == [
        (1, 1)
    ]


@pytest.mark.parametrize(
    "table",
    [
        Table("events.hits", HITS.columns[:1], "event_date"),
        Table("events.hits", HITS.columns[::-1], "event_date"),
        Table("events.hits", HITS.columns, None),
        Table("events.other", HITS.columns, "arrival_date"),
        Table("hits", HITS.columns, "event_date"),
    ],
)
def test_a_refused_change_leaves_all_as_it_was(filled, named, table) -> None:
    """The other parts of it too, and the ledger's."""
    before = filled.snapshot()
    with pytest.raises(CatalogError) as refused, filled.change("refused") as change:
        change.connection.execute("create table ledger (n)")
        change.replace("events.hits", [DAY], [])
        change.put_view("staging.v", "select 1")
        change.define_table(table)
    assert "\n" not in str(refused.value)
    assert filled.snapshot() == before
    assert rows(filled, "select 1 from sqlite_master where name = 'ledger'") == []


@pytest.mark.parametrize(
    "path",
    [
        "events/hits/a.parquet",
        "events/hits/event_date=2026-01-02/a.parquet",
        "events/hits/event_date=2026-01-01/x/a.parquet",
        "elsewhere/a.parquet",
    ],
)
def test_a_file_lies_where_readers_look_for_its_date(filled, path) -> None:
    """The folder's name is what lets them leave out files."""
    with pytest.raises(CatalogError, match="does not lie in"), filled.change("misplaced") as change:
        change.add([NewFile("events.hits", DAY, path, 1, 1, 1)])


def test_only_what_was_named_is_replaced(filled, named) -> None:
    """A file of another date or table, or of a table that is not there, is a mistake of the caller's."""
    for days, relation in (([NEXT], "events.hits"), ([DAY], "events.agents")):
        with pytest.raises(CatalogError, match="would replace"), filled.change("mistaken") as change:
            change.replace(relation, days, [named("c", DAY)])
    with pytest.raises(CatalogError, match=r"no table events\.other yet"), filled.change("early") as change:
        change.replace("events.other", [DAY], [])


def test_views(filled) -> None:
    """Their texts belong to snapshots, as files do; the same text again is no change."""
    for sql in ("select 1", "select 2", "select 2"):
        with filled.change("view") as change:
            change.put_view("staging.v", "select 'in between'")
            change.put_view("staging.v", sql)
    assert [filled.snapshot(at).views for at in (1, 2, 3)] == [{}, {"staging.v": "select 1"}, {"staging.v": "select 2"}]
    with filled.change("gone") as change:
        change.drop_view("staging.v")
    assert filled.snapshot().views == {}
    assert filled.snapshot(3).views == {"staging.v": "select 2"}


def test_a_moved_folder(filled, named, tmp_path: Path) -> None:
    """Nothing that we read is a whole path; the one that DuckLake has is set right by the next change."""
    moved = Catalog(Path(shutil.move(filled.folder, tmp_path / "elsewhere's lake")))
    assert moved.snapshot().files["events.hits"][0].path == "events/hits/event_date=2026-01-01/a.parquet"
    with moved.change("after") as change:
        change.add([named("c", DAY)])
    assert rows(moved, "select value from ducklake_metadata where key = 'data_path'") == [(f"{moved.folder}/",)]
    back = Catalog(Path(shutil.move(moved.folder, tmp_path / "lake")))
    back.create()
    assert rows(back, "select value from ducklake_metadata where key = 'data_path'") == [(f"{back.folder}/",)]
    assert back.head() == 2


def test_a_clock_that_is_set_back(filled, named) -> None:
    """Readers who ask for a moment get the state of that moment, so the order of times is that of snapshots."""
    with filled.change("later") as change:
        change.connection.execute(
            "update ducklake_snapshot set snapshot_time = '2999-01-01 00:00:00+00' where snapshot_id = 1"
        )
        change.add([named("c", DAY)])
    assert filled.snapshots()[-1].at == datetime(2999, 1, 1, tzinfo=UTC)


def test_three_years_of_dates_are_quick(lake) -> None:
    """Each run begins with reading them all, 15,000 files and as many that were replaced; a publication of 31 dates touches few.

    Measured here: 0.05 s and 0.03 s of processor time. The bounds are for a busy machine, and stop what grows with the history.
    """
    days = [DAY + timedelta(days=i) for i in range(1096)]
    names = [f"events.t{i}" for i in range(14)]
    columns = (Column("event_date", "DATE"), *(Column(f"c{i}", "VARCHAR") for i in range(40)))

    def publish(version: int, days: list[date]) -> None:
        with lake.change(f"{version}") as change:
            for name in names:
                folder = f"{name.replace('.', '/')}/event_date"
                change.define_table(Table(name, columns, "event_date"))
                change.replace(
                    name, days, [NewFile(name, day, f"{folder}={day}/{version}.parquet", 10, 1000, 300) for day in days]
                )

    def least_of(times: int, work: Callable[[int], object]) -> float:
        taken = []
        for i in range(times):
            before = time.process_time()
            work(i)
            taken.append(time.process_time() - before)
        return min(taken)

    for version in (1, 2):
        publish(version, days)
    reading = least_of(5, lambda i: lake.snapshot())
    publishing = least_of(3, lambda i: publish(3 + i, days[-31:]))
    print(f"reading {reading:.3f} s, publishing {publishing:.3f} s")
    assert sum(map(len, lake.snapshot().files.values())) == 14 * 1096
    assert reading < 0.2
    assert publishing < 0.4


def test_the_tables_are_those_of_the_specification(filled) -> None:
    """All that DuckLake 1.0 has, for its readers ask for them by name."""
    names = {name for (name,) in rows(filled, "select name from sqlite_master where type = 'table'")}
    assert len(names) == 28
    assert all(name.startswith("ducklake_") for name in names)


def test_reading_writes_nothing(filled) -> None:
    """Not even by mistake."""
    with pytest.raises(CatalogError, match="readonly"), filled.reading() as connection:
        connection.execute("delete from ducklake_data_file")
    assert len(filled.paths("events.hits")) == 2
