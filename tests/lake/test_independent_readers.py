"""The lake is DuckLake's format, as those say who had no part in writing it.

DuckDB 1.5.5 with DuckLake's extension reads every table at every snapshot. Polars reads the newest through polars-ducklake 0.2.1, which
cannot read three things, in lakes that DuckLake's extension wrote no more than in ours (the test has it write one of each):

* a column of type UUID: the package promises text for it, and Polars finds the sixteen bytes that Parquet has;
* files from before a type was widened: it does not ask Polars to cast;
* files from before a struct had one of its fields.

A replay of the older dates, or leaving out the column, makes them readable; maps, which no table of ours has, Polars cannot read at all.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ingestion_platform.resources.duckdb.current import write_current
from ingestion_platform.resources.duckdb.housekeeping import keep_house
from ingestion_platform.resources.duckdb.lake import Lake
from ingestion_platform.resources.duckdb.ledger import LakeLedger

FIRST, SECOND, THIRD = date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)

HITS = """
    select date '{day}' as event_date, id, i as n, (i + 0.123456789)::decimal(38, 9) as amount,
        case when i % 3 > 0 then '{{"a": [1, ' || i || ']}}' end::json as payload,
        case when i % 4 > 0 then ['x' || i, null, 'ü'] end as texts, timestamp '{day} 01:02:03.456789' + i * interval 1 second as at, i % 2 = 0 as even{more}
    from (select i, md5('{day}' || i)::uuid as id from range({rows}) t(i)) as numbered
"""
RAW = """
    select date '{day}' as arrival_date, i::{whole} as n, (i + 0.5)::{number} as amount,
        {{'client': 'c' || i, 'hit': {{'page': '/' || i, 'products': [{{'price': (i / 4)::{number}, 'n': i::{whole}{product}}}]{hit}}}}} as request
    from range({rows}) t(i)
"""
OLDER = {"whole": "integer", "number": "decimal(18, 2)", "product": "", "hit": ""}
NEWER = {
    "whole": "bigint",
    "number": "decimal(38, 9)",
    "product": ", 'id': md5(i::varchar)::uuid",
    "hit": ", 'tags': ['a', 'b']",
}


@pytest.fixture
def read(interpreter: Path):
    """What another program finds: reader, then its arguments."""

    def run(folder: Path, *arguments: str) -> dict | list | None:
        script = Path(__file__).with_name("independent_reader.py")
        done = subprocess.run(
            [interpreter, script, folder, *arguments], check=True, capture_output=True, text=True, cwd=folder.parent
        )
        return json.loads(done.stdout)

    return run


@pytest.fixture
def filled(lake):
    """Six snapshots: two tables by date and one without, replaced, emptied and evolved dates, columns, fields and types."""

    def hits(day: date, name: str, rows: int, more: str = "") -> None:
        select = HITS.format(day=day, rows=rows, more=more)
        change.define_table(lake.table("events.hits", select))
        change.replace("events.hits", [day], [lake.write("events.hits", day, name, select, "event_date")])

    def raw(day: date, name: str, rows: int, shape: dict[str, str]) -> None:
        select = RAW.format(day=day, rows=rows, **shape)
        change.define_table(lake.table("raw.logs", select, "arrival_date"))
        change.replace("raw.logs", [day], [lake.write("raw.logs", day, name, select, "arrival_date")])

    def agents(name: str, rows: int) -> None:
        select = f"select 'agent ' || i as agent, i as n from range({rows}) t(i)"
        change.define_table(lake.table("events.agents", select, None))
        change.replace("events.agents", [None], [lake.write("events.agents", None, name, select, None)])

    with lake.change("first") as change:
        hits(FIRST, "a", 50)
        hits(SECOND, "a", 70)
        raw(FIRST, "a", 40, OLDER)
        agents("a", 3)
    with lake.change("replayed and grown") as change:
        hits(SECOND, "b", 71, ", 'n' || i as added, [{'k': i, 'v': 1.5::decimal(20, 4)}] as pairs")
        raw(SECOND, "a", 30, NEWER)
    with lake.change("emptied") as change:
        change.replace("events.hits", [SECOND], [])
        agents("b", 5)
    with lake.change("nothing but columns") as change:
        change.define_table(
            lake.table(
                "events.hits",
                HITS.format(
                    day=FIRST,
                    rows=1,
                    more=", 'x' as added, [{'k': 1::bigint, 'v': 1.5::decimal(20, 4)}] as pairs, true as last",
                ),
            )
        )
    with lake.change("more") as change:
        change.add(
            [
                lake.write(
                    "events.hits",
                    FIRST,
                    "b",
                    HITS.format(
                        day=FIRST,
                        rows=2,
                        more=", 'x' as added, [{'k': 1::bigint, 'v': 1.5::decimal(20, 4)}] as pairs, true as last",
                    ),
                    "event_date",
                )
            ]
        )
        hits(
            THIRD,
            "a",
            1,
            ", null::varchar as added, [{'k': 1::bigint, 'v': 1.5::decimal(20, 4)}] as pairs, true as last",
        )
        change.put_view("staging.numbers", "select n from events.hits")
    with lake.change("all dates are of one shape") as change:
        raw(FIRST, "b", 20, NEWER)
    return lake


def expected(lake, relation: str, at: int, without: tuple[str, ...] = ()) -> dict:
    """What DuckDB 2 reads from the snapshot's files, each on its own, brought to the columns of the table by name."""
    snapshot = lake.snapshot(at)
    columns = [column for column in snapshot.tables[relation].columns if column.name not in without]
    rows = []
    with duckdb.connect() as engine:
        for file in snapshot.files[relation]:
            held = {column.name for column in file.columns}
            select = ", ".join(
                f"""cast({f'"{name}"' if name in held else "null"} as {kind})""" for name, kind in columns
            )
            rows += engine.execute(
                f"select {select} from read_parquet('{lake.folder / file.path}', hive_partitioning = false)"
            ).fetchall()
    return {"columns": [list(column) for column in columns], "rows": sorted(map(repr, rows))}


def all_that_is_kept(lake) -> dict[str, dict]:
    """What table@snapshot has to give, for each."""
    return {
        f"{relation}@{info.snapshot_id}": expected(lake, relation, info.snapshot_id)
        for info in lake.snapshots()
        for relation in lake.snapshot(info.snapshot_id).tables
    }


def check_with_duckdb(read, lake, wanted: dict[str, dict]) -> None:
    found = dict(zip(wanted, read(lake.folder, "duckdb", *wanted), strict=True))
    for table, tells in wanted.items():
        assert {key: found[table][key] for key in tells} == tells, table
        assert found[table]["count"] == len(tells["rows"])
        if table.startswith("events.hits"):
            assert found[table]["second"] == sum("datetime.date(2026, 1, 2)" in row for row in tells["rows"])


def test_duckdb_reads_every_table_at_every_snapshot(filled, read) -> None:
    """Names, types and rows, the evolved ones too; counting, and leaving out files of other dates, gives the same."""
    wanted = all_that_is_kept(filled)
    assert sum(len(table["rows"]) for table in wanted.values()) > 800
    check_with_duckdb(read, filled, wanted)


def test_duckdb_reads_what_housekeeping_leaves(filled, read) -> None:
    """Small files of a date merged, older versions forgotten and their files gone: the same rows, and nothing dangling."""
    before = {name: expected(filled, name, filled.head())["rows"] for name in filled.snapshot().tables}
    with filled.change("ledger") as change:
        LakeLedger(change.connection).create_tables()
    lake, later = Lake(filled.folder), datetime.now(UTC) + timedelta(days=30)
    assert keep_house(lake, timedelta(days=60), timedelta(0), later).merged == 1
    assert (filled.head(), len(filled.snapshots())) == (7, 8)
    check_with_duckdb(read, filled, all_that_is_kept(filled))
    assert keep_house(lake, timedelta(0), timedelta(0), later).deleted.files > 3
    wanted = all_that_is_kept(filled)
    assert {name.partition("@")[0]: table["rows"] for name, table in wanted.items()} == before
    check_with_duckdb(read, filled, wanted)
    assert (
        read(filled.folder, "polars", "raw.logs", "request")["rows"]
        == expected(filled, "raw.logs", 7, ("request",))["rows"]
    )


def test_a_duckdb_before_2_opens_the_file_of_views(filled, interpreter: Path, tmp_path: Path) -> None:
    """Without the extension; 1.5 refused the file once. A view that reads the ledger is there, too, in a file made anew."""
    with filled.change("ledger") as change:
        LakeLedger(change.connection).create_tables()
        change.put_view("events_live.dates", "select max(event_date) as newest from raw.build_history")
    file = tmp_path / "warehouse.duckdb"
    write_current(Lake(filled.folder), file)
    sql = "select (select count(*) from events.hits), (select count(newest) from events_live.dates)"
    code = f"import duckdb, sys; print(*duckdb.connect(sys.argv[1], read_only=True).execute('{sql}').fetchone())"
    said = subprocess.run([interpreter, "-c", code, file], check=True, capture_output=True, text=True).stdout
    assert said.split() == [f"{len(expected(filled, 'events.hits', filled.head())['rows'])}", "0"]


def test_duckdb_reads_a_folder_that_was_moved(filled, read, tmp_path: Path) -> None:
    """Once the platform has opened it at its new place."""
    wanted = expected(filled, "raw.logs", 6)["rows"]
    moved = type(filled)(Path(shutil.move(filled.folder, tmp_path / "the lake's new place")))
    moved.create()
    assert read(moved.folder, "duckdb", "raw.logs@")[0]["rows"] == wanted


@pytest.mark.parametrize(
    ("relation", "without"), [("events.hits", ("id",)), ("events.agents", ()), ("raw.logs", ("request",))]
)
def test_polars_reads_the_newest(filled, read, relation: str, without: tuple[str, ...]) -> None:
    """Columns that were added later included; left out is what holds a UUID."""
    wanted = expected(filled, relation, filled.head(), without)
    assert read(filled.folder, "polars", relation, *without)["rows"] == wanted["rows"]


BEFORE = "select 1 as n, 'x' as t"


@pytest.mark.parametrize(
    ("what", "before", "after", "said"),
    [
        ("uuid", BEFORE, f"{BEFORE}, md5('x')::uuid as id", "type Binary"),
        ("wider", BEFORE, "select 2::bigint as n, 'x' as t", "column n"),
        ("field", "select {'a': 'x'} as r", "select {'a': 'x', 'added': 1::bigint} as r", "added"),
    ],
)
def test_what_polars_refuses_it_refuses_of_ducklakes_own_lakes(
    lake, read, tmp_path: Path, what: str, before: str, after: str, said: str
) -> None:
    """A release of polars-ducklake that reads these fails here, and then the docstring above can go."""
    assert read(tmp_path / "own", "write", before, after) is None
    for number, select in enumerate((before, after)):
        with lake.change(what) as change:
            change.define_table(lake.table("t.own", select, None))
            change.add([lake.write("t.own", None, f"{number}", select, None)])
    for folder in (tmp_path / "own", lake.folder):
        found = read(folder, "polars", "t.own")
        assert said in found.get("refused", ""), (folder, found)
        assert len(read(folder, "duckdb", "t.own@")[0]["rows"]) == 2


def test_the_readers_are_not_those_of_the_platform(interpreter: Path) -> None:
    """Another DuckDB, and none of our modules."""
    code = "import duckdb, importlib.util as u; print(duckdb.__version__, u.find_spec('ingestion_platform'))"
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    said = subprocess.run([interpreter, "-c", code], check=True, capture_output=True, text=True, env=clean).stdout
    assert said.split() == ["1.5.5", "None"] and duckdb.__version__.startswith("2.")
