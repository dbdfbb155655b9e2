"""DATA_DIR/warehouse.duckdb, which users open: always there to be read, always a whole publication, wherever its folder lies."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, timedelta

import duckdb
import pytest

from ingestion_platform.changes import everything
from ingestion_platform.resources.duckdb.warehouse import DuckDBWarehouse
from ingestion_platform.resources.proposals import Moved, WarehouseError

DAY, NEXT = date(2026, 1, 10), date(2026, 1, 11)
HITS = "select count(*) from events.logs"


@pytest.fixture
def built(bench, record, at):
    """A bench with a date of two hits, built."""
    bench.deliver([record(at("2026-01-10 10:00")), record(at("2026-01-10 10:05"), dp="b")])
    bench.build(DAY, NEXT)
    return bench


def test_a_reader_keeps_what_it_sees_and_sees_the_newest_when_it_opens_again(built, record, at) -> None:
    """An open file is no lock: what is published meanwhile is whole for whoever opens it next, and invisible to who has it open."""
    with duckdb.connect(f"{built.warehouse.path}", read_only=True) as reader:
        assert reader.execute(HITS).fetchall() == [(2,)]
        built.deliver([record(at("2026-01-10 11:00"), cid="bob")])
        built.build(DAY, NEXT)
        assert reader.execute(HITS).fetchall() == [(2,)]
        assert reader.execute("select sum(hits) from stats.overview_1d where tracking_id = '(all)'").fetchall() == [
            (2,)
        ]
        # A database of its own, as another process would have: DuckDB gives one process one view of a file.
        with duckdb.connect() as other:
            other.execute(f"attach '{built.warehouse.path}' as seen (read_only)")
            assert other.execute("select count(*) from seen.events.logs").fetchall() == [(3,)]
    assert built.rows(HITS) == [(3,)]


def test_a_folder_that_was_moved_and_a_file_that_is_missing_are_mended(built, tmp_path) -> None:
    """The file has absolute paths, as DuckDB wants them: the next command writes it anew, live views included."""
    built.publish_live_views()
    moved = tmp_path / "moved"
    shutil.move(built.root, moved)
    warehouse = DuckDBWarehouse(moved / "warehouse.duckdb")
    assert warehouse.query(HITS) == [(2,)]
    assert warehouse.query("select count(*) from events_live.logs_live") == [(2,)]
    with duckdb.connect(f"{warehouse.path}", read_only=True) as reader:
        assert reader.execute(HITS).fetchall() == [(2,)]
    warehouse.path.unlink()
    assert warehouse.query("select count(*) from events_live.logs_live") == [(2,)]
    assert warehouse.path.exists()


def test_a_run_that_died_before_the_file_was_renamed_is_made_up_for(built, record, at, monkeypatch) -> None:
    """The catalog is what counts: what was committed shows at the next opening, and what a killed process left is no hindrance."""
    built.deliver([record(at("2026-01-10 11:00"), cid="bob")])
    monkeypatch.setattr(DuckDBWarehouse, "_refresh", lambda self: None)
    built.build(DAY, NEXT)
    monkeypatch.undo()
    for name in ("new", "new.wal"):
        built.warehouse.path.with_name(f".warehouse.duckdb.{name}").write_bytes(b"half a file")
    with duckdb.connect(f"{built.warehouse.path}", read_only=True) as reader:
        assert reader.execute(HITS).fetchall() == [(2,)]
    assert built.rows(HITS) == [(3,)]


def test_what_is_not_published_is_seen_by_nobody(built, record, at) -> None:
    """Staged rows are read through their proposal alone; a proposal that ends unpublished leaves nothing behind."""
    built.deliver([record(at("2026-01-10 11:00"), cid="bob")])
    built.load(DAY, NEXT)
    before = set(built.warehouse.lake.folder.rglob("*.parquet"))
    with built.staged(DAY, NEXT) as proposal:
        assert proposal.query(HITS) == [(3,)]
        assert proposal.row_counts("events.logs", DAY, NEXT + timedelta(days=1)) == {DAY: 3, NEXT: 0}
        assert built.rows(HITS) == [(2,)]
    assert built.rows(HITS) == [(2,)]
    assert set(built.warehouse.lake.folder.rglob("*.parquet")) == before
    assert [publication.models for publication in built.warehouse.publications()] == [
        tuple(sorted(name.partition(".")[2] for name in built.snapshot(DAY, NEXT)))
    ]


def test_of_two_runs_over_one_date_the_later_is_refused(built, record, at) -> None:
    """It was worked out from a state that is no longer the published one; both would be right, and the ledger's mark would be wrong."""
    built.deliver([record(at("2026-01-10 11:00"), cid="bob")])
    built.load(DAY, NEXT)
    latest = built.warehouse.latest_load_id()
    with built.staged(DAY, NEXT, ("logs",)) as one, built.staged(DAY, NEXT, ("logs",)) as other:
        changes = [everything(each.fingerprints(), each.published({}), latest) for each in (one, other)]
        one.publish(changes[0])
        with pytest.raises(Moved, match=r"another run published logs of 2026-01-10 meanwhile; run again"):
            other.publish(changes[1])
    assert built.rows(HITS) == [(3,)]


def test_what_was_refused_is_still_staged(built, record, at) -> None:
    """Its files were on their way to where they are published: the next comparison did not see them, and to hold them failed."""
    with built.staged(DAY, NEXT, ("logs",)) as one:
        built.deliver([record(at("2026-01-10 11:00"), cid="bob")])
        built.load(DAY, NEXT)
        with built.staged(DAY, NEXT, ("logs",)) as other:
            changes = everything(other.fingerprints(), other.published({}), built.warehouse.latest_load_id())
            built.build(DAY, NEXT, ("logs",))
            with pytest.raises(Moved):
                other.publish(changes)
            assert other.query(HITS) == [(3,)]
        again = everything(one.fingerprints(), one.published({}), 0)
        with pytest.raises(Moved):
            one.publish([replace(change, before=None) for change in again])
        assert one.query(HITS) == [(2,)]
        audit_id = one.hold(everything(one.fingerprints(), one.published({}), 0))
    assert built.rows(HITS) == [(3,)]
    assert built.warehouse.publish_held(audit_id) is not None
    assert built.rows(HITS) == [(2,)]


def test_a_native_warehouse_and_an_impossible_folder_are_one_line(tmp_path) -> None:
    """Version 0.1 kept its tables in the file; and DuckDB would take brackets in a path for a pattern."""
    with duckdb.connect(f"{tmp_path / 'warehouse.duckdb'}") as connection:
        connection.execute("create table logs (log_id uuid)")
    with pytest.raises(WarehouseError, match=r"was made by version 0\.1.*make upgrade"):
        DuckDBWarehouse(tmp_path / "warehouse.duckdb").query("select 1")
    odd = tmp_path / "data[1]"
    odd.mkdir()
    with pytest.raises(WarehouseError, match=r"choose another DATA_DIR"):
        DuckDBWarehouse(odd / "warehouse.duckdb").create_tables()


def test_a_lake_that_was_moved_aside_is_no_warehouse_of_0_1(tmp_path) -> None:
    """As the messages about a damaged catalog advise: the file of views that is left said so, and no load made a new lake."""
    path = tmp_path / "warehouse.duckdb"
    DuckDBWarehouse(path).create_tables()
    (tmp_path / "lake").rename(tmp_path / "aside")
    warehouse = DuckDBWarehouse(path)
    with pytest.raises(WarehouseError, match="there is no warehouse"):
        warehouse.query("select count(*) from raw.logs")
    warehouse.create_tables()
    assert warehouse.query("select count(*) from raw.logs") == [(0,)]


def test_a_folder_may_have_an_apostrophe(make_bench, record, at, tmp_path) -> None:
    """Paths stand in SQL as texts, in dbt's as in ours."""
    one = make_bench(by_dbt=True)
    root = tmp_path / "it's here"
    root.mkdir()
    bench = type(one)(root, one.runner)
    bench.deliver([record(at("2026-01-10 10:00"))])
    bench.build(DAY, NEXT)
    assert bench.rows(HITS) == [(1,)]
