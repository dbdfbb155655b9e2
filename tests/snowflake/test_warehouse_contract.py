"""One contract, two warehouses: objects are loaded once each, whatever arrives, changes or goes, and the ledger says what that touches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from isal import igzip

from collector.archive_keys import MARKER_KEY, object_key
from ingestion_platform.changes import Cell, Fingerprint, Version, everything
from ingestion_platform.dates import Window, affected
from ingestion_platform.resources.archive import data_version
from ingestion_platform.resources.duckdb.fingerprints import FILE_NAME
from ingestion_platform.resources.duckdb.publications import LakePublications
from ingestion_platform.resources.snowflake import sql as snowflake_sql
from ingestion_platform.resources.snowflake.publications import SnowflakePublications
from ingestion_platform.resources.snowflake.warehouse import PIPE_GRACE, SnowflakeWarehouse

DAY, NEXT = date(2026, 1, 1), date(2026, 1, 2)
WINDOW = (DAY, date(2026, 1, 4))


@pytest.fixture(params=["duckdb", "snowflake"])
def bench(request: pytest.FixtureRequest, make_bench: Any) -> Any:
    return make_bench(request.param)


def rows(bench: Any) -> list[tuple[Any, ...]]:
    return bench.rows("select log_id, log_filename, event_date from raw.logs order by log_id")


def current(bench: Any) -> bool:
    held = bench.warehouse.loaded_versions(*WINDOW)
    archived = bench.archive.objects(*WINDOW)
    return held == {day: data_version([o for o in archived if o.arrival_date == day]) for day in held}


def test_objects_are_loaded_once(bench, record, at) -> None:
    """A second load of the same archive changes neither rows nor ledger; a date without objects is reported as such."""
    bench.deliver([record(at("2026-01-01 10:00")), record(at("2026-01-01 10:01"))])
    first = bench.warehouse.load(bench.archive, *WINDOW)
    assert [(day.objects_loaded, day.rows, day.event_dates) for day in first] == [(1, 2, [DAY]), (0, 0, []), (0, 0, [])]
    before, latest_load_id = rows(bench), bench.warehouse.latest_load_id()
    again = bench.warehouse.load(bench.archive, *WINDOW)
    assert [(day.objects, day.objects_loaded, day.rows, day.event_dates) for day in again][0] == (1, 0, 2, [])
    assert (rows(bench), bench.warehouse.latest_load_id()) == (before, latest_load_id)
    assert current(bench)


def test_late_objects_name_the_dates_they_touch(bench, record, at) -> None:
    """An object that arrives on the 2nd with hits of the 1st puts behind what they reach and nothing more, and a build catches up."""
    bench.deliver([record(at("2026-01-01 23:59"), qt="1000")], arrived=at("2026-01-02 00:30"))
    (_, second, _) = bench.warehouse.load(bench.archive, *WINDOW)
    assert second.event_dates == [DAY]
    asked = (date(2025, 12, 1), date(2026, 6, 1))
    behind = bench.warehouse.stale_dates(["logs", "sessions"], *asked)
    assert behind == sorted(affected([DAY]))
    mark(bench, ["logs"], asked)
    assert bench.warehouse.stale_dates(["logs", "sessions"], *asked) == behind
    mark(bench, ["sessions"], asked)
    assert bench.warehouse.stale_dates(["logs", "sessions"], *asked) == []
    bench.deliver([record(at("2026-01-02 12:00"))])
    bench.warehouse.load(bench.archive, *WINDOW)
    assert bench.warehouse.stale_dates(["logs"], DAY, WINDOW[1])[0] == DAY


def test_replaced_and_removed_objects_take_their_rows_with_them(bench, record, at) -> None:
    """The table follows the archive when a privacy deletion rewrites one object and drops another."""
    key = bench.deliver([record(at("2026-01-01 10:00")), record(at("2026-01-01 10:01"), cid="bob")])
    gone = bench.deliver([record(at("2026-01-02 10:00"))])
    bench.warehouse.load(bench.archive, *WINDOW)
    latest_load_id = bench.warehouse.latest_load_id()
    bench.archive.put(key, igzip.compress(b"no json\n"))
    remove(bench, gone)
    first, second, _ = bench.warehouse.load(bench.archive, *WINDOW, remove=[gone])
    assert (first.rows, first.bad_lines, first.objects_removed, first.event_dates) == (0, 1, 1, [DAY, NEXT])
    assert (second.rows, second.objects_removed) == (0, 1)
    assert rows(bench) == []
    assert bench.warehouse.latest_load_id() > latest_load_id
    assert current(bench)


def test_what_vanished_stops_its_date_until_it_is_named(bench, record, at) -> None:
    """A lifecycle rule, a lost mount, a hand that slipped: an object that is gone takes no row with it, on a full reload neither; its
    date takes nothing new until the object is back or named, and other dates load."""
    gone = bench.deliver([record(at("2026-01-01 10:00"))])
    bench.deliver([record(at("2026-01-01 11:00"))])
    bench.warehouse.load(bench.archive, *WINDOW)
    before, content = rows(bench), bench.archive.read(gone)
    remove(bench, gone)
    bench.deliver([record(at("2026-01-01 12:00"))])
    bench.deliver([record(at("2026-01-02 12:00"))])
    for reload in (None, WINDOW):
        first, second, _ = bench.warehouse.load(bench.archive, *WINDOW, full_reload=reload, remove=["another"])
        assert (first.rows, first.objects_loaded, second.rows) == (2, 0, 1)
        assert len(first.errors) == 1 and first.errors[0].startswith(f"{gone} was loaded and is gone")
        assert set(before) < set(rows(bench)) and second.errors == []
    assert bench.warehouse.stopped(bench.archive, *WINDOW) == {DAY: first.errors[0]}
    assert bench.warehouse.stopped(bench.archive, *WINDOW, frozen_before=NEXT) == {}
    (frozen, *_) = bench.warehouse.load(bench.archive, *WINDOW, full_reload=WINDOW, frozen_before=NEXT)
    assert (frozen.rows, frozen.objects_removed, frozen.errors) == (2, 0, []), "a frozen date is left as it is"
    (first, *_) = bench.warehouse.load(bench.archive, *WINDOW, remove=[gone])
    assert (first.rows, first.objects_removed, first.objects_loaded, first.errors) == (2, 1, 1, [])
    bench.archive.put(gone, content)
    (first, *_) = bench.warehouse.load(bench.archive, *WINDOW)
    assert (first.rows, current(bench)) == (3, True)


@pytest.mark.parametrize("accident", ["no marker", "another's marker", "nothing there"])
def test_an_archive_that_is_not_the_one_loaded_before_changes_nothing(bench, record, at, accident: str) -> None:
    """Of a mount that is not there, an emptied bucket or a wrong one, a load says so in one line for each date; every row stays."""
    bench.deliver([record(at("2026-01-01 10:00"))])
    bench.warehouse.load(bench.archive, *WINDOW)
    known, before = bench.archive.marker(), rows(bench)
    assert known
    content = bench.archive.read(MARKER_KEY)
    bench.deliver([record(at("2026-01-01 11:00"))])
    if accident == "another's marker":
        bench.archive.put(MARKER_KEY, b'{"archive_id": "another"}')
    else:
        remove(bench, MARKER_KEY)
    if accident == "nothing there":
        for item in bench.archive.objects(*WINDOW):
            remove(bench, item.key)
    for reload in (None, WINDOW):
        loads = bench.warehouse.load(bench.archive, *WINDOW, full_reload=reload)
        (line,) = loads[0].errors
        assert known in line and "\n" not in line and f"{bench.archive}" in line
    assert rows(bench) == before
    assert bench.warehouse.stopped(bench.archive, *WINDOW) == {DAY: line}
    if accident != "nothing there":
        bench.archive.put(MARKER_KEY, content)
        (day, *_) = bench.warehouse.load(bench.archive, *WINDOW)
        assert (day.rows, day.errors) == (2, [])


def test_a_warehouse_without_markers_adopts_its_archive(bench, record, at) -> None:
    """A 0.1 warehouse knows no marker: the next load writes or takes it. An archive that is empty then is not taken for its own."""
    key = bench.deliver([record(at("2026-01-01 10:00"))])
    bench.warehouse.load(bench.archive, *WINDOW)
    with ledger(bench) as (_, execute):
        execute("delete from raw.archives" if on_snowflake(bench) else "delete from clickstream_archives")
    remove(bench, MARKER_KEY)
    content = bench.archive.read(key)
    remove(bench, key)
    (day, *_) = bench.warehouse.load(bench.archive, *WINDOW)
    assert (day.rows, len(day.errors), bench.archive.marker()) == (1, 1, None)
    bench.archive.put(key, content)
    (day, *_) = bench.warehouse.load(bench.archive, *WINDOW)
    assert (day.rows, day.errors) == (1, [])
    assert bench.rows("select archive_id from raw.archives") == [(bench.archive.marker(),)]


def test_of_two_that_mark_an_archive_one_wins_for_both(bench) -> None:
    """Two loads of a new archive at the same moment must not come to know it by two names."""
    assert bench.archive.mark("one") == "one"
    assert bench.archive.mark("two") == "one" == bench.archive.marker()


def test_an_empty_object_is_unreadable(bench, record, at) -> None:
    """A file of no byte is no gzip file of nothing: somebody's upload broke off; it is named, as is half a file, and costs no other."""
    key = bench.deliver([record(at("2026-01-01 10:00"))])
    bench.archive.put(key.replace(".gz", "").rpartition("/")[0] + "/upload.jsonl.gz", b"")
    (day, *_) = bench.warehouse.load(bench.archive, *WINDOW)
    assert (day.rows, day.objects_loaded, len(day.errors)) == (1, 1, 1)
    assert "upload.jsonl.gz is empty" in day.errors[0]


def test_a_replaced_object_that_cannot_be_read_keeps_its_rows(bench, record, at) -> None:
    """An object overwritten by half of another leaves what was loaded of it, until it can be read."""
    key = bench.deliver([record(at("2026-01-01 10:00"))])
    bench.warehouse.load(bench.archive, *WINDOW)
    before = rows(bench)
    bench.archive.put(key, bench.archive.read(key)[:30])
    (day, *_) = bench.warehouse.load(bench.archive, *WINDOW)
    assert (rows(bench), len(day.errors)) == (before, 1)


def test_bad_lines_cost_nobody_and_are_kept(bench, record, at) -> None:
    """A line that is no JSON, or no UTF-8, is counted and kept with its number; the lines around it are loaded."""
    key = bench.deliver(
        [b"no json\n", record(at("2026-01-01 10:00")), b'{"a": 1\n', b"\xff\xfe\n", b"\n", b"7\n"],
        at("2026-01-01 11:00"),
    )
    (day, *_) = bench.warehouse.load(bench.archive, *WINDOW)
    assert (day.rows, day.bad_lines) == (2, 3)
    kept = bench.rows(
        "select log_file_row_number, log_filename, arrival_date, trim(payload) from raw.bad_lines order by 1"
    )
    assert [(row[0], row[1], row[2]) for row in kept] == [(1, key, DAY), (3, key, DAY), (4, key, DAY)]
    assert kept[0][3].startswith("no json")


_RECORD = b'{"event_id": "e", "service": {"id": "api.collect"}, "request": {"timestamp": %s, "body": {"cid": "a", "t": "event", "qt": "5"%s}}}\n'


def test_strict_json_decides_what_a_record_is(bench, at) -> None:
    """What a lenient parser lets pass is a bad line, what a fragile one dies of is not, and of a name given twice the last counts."""
    refused = [b"NaN", b"-Infinity", b"[1,]", b'{"a": 1, }', b"[ nan]", b'"\\ud800"', b"[" * 500 + b"]" * 500]
    taken = [b"1e400", b"9" * 5000, b'"\\ud83d\\ude00"', b'"\\u0000"', b'"NaN, inf,]"', b"[" * 300 + b"]" * 300]
    lines = [_RECORD % (b"1767261600000", b', "x": ' + value) for value in (*refused, *taken)]
    long = b', "y": "' + b"z" * 20_000 + b'"'
    lines += [_RECORD % (b"1767261600000", more + b', "cid": "b", "t": "pageview"') for more in (b"", long)]
    bench.deliver(lines, at("2026-01-01 11:00"))
    (day, *_) = bench.warehouse.load(bench.archive, *WINDOW)
    assert (day.rows, day.bad_lines, day.errors) == (len(taken) + 2, len(refused), [])
    assert bench.rows("select client_id, count(*) from raw.logs group by 1 order by 1") == [("a", len(taken)), ("b", 2)]
    kept = bench.rows("select trim(payload) from raw.bad_lines order by log_file_row_number")
    assert [row[0].strip() for row in kept] == [line.decode().strip() for line in lines[: len(refused)]]


def test_ids_are_trimmed_of_ascii_blanks_and_of_nothing_else(bench, at) -> None:
    """Both warehouses, and whoever joins them with the marts, must mean the same visitor."""
    ids = {"\\t bob\\u000b\\r\\n": "bob", "\u00a0x0b\u3000": "\u00a0x0b\u3000", " ": "a", "x0b": "x0b"}
    lines = [
        b'{"context": {"client_id": "%s"}, "service": {"id": "api.collect"}, "request": {"timestamp": 1767261600000, "body": {"cid": "a"}}}\n'
        % given.encode()
        for given in ids
    ]
    bench.deliver(lines, at("2026-01-01 11:00"))
    bench.warehouse.load(bench.archive, *WINDOW)
    found = bench.rows("select client_id from raw.logs order by log_file_row_number")
    assert [row[0] for row in found] == list(ids.values())


def test_no_number_in_place_of_a_time_stops_a_load(bench, at) -> None:
    """The smallest 64-bit number, less a queue time, overflowed and cost the whole load; a time is a whole number of milliseconds."""
    noon = b"1767261600000"
    times = {
        b"-9223372036854775808": None, b"9223372036854775807": None, b"9" * 400: None, b"1e400": None, b"-1": None, b"true": None,
        b"null": None, b"[1]": None, b'" 1767261600000"': None, b'"x"': None, b"9102444800001": None,
        noon: at("2026-01-01 10:00"), b'"%s"' % noon: at("2026-01-01 10:00"), noon + b".9": at("2026-01-01 10:00"),
    }  # fmt: skip
    bench.deliver([_RECORD % (time, b"") for time in times], at("2026-01-01 11:00"))
    (day, *_) = bench.warehouse.load(bench.archive, *WINDOW)
    assert (day.rows, day.bad_lines) == (len(times), 0)
    found = bench.rows("select request_timestamp, event_at, event_date from raw.logs order by log_file_row_number")
    read = [when.replace(tzinfo=None) if when else None for when in times.values()]
    assert [row[0] for row in found] == read
    assert [row[1] for row in found] == [when and when - timedelta(milliseconds=5) for when in read]
    assert {row[2] for row in found} == {DAY}


def test_an_unreadable_object_is_named_and_costs_no_other(bench, record, at) -> None:
    """Half a gzip file is an error of its own; once it is restored the next load takes it."""
    bench.deliver([record(at("2026-01-01 10:00"))])
    key = bench.deliver([record(at("2026-01-01 11:00"))])
    whole = bench.archive.read(key)
    bench.archive.put(key, whole[: len(whole) // 2])
    (day, *_) = bench.warehouse.load(bench.archive, *WINDOW)
    assert day.rows == 1
    assert [key in error for error in day.errors] == [True]
    assert not current(bench)
    (day, *_) = bench.warehouse.load(bench.archive, *WINDOW, full_reload=(DAY, NEXT))
    assert (day.rows, len(day.errors)) == (1, 1)
    bench.archive.put(key, whole)
    (day, *_) = bench.warehouse.load(bench.archive, *WINDOW)
    assert (day.rows, day.errors) == (2, [])
    assert current(bench)


def test_full_reload_gives_the_same_rows_under_a_new_number(bench, record, at) -> None:
    """Deleting and loading a date anew, in one transaction, leaves rows as they were and puts the date behind."""
    bench.deliver([record(at("2026-01-01 10:00")), b"no json\n"])
    bench.deliver([record(at("2026-01-02 10:00"))])
    bench.warehouse.load(bench.archive, *WINDOW)
    before = rows(bench)
    mark(bench, ["logs"], WINDOW)
    first, second, _ = bench.warehouse.load(bench.archive, *WINDOW, full_reload=(DAY, NEXT))
    assert (first.objects_loaded, first.objects_removed, second.objects_loaded) == (1, 1, 0)
    assert (rows(bench), bench.warehouse.stale_dates(["logs"], DAY, NEXT)) == (before, [DAY])


def test_a_failed_reload_leaves_the_old_rows(bench, record, at, monkeypatch) -> None:
    """Rows of a date that is being reloaded are gone only when the new ones are there."""
    bench.deliver([record(at("2026-01-01 10:00"))])
    bench.warehouse.load(bench.archive, *WINDOW)
    before = rows(bench)

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.warehouse.load(bench.archive, *WINDOW, full_reload=(DAY, NEXT), progress=fail)
    assert rows(bench) == before
    assert current(bench)


def test_user_agents_are_parsed_once(bench, record, at) -> None:
    """Each distinct string gets one row; a second look parses nothing."""
    bench.deliver(
        [record(at("2026-01-01 10:00")), record(at("2026-01-01 10:01"), agent="curl/8"), record(at("2026-01-01 10:02"))]
    )
    bench.warehouse.load(bench.archive, *WINDOW)
    assert bench.warehouse.parse_user_agents(DAY, NEXT) == {"parsed": 2, "user_agents": 2, "bots": 1}
    assert bench.warehouse.parse_user_agents(DAY, NEXT) == {"parsed": 0, "user_agents": 2, "bots": 1}


def remove(bench: Any, key: str) -> None:
    if hasattr(bench.archive, "client"):
        bench.archive.client.delete_object(Bucket=bench.archive.bucket, Key=key)
    else:
        (bench.archive.root / key).unlink()


# ---- beside a pipe: Snowflake only -----------------------------------------------------------------------------------------------


def pipe_loads(bench: Any, *keys: str) -> None:
    """What Snowpipe does: the same COPY, by another session, with a history of its own."""
    bench.warehouse.query(snowflake_sql.copy_logs(keys))


def test_what_a_pipe_has_loaded_is_only_noted(make_bench, record, at) -> None:
    """An object of which RAW.LOGS has rows goes into the ledger, bad lines included, and is not copied again."""
    bench = make_bench("snowflake")
    bench.warehouse.create_tables()
    key = bench.deliver([record(at("2026-01-01 10:00")), b"no json\n"])
    pipe_loads(bench, key)
    (day, *_) = bench.warehouse.load(bench.archive, *WINDOW)
    assert (day.objects_loaded, day.rows, day.bad_lines, day.event_dates) == (1, 1, 1, [DAY])
    assert len(rows(bench)) == 1
    assert current(bench)


def test_what_pipe_and_loader_took_at_once_is_repaired_by_the_next_load(make_bench, record, at) -> None:
    """The pipe commits an object that the loader has just copied: the next load finds more rows than the ledger says."""
    bench = make_bench("snowflake")
    key = bench.deliver([record(at("2026-01-01 10:00"))])
    bench.warehouse.load(bench.archive, *WINDOW)
    latest_load_id = bench.warehouse.latest_load_id()
    pipe_loads(bench, key)
    assert len(rows(bench)) == 2
    (day, *_) = bench.warehouse.load(bench.archive, *WINDOW)
    assert (day.objects_loaded, day.rows) == (1, 1)
    assert len(rows(bench)) == 1
    assert bench.warehouse.latest_load_id() > latest_load_id


def test_young_objects_are_left_to_the_pipe(make_bench, record) -> None:
    """Within the grace period an object is noted when the pipe has loaded it, and otherwise waits for the next load."""
    bench = make_bench("snowflake")
    beside = SnowflakeWarehouse(bench.environ, PIPE_GRACE)
    now = datetime.now(UTC)
    arrived = now - timedelta(minutes=1)
    key = object_key("test", arrived, "b80c8fef-a677-5340-85fb-2c162d75df03")
    bench.archive.put(key, igzip.compress(b'{"service": {"id": "api.collect"}}\n'))
    window = (arrived.date(), arrived.date() + timedelta(days=1))
    (day,) = beside.load(bench.archive, *window)
    assert (day.objects, day.objects_loaded, day.rows) == (1, 0, 0)
    pipe_loads(bench, key)
    (day,) = beside.load(bench.archive, *window)
    assert (day.objects_loaded, day.rows) == (1, 1)


def test_statistics_are_published_alike(make_bench, record, at) -> None:
    """Parquet files of both warehouses have the same columns, types and rows."""
    benches = [make_bench("duckdb"), make_bench("snowflake")]
    for bench in benches:
        for name in ("overview_1h", "overview_1d", "revenue_1h", "revenue_1d"):
            publish(
                bench,
                f"stats.{name}",
                "select '2026-01-01'::date as event_date, '2026-01-01 10:00:00'::timestamp as period, 'UA' as tracking_id, "
                "3::bigint as hits, 10.01::decimal(38, 9) as money",
            )
    one, two = (bench.warehouse.export(bench.root / "published", DAY, WINDOW[1]) for bench in benches)
    assert [path.name for path in one] == [path.name for path in two]
    for mine, its in zip(one, two, strict=True):
        assert pq.read_table(mine).cast(pq.read_schema(its)).equals(pq.read_table(its))
        assert [(field.name, field.type) for field in pq.read_schema(mine)] == [
            (field.name, field.type) for field in pq.read_schema(its)
        ]


# ---- what the two sides do each in its own way -----------------------------------------------------------------------------------


def on_snowflake(bench: Any) -> bool:
    return isinstance(bench.warehouse, SnowflakeWarehouse)


@contextmanager
def ledger(bench: Any) -> Iterator[tuple[Any, Callable[[str], Any]]]:
    """What the ledger notes of builds, open for writing, and what runs a statement about its tables."""
    if on_snowflake(bench):
        with bench.warehouse.session() as session, session.transaction():
            yield SnowflakePublications(session), session.execute
    else:
        with bench.warehouse.lake.catalog.change("test") as change:
            yield LakePublications(change.connection), change.connection.execute


def mark(bench: Any, models: list[str], window: tuple[date, date]) -> None:
    """Note what a publication notes, beside its rows, of models built from everything that is loaded."""
    built = Version("", "", bench.warehouse.latest_load_id(), Fingerprint(0, {}, "none"))
    with ledger(bench) as (opened, _):
        opened.record_built({Cell(model, day): built for model in models for day in Window(*window).days})


def publish(bench: Any, relation: str, select: str) -> None:
    """Make a relation hold these rows of DAY."""
    bench.warehouse.create_tables()
    if on_snowflake(bench):
        bench.warehouse.query(f"create table {relation} as {select}")
        return
    name = relation.partition(".")[2]
    with bench.warehouse.propose({name: relation}, Window(DAY, NEXT)) as proposal:
        staged = Path(proposal.environment["LAKE_STAGED"]).joinpath(*relation.split("."), f"event_date={DAY}")
        with duckdb.connect() as engine:
            engine.execute(f"copy ({select}) to '{staged}/rows.parquet' (format parquet)")
            engine.execute(
                f"copy (select event_date as _day, count(*) as _rows from ({select}) group by event_date) "
                f"to '{staged.parent / FILE_NAME}' (format parquet)"
            )
        proposal.publish(everything(proposal.fingerprints(), proposal.published({}), 0))
