"""A run on Snowflake is a proposal: what it stages no reader sees, and all of it is published in one transaction, or nothing changes.

The project's own macros build three small models here: hits, a view of some of them, and statistics that are made of them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion_platform.changes import Cell, Change, Decision, Rules, compare, versions
from ingestion_platform.resources.proposals import Moved, WarehouseError

DAY, NEXT, END = date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)
MODELS = ("hits", "pages", "visitors")
KEYS = {"hits": ["log_id"], "visitors": ["event_date"]}
MARTS = ("--select", "path:models/events", "path:models/stats")
COUNT = "select event_date, count(*) from {} group by 1 order by 1"
PROJECT = Path(__file__).parents[2] / "dbt_models"
FILES = {
    "events/hits.sql": "select log_id, client_id, event_date from {{ source('raw', 'logs') }} where {{ in_window() }}",
    "events/hits.yml": """
models:
  - name: hits
    config: {unique_key: [log_id]}
    description: "A hit's row; it's all."
    columns:
      - {name: event_date, data_type: date, description: "Its date."}
      - {name: log_id, data_type: varchar, data_tests: [not_null]}
      - {name: client_id, data_type: varchar, description: "Who's it."}
    data_tests:
      - expression_is_true: {arguments: {expression: "client_id <> 'carol'"}}
""",
    "events/pages.sql": (
        "{{ config(materialized='view', contract={'enforced': false}) }}\n"
        "select * from {{ ref('hits') }} where coalesce(client_id, '') not in ('it''s', '\\\\')"
    ),
    "stats/visitors.sql": (
        "select event_date, count(distinct client_id) as visitors, max(log_id) as last_hit from {{ ref('hits') }}"
        " where {{ in_window() }} group by event_date"
    ),
    "stats/visitors.yml": """
models:
  - name: visitors
    config: {unique_key: [event_date]}
    columns:
      - {name: event_date, data_type: date}
      - {name: visitors, data_type: bigint}
      - {name: last_hit, data_type: varchar}
""",
    "events_live/hits_live.sql": "select event_date, log_id from {{ ref('hits') }}",
    "../tests/three_a_day.sql": "select event_date from {{ ref('hits') }} group by 1 having count(*) > 2",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("dbt") / "project"
    shutil.copytree(PROJECT, place, ignore=shutil.ignore_patterns("target", "logs", "models"))
    for name, text in FILES.items():
        (place / "models" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "models" / name).resolve().write_text(text)
    for name in ("groups.yml", "staging/_sources.yml"):
        (place / "models" / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / "models" / name, place / "models" / name)
    return place


@pytest.fixture
def bench(make_bench: Callable[[str], Any], project: Path, record: Any, at: Any) -> Any:
    """Hits of two dates, loaded, and nothing built of them."""
    bench = make_bench("snowflake")
    bench.project = project
    for day in (DAY, NEXT):
        bench.deliver([record(at(f"{day} 10:00"), cid=visitor) for visitor in ("alice", "bob")])
    bench.load(DAY, END)
    return bench


def objects(bench: Any) -> list[tuple[Any, ...]]:
    """What there is for readers, and what is staged, by column."""
    return bench.rows(
        "select table_schema, table_name, column_name from information_schema.columns "
        "where table_schema in ('EVENTS', 'EVENTS_LIVE', 'STATS', 'STAGED') order by 1, 2, 3"
    )


def state(bench: Any) -> dict[str, Any]:
    """All that a run may change."""
    marks = "select model, event_date, load_id from raw.build_history order by 1, 2"
    held = {"objects": objects(bench), "marks": bench.rows(marks), "publications": bench.warehouse.publications()}
    for schema, name in dict.fromkeys(row[:2] for row in held["objects"]):
        held[name] = sorted(bench.rows(f"select * from {schema}.{name}"), key=str)
    return held


def stage(bench: Any, proposal: Any, start: date = DAY, end: date = END) -> None:
    assert sorted(bench.invoke("run", start, end, *MARTS, **proposal.environment)) == sorted(MODELS)


def changes_of(bench: Any, proposal: Any, code: str = "") -> list[Change]:
    """What was staged, of this code and of all that is loaded, compared with what is published now."""
    load_id, made = bench.warehouse.latest_load_id(), proposal.fingerprints()
    built = versions(
        made, dict.fromkeys(MODELS, code), dict.fromkeys({cell.day for cell in made}, f"{load_id}"), load_id
    )
    return compare(built, proposal.published(KEYS), Rules())


def publish(bench: Any, start: date = DAY, end: date = END) -> int | None:
    with bench.propose(start, end) as proposal:
        stage(bench, proposal, start, end)
        number: int | None = proposal.publish(changes_of(bench, proposal))
    return number


def test_what_is_staged_is_seen_by_its_run_alone_and_published_whole(bench: Any) -> None:
    """Until it is published, a first run has made nothing; then tables, view, comments, marks and the publication are there at once,
    and nothing is left in STAGED."""
    before = state(bench)
    with bench.propose(DAY, END) as proposal:
        stage(bench, proposal)
        assert [row for row in objects(bench) if row[0] != "STAGED"] == before["objects"]
        for relation in ("events.hits", "EVENTS.PAGES"):
            assert proposal.query(COUNT.format(relation)) == [(DAY, 2), (NEXT, 2)]
        assert proposal.row_counts("stats.visitors", DAY, END) == {DAY: 1, NEXT: 1}
        assert bench.warehouse.stale_dates(MODELS, DAY, END) == [DAY, NEXT]
        number = proposal.publish(changes_of(bench, proposal))
    assert bench.rows(COUNT.format("events.hits")) == bench.rows(COUNT.format("events.pages")) == [(DAY, 2), (NEXT, 2)]
    assert bench.rows("select event_date, visitors from stats.visitors order by 1") == [(DAY, 2), (NEXT, 2)]
    assert bench.warehouse.stale_dates(MODELS, DAY, END) == []
    assert not [row for row in objects(bench) if row[0] == "STAGED"]
    assert bench.rows("select comment from information_schema.tables where table_name = 'HITS'") == [
        ("A hit's row; it's all.",)
    ]
    (published,) = bench.warehouse.publications()
    assert (published.number, published.models, published.window) == (number, MODELS, (DAY, END))
    assert abs(published.published_at - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=10)


def test_a_rebuild_replaces_its_dates_and_no_other_also_by_nothing(bench: Any) -> None:
    """Twice the same is no publication; a date whose hits are gone is emptied; the other date is left, and read by the run."""
    publish(bench)
    before = state(bench)
    assert publish(bench) is None
    assert state(bench) == before
    (key,) = [item.key for item in bench.archive.objects(DAY, NEXT)]
    bench.archive.client.delete_object(Bucket=bench.bucket, Key=key)
    bench.warehouse.load(bench.archive, DAY, END, remove=[key])
    with bench.propose(DAY, NEXT) as proposal:
        stage(bench, proposal, DAY, NEXT)
        assert proposal.query(COUNT.format("events.hits")) == [(NEXT, 2)]
        assert bench.rows(COUNT.format("events.hits")) == [(DAY, 2), (NEXT, 2)]
        proposal.publish(changes_of(bench, proposal))
    after = state(bench)
    assert after["HITS"] == [row for row in before["HITS"] if NEXT in row] == after["PAGES"]
    assert after["VISITORS"] == [row for row in before["VISITORS"] if NEXT in row]
    assert [(one.number, one.models) for one in bench.warehouse.publications()] == [
        (2, ("hits", "visitors")),
        (1, MODELS),
    ]


def test_what_is_not_published_leaves_everything_as_it_was(bench: Any, record: Any, at: Any) -> None:
    """A run that is given up, and a publication that fails when some of its rows have been moved: rows, view, marks and publications
    are the old ones. A column that the table lacks comes with the next publication, and the view of all columns has it, too."""
    publish(bench)
    bench.warehouse.query("drop view events.pages")
    bench.warehouse.query("alter table events.hits drop column client_id")
    bench.warehouse.query("create view events.pages as select * from events.hits")
    bench.deliver([record(at("2026-01-01 11:00"))])
    bench.load(DAY, END)
    before = state(bench)
    with pytest.raises(KeyboardInterrupt), bench.propose(DAY, NEXT) as proposal:
        stage(bench, proposal, DAY, NEXT)
        assert proposal.query("select count(*), count(client_id) from events.hits") == [(5, 3)]
        raise KeyboardInterrupt
    assert state(bench) == before
    with bench.propose(DAY, NEXT) as proposal:
        stage(bench, proposal, DAY, NEXT)
        # The table that comes last has lost a column when rows are moved into it.
        bench.warehouse.query("alter table stats.visitors rename column last_hit to moved")
        with pytest.raises(WarehouseError, match=r"(?i)last_hit"):
            proposal.publish(changes_of(bench, proposal))
        bench.warehouse.query("alter table stats.visitors rename column moved to last_hit")
    after = state(bench)
    assert [after[name] for name in ("VISITORS", "marks", "publications")] == [
        before[name] for name in ("VISITORS", "marks", "publications")
    ]
    assert bench.rows(COUNT.format("events.hits")) == bench.rows(COUNT.format("events.pages")) == [(DAY, 2), (NEXT, 2)]
    publish(bench, DAY, NEXT)
    assert bench.rows("select count(*), count(client_id) from events.pages") == [(5, 3)]
    with bench.propose(DAY, NEXT) as proposal, pytest.raises(WarehouseError, match=r"^nothing is staged of hits"):
        proposal.fingerprints()


def test_runs_of_other_dates_stage_side_by_side_and_none_overwrites_what_it_did_not_see(bench: Any) -> None:
    """Two runs stage dates of the same tables at once and publish one after the other; a third, whose date was published after it
    began, is refused and changes nothing."""
    with bench.propose(DAY, NEXT) as first, bench.propose(NEXT, END) as second, bench.propose(DAY, END) as third:
        for proposal, window in ((first, (DAY, NEXT)), (second, (NEXT, END)), (third, (DAY, END))):
            stage(bench, proposal, *window)
        compared = changes_of(bench, third)
        assert [one.publish(changes_of(bench, one)) for one in (second, first)] == [1, 2]
        assert bench.rows(COUNT.format("events.hits")) == [(DAY, 2), (NEXT, 2)]
        before = state(bench)
        with pytest.raises(Moved, match=r"^another run published hits of 2026-01-01 meanwhile; run again"):
            third.publish(compared)
        assert state(bench) == before
        assert (third.publish(changes_of(bench, third)), state(bench)) == (None, before)


def test_what_dbt_staged_is_held_for_days_beside_other_runs_and_published_then(
    bench: Any, record: Any, at: Any
) -> None:
    """Its tables outlive the run and whatever later runs drop; a roll back of it brings back the rows that it replaced."""
    publish(bench)
    before = state(bench)
    bench.deliver([record(at("2026-01-01 11:00"), cid="dora")])
    bench.load(DAY, END)
    with bench.propose(DAY, NEXT) as proposal:
        stage(bench, proposal, DAY, NEXT)
        changes = changes_of(bench, proposal, "other")
        assert {change.cell.model: (change.decision, change.columns) for change in changes} == {
            "hits": (Decision.HOLD, ("client_id", "event_date", "log_id")),
            "pages": (Decision.UNCHANGED, ()),
            "visitors": (Decision.HOLD, ("last_hit", "visitors")),
        }
        audit_id = proposal.hold(changes)
        # As if days had passed: its token is older than any run.
        token = proposal.environment["PROPOSAL_TOKEN"]
        old = f"{int(datetime.now(UTC).timestamp()) - 900_000:08x}{token[8:]}"
        for kind, name in bench.warehouse.query(
            "select case table_type when 'VIEW' then 'view' else 'table' end, table_name from information_schema.tables where table_schema = 'STAGED'"
        ):
            renamed = name.lower().replace(token, old)
            if kind == "table":
                bench.warehouse.query(f"alter table staged.{name} rename to {renamed}")
        bench.warehouse.query(f"update raw.audits set token = '{old}'")
    publish(bench, NEXT, END)
    assert bench.rows(COUNT.format("events.hits")) == [(DAY, 2), (NEXT, 2)]
    number = bench.warehouse.publish_held(audit_id)
    assert bench.rows(COUNT.format("events.hits")) == bench.rows(COUNT.format("events.pages")) == [(DAY, 3), (NEXT, 2)]
    assert [row for row in objects(bench) if row[0] == "STAGED" and not row[1].endswith("__HISTORY")] == []
    bench.warehouse.roll_back(number)
    after = state(bench)
    assert [after[name] for name in ("HITS", "PAGES", "VISITORS")] == [
        before[name] for name in ("HITS", "PAGES", "VISITORS")
    ]


def test_tests_look_at_what_was_built_and_a_failed_one_stops_what_comes_after(bench: Any, record: Any, at: Any) -> None:
    """Those of a model's YAML and those of the project: what the new rows fail, fails, though the published ones pass it."""
    bench.dbt("build", DAY, END, *MARTS)
    bench.deliver([record(at("2026-01-01 11:00"), cid="carol")])
    bench.load(DAY, END)
    before = state(bench)
    with bench.propose(DAY, NEXT) as proposal:
        with pytest.raises(AssertionError) as failed:
            bench.invoke("build", DAY, NEXT, *MARTS, **proposal.environment)
        staged = {row[1].partition("__")[0] for row in objects(bench) if row[0] == "STAGED"}
    said = re.findall(r"(\w+?_a_day|expression_is_true)\w*: Got 1 result", f"{failed.value}")
    assert sorted(said) == ["expression_is_true", "three_a_day"]
    assert staged == {"DEFINITIONS", "FINGERPRINTS", "HITS"}
    assert state(bench) == before


def test_live_views_read_what_is_published_whatever_is_staged_beside_them(bench: Any) -> None:
    """They outlive the run: one that was written in the same invocation as its marts read their staged rows, and broke with them."""
    publish(bench)
    with bench.propose(DAY, END) as proposal:
        bench.invoke("run", DAY, END, *MARTS, "hits_live", **proposal.environment)
    assert bench.rows("select count(*) from events_live.hits_live")[0][0] == 4


def test_by_hand_dbt_publishes_nothing(bench: Any) -> None:
    """Marts that dbt itself wrote would be seen in parts, and before any check."""
    before = state(bench)
    with pytest.raises(AssertionError, match="models are built by the platform, which publishes them whole"):
        bench.invoke("run", DAY, END, *MARTS)
    assert state(bench) == before


def test_what_was_published_before_there_were_fingerprints_is_compared_by_its_rows(bench: Any) -> None:
    """A warehouse of an earlier version lacks columns of the ledger and every version: they come, fingerprints are made of what is
    published, and rows that are the same are not published again."""
    publish(bench)
    for table, columns in (
        ("build_history", ("code_version", "inputs", "publication_id")),
        ("publications", ("kind", "about", "rows_kept")),
    ):
        for column in columns:
            bench.warehouse.query(f"alter table raw.{table} drop column {column}")
    bench.warehouse.query("drop table raw.versions")
    bench.warehouse.query("alter table events.hits add column lost varchar")
    bench.warehouse.create_tables()
    with bench.propose(DAY, END) as proposal:
        stage(bench, proposal)
        changes = changes_of(bench, proposal)
        found = {(change.cell.model, change.columns) for change in changes}
        assert found == {("hits", ()), ("visitors", ()), ("pages", ("definition",))}
        proposal.publish(changes)
    assert bench.warehouse.publications(1)[0].models == ("pages",)
    bench.warehouse.query("update events.hits set lost = 'x' where client_id = 'bob' and event_date = '2026-01-01'")
    bench.warehouse.query("delete from raw.versions")
    with bench.propose(DAY, END) as proposal:
        stage(bench, proposal)
        found = {(change.cell, change.columns) for change in changes_of(bench, proposal) if change.columns}
    assert (Cell("hits", DAY), ("lost",)) in found and (Cell("hits", NEXT), ("lost",)) not in found


def test_what_killed_runs_left_is_dropped_when_no_run_can_own_it(bench: Any) -> None:
    """A token begins with the second it was made in: a day later the tables and views of its run are nobody's. Whatever else someone
    keeps in that schema is left alone."""
    now = int(datetime.now(UTC).timestamp())
    old, young = (f"{moment:08x}0123abcd" for moment in (now - 90_000, now - 80_000))
    for token in (old, young):
        bench.warehouse.query(f"create table staged.hits__{token} (event_date date)")
        bench.warehouse.query(f"create view staged.hits__{token}_whole as select * from staged.hits__{token}")
    bench.warehouse.query("create table staged.mine (event_date date)")
    with bench.propose(DAY, END):
        pass
    left = {row[1].lower() for row in objects(bench) if row[0] == "STAGED"}
    assert left == {f"hits__{young}", f"hits__{young}_whole", "mine"}
