"""One contract, two warehouses: what a run staged is published as far as it differs, held for a person, discarded, or taken back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ingestion_platform.changes import Change, Decision, Rules, compare, held_dates, versions
from ingestion_platform.dates import Window
from ingestion_platform.resources.proposals import AuditState, Moved, Proposal, PublicationKind, WarehouseError
from ingestion_platform.resources.snowflake.warehouse import SnowflakeWarehouse

DAY, NEXT, END = date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)
BEFORE = {DAY: {"a": 1, "b": 2}, NEXT: {"c": 3}}
AFTER = {DAY: {"a": 1, "b": 20}, NEXT: {"c": 30, "d": 4}}


@pytest.fixture(scope="module")
def staging(load_module: Any) -> Any:
    return load_module("staging")


@pytest.fixture(params=["duckdb", "snowflake"])
def bench(request: pytest.FixtureRequest, make_bench: Any, staging: Any) -> Any:
    bench = make_bench(request.param)
    bench.warehouse.create_tables()
    bench.staging = staging
    return bench


@contextmanager
def staged(bench: Any, hits: Mapping[date, Mapping[str, int]], **more: str) -> Iterator[Proposal]:
    window = Window(min(hits), max(hits) + timedelta(days=1))
    with bench.warehouse.propose(bench.staging.RELATIONS, window) as proposal:
        bench.staging.stage(bench, proposal, hits, **more)
        yield proposal


def changes_of(bench: Any, proposal: Proposal, code: str, inputs: str) -> list[Change]:
    """What was staged, compared with what is published now."""
    made = proposal.fingerprints()
    built = versions(
        made,
        dict.fromkeys(bench.staging.RELATIONS, code),
        dict.fromkeys({cell.day for cell in made}, inputs),
        int(inputs),
    )
    rules = Rules(approved=bench.warehouse.approvals())
    return compare(built, proposal.published(bench.staging.KEYS), rules)


def decide(proposal: Proposal, changes: list[Change]) -> tuple[int | None, str]:
    """As a run of the platform does: the publication's number, and the audit that holds the rest."""
    held = {*held_dates(changes)}
    number = proposal.publish([change for change in changes if change.cell.day not in held])
    waiting = [change for change in changes if change.cell.day in held]
    return number, proposal.hold(waiting) if waiting else ""


def run(
    bench: Any, hits: Mapping[date, Mapping[str, int]], code: str = "1", inputs: str = "1", **more: str
) -> tuple[int | None, str]:
    with staged(bench, hits, **more) as proposal:
        return decide(proposal, changes_of(bench, proposal, code, inputs))


def seen(bench: Any) -> dict[date, dict[str, int]]:
    """What readers see of hits; their totals and the view must agree with it."""
    found: dict[date, dict[str, int]] = {}
    for day, key, value in bench.rows("select event_date, id, value from events.hits order by 1, 2"):
        found.setdefault(day, {})[key] = value
    totals = bench.rows("select event_date, hits, value from stats.totals order by 1")
    assert totals == [(day, len(of_day), sum(of_day.values())) for day, of_day in found.items()]
    assert sum(len(of_day) for of_day in found.values()) == bench.rows("select count(*) from events.pages")[0][0]
    return found


def newest(bench: Any) -> tuple[Any, ...]:
    published = bench.warehouse.publications(1)[0]
    return published.number, published.kind, published.about, published.models, published.window


def test_only_what_differs_is_published_and_nothing_when_nothing_does(bench: Any) -> None:
    """The same rows of other objects: marks and no publication. Then one date has other hits: that date's tables, and no others."""
    assert run(bench, BEFORE) == (1, "")
    assert newest(bench) == (1, PublicationKind.RUN, "", ("hits", "pages", "totals"), (DAY, END))
    assert run(bench, BEFORE, inputs="2") == (None, "")
    assert len(bench.warehouse.publications()) == 1
    marks = bench.rows("select distinct load_id, code_version, inputs, publication_id from raw.build_history")
    assert marks == [(2, "1", "2", 1)]
    assert run(bench, {DAY: BEFORE[DAY], NEXT: AFTER[NEXT]}, inputs="3") == (2, "")
    assert newest(bench) == (2, PublicationKind.RUN, "", ("hits", "totals"), (NEXT, END))
    assert seen(bench) == {DAY: BEFORE[DAY], NEXT: AFTER[NEXT]}
    assert run(bench, {DAY: {}, NEXT: AFTER[NEXT]}, inputs="4") == (3, "")
    assert seen(bench) == {NEXT: AFTER[NEXT]}


def test_a_comparison_names_columns_and_reads_both_sides(bench: Any) -> None:
    """Which columns differ, a view's definition included; a query of the proposal can read what is staged beside what is published."""
    run(bench, BEFORE)
    with staged(bench, {DAY: AFTER[DAY]}, view="id <> 'a'") as proposal:
        found = {c.cell.model: (c.reason, c.decision, c.columns) for c in changes_of(bench, proposal, "2", "1")}
        assert {model: columns for model, (_, _, columns) in found.items()} == {
            "hits": ("value",), "pages": ("definition",), "totals": ("value",),
        }  # fmt: skip
        assert {(f"{reason}", decision) for reason, decision, _ in found.values()} == {("other code", Decision.HOLD)}
        if "LAKE_STAGED" in proposal.environment:
            assert proposal.query("select sum(value) from events.hits") == [(24,)]
        published = proposal.published_relation("events.hits")
        assert proposal.query(f"select sum(value) from {published} as p where p.event_date = ?", [DAY]) == [(3,)]
        made = changes_of(bench, proposal, "1", "1")
        assert {change.decision for change in made} == {Decision.DEFECT}


def test_what_other_code_changes_is_held_until_it_is_published_date_by_date(bench: Any) -> None:
    """What is published stays; the audit says what it would change; of its dates, one is published, then the rest; doing it again changes
    nothing, and that code is not held any more."""
    run(bench, BEFORE)
    with staged(bench, AFTER, columns="id, value, note") as proposal:
        changes = changes_of(bench, proposal, "2", "1")
        number, audit_id = decide(proposal, changes)
    assert (number, seen(bench)) == (None, BEFORE)
    (audit,) = bench.warehouse.audits()
    assert (audit.audit_id, list(audit.changes), audit.dates()) == (audit_id, changes, [DAY, NEXT])
    assert bench.warehouse.publish_held(audit_id, [NEXT]) == 2
    assert newest(bench) == (2, PublicationKind.AUDIT, audit_id, ("hits", "totals"), (NEXT, END))
    assert seen(bench) == {DAY: BEFORE[DAY], NEXT: AFTER[NEXT]}
    assert bench.rows("select id, note from events.hits order by 1") == [
        ("a", None),
        ("b", None),
        ("c", "n30"),
        ("d", "n4"),
    ]
    assert bench.warehouse.publish_held(audit_id, [NEXT]) is None
    assert bench.warehouse.publish_held(audit_id) == 3
    assert (bench.warehouse.publish_held(audit_id), seen(bench)) == (None, AFTER)
    assert bench.warehouse.audits()[0].states == {DAY: AuditState.PUBLISHED, NEXT: AuditState.PUBLISHED}
    assert bench.warehouse.approvals() == {("hits", "2"), ("totals", "2")}
    assert left(bench) == []
    assert run(bench, {date(2025, 12, 31): {"z": 1}}, code="1") == (4, "")
    assert run(bench, {date(2025, 12, 31): {"z": 2}}, code="2", columns="id, value, note") == (5, "")


def test_what_is_discarded_is_gone_and_not_published_after_all(bench: Any) -> None:
    """One date of two; its rows are kept no longer than the other's. Unknown ids and dates, and what was settled otherwise, are one line."""
    run(bench, BEFORE)
    _, audit_id = run(bench, AFTER, code="2")
    assert left(bench) != []
    assert bench.warehouse.discard_held(audit_id, [DAY]) == [DAY]
    assert bench.warehouse.discard_held(audit_id, [DAY]) == []
    for wrong, dates, said in (
        ("nobody", [], r"^there is no audit nobody \(make status"),
        (audit_id, [END], rf"^audit {audit_id} has nothing on 2026-01-03$"),
        (audit_id, [DAY, NEXT], rf"^audit {audit_id} of 2026-01-01 was discarded: nothing was changed$"),
    ):
        with pytest.raises(WarehouseError, match=said):
            bench.warehouse.publish_held(wrong, dates)
    assert (seen(bench), len(bench.warehouse.publications())) == (BEFORE, 1)
    assert bench.warehouse.discard_held(audit_id) == [NEXT]
    assert (left(bench), bench.warehouse.discard_held(audit_id), bench.warehouse.approvals()) == ([], [], set())
    with pytest.raises(WarehouseError, match="was discarded"):
        bench.warehouse.publish_held(audit_id)


def test_a_later_run_of_a_date_supersedes_what_is_held_of_it(bench: Any) -> None:
    """Held again, or published: the older audit is what nobody would publish any more; its other date still waits."""
    run(bench, BEFORE)
    _, first = run(bench, AFTER, code="2")
    _, second = run(bench, {DAY: {"a": 7}}, code="3")
    states = {audit.audit_id: dict(audit.states) for audit in bench.warehouse.audits()}
    assert states == {first: {DAY: AuditState.SUPERSEDED, NEXT: AuditState.HELD}, second: {DAY: AuditState.HELD}}
    with pytest.raises(WarehouseError, match=f"^audit {first} of {DAY} was superseded: nothing was changed$"):
        bench.warehouse.publish_held(first, [DAY, NEXT])
    assert run(bench, {DAY: {"a": 8}}, inputs="2") == (2, "")
    assert bench.warehouse.audits(1)[0].states == {DAY: AuditState.SUPERSEDED}
    assert bench.warehouse.publish_held(first) == 3
    assert seen(bench) == {DAY: {"a": 8}, NEXT: AFTER[NEXT]}


def test_what_moved_since_it_was_compared_is_not_overwritten(bench: Any) -> None:
    """Two runs over one date: the later compares again with what the earlier published. An audit whose date was rolled back meanwhile
    is refused whole."""
    run(bench, BEFORE)
    with staged(bench, BEFORE) as slow, staged(bench, {NEXT: {"e": 5}}) as fast:
        compared = changes_of(bench, slow, "1", "2")
        decide(fast, changes_of(bench, fast, "1", "3"))
        with pytest.raises(Moved, match=r"^another run published \w+ of 2026-01-02 meanwhile; run again$"):
            slow.publish(compared)
        assert seen(bench) == {DAY: BEFORE[DAY], NEXT: {"e": 5}}
        assert decide(slow, changes_of(bench, slow, "1", "4")) == (3, "")
        assert seen(bench) == BEFORE
    _, audit_id = run(bench, AFTER, code="2")
    assert bench.warehouse.roll_back(3) == 4
    with pytest.raises(Moved):
        bench.warehouse.publish_held(audit_id)
    assert seen(bench) == {DAY: BEFORE[DAY], NEXT: {"e": 5}}
    assert bench.warehouse.audits(1)[0].dates() == [DAY, NEXT]


def test_a_publication_is_taken_back_and_that_is_too(bench: Any) -> None:
    """What it changed is as before, under a number of its own; again changes nothing; a roll back is a publication like others; what later
    ones changed comes first; what was never there is not there again."""
    run(bench, BEFORE)
    _, audit_id = run(bench, AFTER, code="2", columns="id, value, note")
    assert bench.warehouse.publish_held(audit_id) == 2
    assert (bench.warehouse.roll_back(2), seen(bench), bench.warehouse.approvals()) == (3, BEFORE, set())
    assert newest(bench) == (3, PublicationKind.ROLL_BACK, "2", ("hits", "totals"), (DAY, END))
    assert (bench.warehouse.roll_back(2), len(bench.warehouse.publications())) == (None, 3)
    # It has the versions that there were: the same code with the same objects differs in nothing.
    assert run(bench, BEFORE, inputs="1") == (None, "")
    assert run(bench, AFTER, code="2", columns="id, value, note")[0] is None
    assert (bench.warehouse.roll_back(3), seen(bench)) == (4, AFTER)
    assert {row[0] for row in bench.rows("select note from events.hits")} == {"n1", "n20", "n30", "n4"}
    assert run(bench, {NEXT: {}}, code="2", inputs="2", columns="id, value, note") == (5, "")
    for number, said in (
        (4, "^publication 5 changed since what publication 4 had changed: roll back 5 first$"),
        (9, r"^there is no publication 9 \(make status\)$"),
    ):
        with pytest.raises(WarehouseError, match=said):
            bench.warehouse.roll_back(number)
    assert [bench.warehouse.roll_back(number) for number in (5, 4)] == [6, 7]
    assert seen(bench) == BEFORE


def test_a_view_is_taken_back_with_what_it_shows(bench: Any) -> None:
    """Its definition is that of the code which the ledger names, and a roll back of the roll back brings the other one again."""

    def pages() -> int:
        return int(bench.rows("select count(*) from events.pages")[0][0])

    run(bench, BEFORE)
    _, audit_id = run(bench, BEFORE, code="2", view="id <> 'a'")
    assert (bench.warehouse.publish_held(audit_id), pages()) == (2, 2)
    assert (bench.warehouse.roll_back(2), pages()) == (3, 3)
    assert bench.rows("select distinct code_version from raw.build_history where model = 'pages'") == [("1",)]
    assert run(bench, BEFORE) == (None, "")
    assert (bench.warehouse.roll_back(3), pages()) == (4, 2)


def test_a_first_publication_taken_back_leaves_nothing(bench: Any) -> None:
    """Nothing was before it."""
    run(bench, BEFORE)
    assert (bench.warehouse.roll_back(1), seen(bench)) == (2, {})
    with staged(bench, BEFORE) as proposal:
        decisions = {change.decision for change in changes_of(bench, proposal, "1", "1")}
        # There was no view before, and it stays.
        assert decisions - {Decision.UNCHANGED} == {Decision.HOLD}


def test_a_column_that_was_lost_before_an_upgrade_of_the_engine_is_no_difference(bench: Any) -> None:
    """Fingerprints of another engine are made anew, of what is published: there, a lost column has no values."""
    run(bench, BEFORE, columns="id, value, note")
    _, audit_id = run(bench, BEFORE, code="2")
    assert bench.warehouse.publish_held(audit_id) == 2
    if isinstance(bench.warehouse, SnowflakeWarehouse):
        bench.warehouse.query("update raw.versions set engine = 'of before'")
    else:
        with bench.warehouse.lake.catalog.change("an upgrade") as change:
            change.connection.execute("update clickstream_versions set engine = 'of before'")
    assert run(bench, BEFORE, code="2") == (None, "")
    _, waits = run(bench, BEFORE, code="3", columns="id, value, note")
    columns = {change.cell.model: change.columns for change in bench.warehouse.audit(waits).changes}
    assert columns == {"hits": ("note",), "totals": (), "pages": ()}


def test_what_is_not_kept_any_more_cannot_be_taken_back(bench: Any) -> None:
    """After KEEP_VERSIONS_DAYS; one line, and nothing is changed. What was settled is forgotten with it, what waits is not."""
    run(bench, BEFORE)
    run(bench, AFTER, inputs="2")
    _, discarded = run(bench, BEFORE, code="2", inputs="2")
    bench.warehouse.discard_held(discarded)
    _, waits = run(bench, BEFORE, code="3", inputs="2")
    if isinstance(bench.warehouse, SnowflakeWarehouse):
        forgetful = SnowflakeWarehouse(bench.environ, keep_versions=timedelta(0))
        with forgetful.propose({}, None):
            pass
        assert bench.rows("select count(*) from staged.hits__history") == [(0,)]
    else:
        bench.warehouse.keep_house(timedelta(0), timedelta(0), datetime.now(UTC))
    for number in (1, 2):
        with pytest.raises(
            WarehouseError, match=rf"^what was before publication {number} is not kept any more \(KEEP_"
        ):
            bench.warehouse.roll_back(number)
    assert seen(bench) == AFTER
    assert [audit.audit_id for audit in bench.warehouse.audits()] == [waits]
    assert bench.warehouse.audit(discarded) is None
    assert bench.warehouse.audit(waits).changes[0].before.code == "1"
    assert (bench.warehouse.publish_held(waits), seen(bench)) == (3, BEFORE)


def test_a_roll_back_that_is_refused_leaves_views_as_well(bench: Any) -> None:
    """One date has the view of before still; what the other one had is not kept any more."""
    run(bench, BEFORE)
    assert run(bench, {DAY: AFTER[DAY]}, inputs="2", view="id <> 'a'") == (2, "")
    if isinstance(bench.warehouse, SnowflakeWarehouse):
        with SnowflakeWarehouse(bench.environ, keep_versions=timedelta(0)).propose({}, None):
            pass
    else:
        bench.warehouse.keep_house(timedelta(0), timedelta(0), datetime.now(UTC))
    with pytest.raises(WarehouseError, match="is not kept any more"):
        bench.warehouse.roll_back(2)
    assert bench.rows("select count(*) from events.pages where id = 'a'") == [(0,)]


def test_a_roll_back_names_what_built_the_same_rows_last(bench: Any) -> None:
    """Code that changes nothing is marked and not published; taking back what came after does not bring older code back."""
    run(bench, BEFORE)
    assert run(bench, BEFORE, code="2") == (None, "")
    assert run(bench, AFTER, code="2", inputs="2") == (2, "")
    bench.warehouse.roll_back(2)
    built = bench.rows("select distinct code_version, inputs from raw.build_history where model = 'hits'")
    assert built == [("2", "1")]


def left(bench: Any) -> list[str]:
    """What is staged or held."""
    if isinstance(bench.warehouse, SnowflakeWarehouse):
        tables = bench.rows("select table_name from information_schema.tables where table_schema = 'STAGED'")
        return [name for (name,) in tables if not name.endswith("__HISTORY")]
    return [f"{path}" for path in bench.warehouse.lake.folder.glob("held/**/*.parquet")]
