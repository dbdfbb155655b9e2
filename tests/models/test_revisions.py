"""Revisions: a record that corrects another one, appended later with the same event id and time of receipt; the newest counts."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from ingestion_platform.assets.checks import reconciliation
from ingestion_platform.assets.identities import IDENTITIES, partition_results
from ingestion_platform.dates import Window, affected
from ingestion_platform.resources.duckdb import load as loading
from ingestion_platform.resources.duckdb import warehouse as warehousing
from ingestion_platform.resources.duckdb.sql import LOGS
from ingestion_platform.resources.duckdb.tables import BODY_FIELDS, CONTEXT_FIELDS, RAW_LOGS, REJECTED_FIELDS, _struct
from ingestion_platform.resources.lake.contents import Column, Table

FIRST = date(2026, 1, 10)
DAYS = 3
WINDOW = Window(FIRST, FIRST + timedelta(days=DAYS))
LATE = "2026-03-01 12:00"
OF_THE_LINE = {"log_id", "log_filename", "arrival_date"}


def refused(made: dict[str, Any], reason: str) -> dict[str, Any]:
    """The record of a refusal in place of a hit's."""
    return {
        **made,
        "context": dict.fromkeys(made["context"]),
        "request": {**made["request"], "body": None},
        "rejected": {"reason": reason, "detail": "", "payload": "t=event"},
    }


def corrected(made: dict[str, Any], by: dict[str, Any], revision: int = 1) -> dict[str, Any]:
    """`by` as a revision of `made`."""
    return {**by, "event_id": made["event_id"], "revision": revision}


def rows_of(bench: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every mart but for the line of the archive that it comes from, and for what does not count."""
    found = {}
    for model in bench.snapshot(*WINDOW):
        columns = [row[0] for row in bench.rows(f"describe {model}") if row[0] not in OF_THE_LINE]
        found[model] = bench.rows(f"select {', '.join(columns)} from {model} order by all")
    del found["events.duplicates"]
    return found


def assert_balanced(bench: Any) -> None:
    checked = reconciliation(bench.warehouse, WINDOW, date(2026, 1, 1))
    assert [one.description for one in checked if not one.passed] == []


def load_late(bench: Any) -> None:
    bench.load(FIRST, date(2026, 3, 2))


def test_the_newest_revision_counts_and_the_others_are_counted(bench, record, at) -> None:
    """A hit that was translated wrongly, one that should have been refused, one that should not, and one corrected twice: in logs and
    in quarantine stands the newest of each, and each of the others is a superseded record. Copies of a revision are copies."""
    wrong = record(at("2026-01-10 10:00"), cid="wrong", z="1")
    bad = record(at("2026-01-10 10:01"), cid="bad")
    good = record(at("2026-01-10 10:02"), cid="good")
    twice = record(at("2026-01-10 10:03"), cid="first")
    bench.deliver([wrong, bad, refused(good, "missing_client_id"), twice, refused(twice, "x") | {"event_id": "other"}])
    bench.build(*WINDOW)
    assert bench.rows("select reason, event_id from events.quarantine order by all") == [("missing_client_id", good["event_id"]), ("x", "other")]  # fmt: skip
    right = corrected(wrong, record(at("2026-01-10 10:00"), cid="right", z="1"))
    bench.deliver([right, right, corrected(bad, refused(bad, "robot"))], arrived=at(LATE))
    bench.deliver(
        [
            corrected(good, good),
            corrected(twice, refused(twice, "second"), 2),
            corrected(twice, record(at("2026-01-10 10:03"), cid="third"), 10),
            corrected(twice, record(at("2026-01-10 10:03"), cid="none"), 9),
            # Not of the same receipt: another event that was given this id.
            corrected(bad, record(at("2026-01-10 11:00"), cid="stranger"), 3),
        ],
        arrived=at(LATE),
    )
    load_late(bench)
    bench.build(*WINDOW)
    assert bench.rows("select client_id from events.logs order by all") == [("good",), ("right",), ("stranger",), ("third",)]  # fmt: skip
    assert bench.rows("select event_id, reason from events.quarantine order by reason") == [(bad["event_id"], "robot"), ("other", "x")]  # fmt: skip
    kinds = bench.rows("select duplicate_kind, count(*) from events.duplicates group by all order by all")
    assert kinds == [("duplicate_delivery", 1), ("superseded", 6)]
    assert_balanced(bench)


def test_a_corrected_queue_time_moves_a_hit_to_the_date_before(bench, record, at) -> None:
    """The original and its revision lie on two dates, and the load names both: built one by one, no date keeps what was corrected."""
    when = at("2026-01-11 01:00")
    original = record(when, cid="alice")
    earlier = record(when, cid="alice", qt="7200000")
    other, back = record(at("2026-01-12 00:30"), cid="bob", qt="7200000"), record(at("2026-01-12 00:30"), cid="bob")
    bench.deliver([original, other], arrived=at("2026-01-12 01:00"))
    bench.build(*WINDOW)
    held = bench.rows("select client_id, event_date from events.logs order by client_id")
    assert held == [("alice", date(2026, 1, 11)), ("bob", date(2026, 1, 11))]
    bench.deliver([corrected(original, earlier), corrected(other, back)], arrived=at(LATE))
    (loaded,) = [day for day in bench.warehouse.load(bench.archive, FIRST, date(2026, 3, 2)) if day.rows_loaded]
    assert loaded.event_dates == [date(2026, 1, 10), date(2026, 1, 11), date(2026, 1, 12)]
    for day in WINDOW.days:
        bench.build(day, day + timedelta(days=1))
    held = bench.rows("select client_id, event_date from events.logs order by client_id")
    assert held == [("alice", date(2026, 1, 10)), ("bob", date(2026, 1, 12))]
    assert bench.rows("select event_date, duplicate_kind from events.duplicates") == [(date(2026, 1, 11), "superseded")] * 2  # fmt: skip
    assert_balanced(bench)


def test_a_corrected_history_is_the_history_that_was_right(make_bench, record, at) -> None:
    """Wrong ids, orders, sessions and refusals at random, corrected in one or several steps and delivered in any order: every mart is
    that of an archive which never had anything else."""
    rng = random.Random(19)

    def made(moment: datetime) -> dict[str, Any]:
        choices = (
            (0.4, {"z": rng.choice("123")}),
            (0.4, {"t": "event", "pa": "purchase", "ti": rng.choice(("T1", "T2")), "tr": "9.5", "cu": "EUR", "pr1id": "A"}),
            (0.1, {"t": "event", "pa": "refund", "ti": "T1"}),
            (0.1, {"sc": rng.choice(("start", "end"))}),
            (0.2, {"qt": rng.choice(("1000", "14400000"))}),
        )  # fmt: skip
        parameters = {"cid": rng.choice(("alice", "bob", "carol")), "tid": rng.choice(("UA-1-1", "UA-2-1"))}
        for share, more in choices:
            parameters |= more if rng.random() < share else {}
        hit = record(moment, **parameters)
        return refused(hit, rng.choice(("odd", "older"))) if rng.random() < 0.2 else hit

    first, late, right = [], [], []
    for number in range(120):
        moment = at("2026-01-10 04:00") + timedelta(minutes=rng.randrange((DAYS * 24 - 5) * 60))
        original = {**made(moment), "event_id": f"e{number}"}
        first.append(original)
        last = original
        for revision in range(1, rng.choice((1, 1, 2, 3))):
            last = corrected(original, made(moment), revision)
            late.append(last)
        right.append({name: value for name, value in last.items() if name != "revision"})
    assert len(late) > 40
    rng.shuffle(late)
    end = at("2026-01-12 23:59")
    bench = make_bench()
    bench.deliver(first, arrived=end)
    bench.build(*WINDOW)
    for part in (late[::2], late[1::2]):
        bench.deliver(part, arrived=at(LATE))
        load_late(bench)
        assert affected({date(2026, 1, 10), date(2026, 1, 12)}) >= {*WINDOW.days}
        for day in rng.sample(WINDOW.days, DAYS):
            bench.build(day, day + timedelta(days=1))
    expected = make_bench()
    expected.deliver(right, arrived=end)
    expected.build(*WINDOW)
    found, must = rows_of(bench), rows_of(expected)
    for model, rows in must.items():
        assert found[model] == rows, model
    assert bench.rows("select count(*) from events.duplicates where duplicate_kind = 'superseded'") == [(len(late),)]
    assert_balanced(bench)
    # The identities read the views, which dbt writes.
    bench.publish_live_views()
    checks = [partition_results(bench.warehouse, identity, WINDOW) for identity in IDENTITIES]
    assert [one.description for checked in checks for one in checked if not one.passed] == []


@pytest.fixture
def of_before(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """RAW.LOGS as it was before it knew protocols and revisions."""
    fields = tuple(name for name in BODY_FIELDS if not name.startswith("_"))
    record = f"STRUCT(context {_struct(CONTEXT_FIELDS)}, body {_struct(fields)}, rejected {_struct(REJECTED_FIELDS)})"
    columns = [Column(c.name, record if c.name == "record" else c.type) for c in RAW_LOGS.columns if c.name != "revision"]  # fmt: skip
    body = ", ".join(f"'{name}': record.body.\"{name}\"" for name in fields)
    old = f"{{'context': record.context, 'body': {{{body}}}, 'rejected': record.rejected}}"
    for module in (loading, warehousing):
        monkeypatch.setattr(module, "RAW_LOGS", Table(RAW_LOGS.name, tuple(columns), RAW_LOGS.partition_column))
    monkeypatch.setattr(loading, "LOGS", f"select * exclude (revision) replace ({old} as record) from ({LOGS})")
    monkeypatch.setattr(loading, "_ROWS", "select log_filename, count(*), list(distinct event_date), null from {source} group by all")  # fmt: skip
    return monkeypatch


def test_a_lake_from_before_goes_on(make_bench, record, at, of_before: pytest.MonkeyPatch) -> None:
    """Rows that were loaded before protocols and revisions were known are v1's and correct nothing; they can be corrected."""
    bench = make_bench(by_dbt=True)
    hit = record(at("2026-01-10 10:00"), cid="wrong")
    bench.deliver([hit, record(at("2026-01-10 11:00"))])
    bench.load(*WINDOW)
    assert "revision" not in [row[0] for row in bench.rows("describe raw.logs")]
    of_before.undo()
    bench.warehouse._made = False
    right = record(at("2026-01-10 10:00"), cid="right", _en="page_view")
    right["request"]["protocol"] = "ga4"
    bench.deliver([corrected(hit, right)], arrived=at(LATE))
    load_late(bench)
    bench.build(FIRST, FIRST + timedelta(days=1))
    assert bench.rows("select client_id, protocol, event_name from events.logs order by 1") == [("alice", "measurement_protocol_v1", None), ("right", "ga4", "page_view")]  # fmt: skip
