"""The rules of platform/changes.py: why a cell was built again, in which columns it differs, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ingestion_platform.changes import (
    Cell,
    Change,
    Decision,
    Expected,
    Fingerprint,
    Reason,
    Rules,
    Version,
    compare,
    defects,
    everything,
    expected_changes,
    held_dates,
    in_words,
    overtaken,
    versions,
)

ONE, TWO, THREE = date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)
LOGS, SALES = Cell("logs", ONE), Cell("sales", ONE)


def made(rows: int = 1, engine: str = "duckdb", **columns: str) -> Fingerprint:
    return Fingerprint(rows, columns or {"key": "k", "value": "v"}, engine)


def version(code: str = "c1", inputs: str = "i1", value: str = "v", publication: int = 1) -> Version:
    return Version(code, inputs, 1, made(key="k", value=value), publication)


def one(before: Version | None, after: Version, rules: Rules | None = None, cell: Cell = LOGS) -> Change:
    (change,) = compare({cell: after}, {} if before is None else {cell: before}, rules or Rules())
    return change


@pytest.mark.parametrize(
    ("after", "reason", "decision"),
    [
        (version(), Reason.NONE, Decision.UNCHANGED),
        (version(value="w"), Reason.NONE, Decision.DEFECT),
        (version(inputs="i2"), Reason.INPUTS, Decision.UNCHANGED),
        (version(inputs="i2", value="w"), Reason.INPUTS, Decision.PUBLISH),
        (version(code="c2"), Reason.CODE, Decision.UNCHANGED),
        (version(code="c2", value="w"), Reason.CODE, Decision.HOLD),
        # Other code over other objects: the objects excuse nothing.
        (version(code="c2", inputs="i2", value="w"), Reason.CODE, Decision.HOLD),
    ],
)
def test_the_reason_of_a_build_decides_what_becomes_of_a_difference(
    after: Version, reason: Reason, decision: Decision
) -> None:
    """Objects that came late are published, new code is held, and nothing else may change rows at all."""
    change = one(version(), after)
    assert (change.reason, change.decision) == (reason, decision)
    assert change.columns == (("value",) if decision is not Decision.UNCHANGED else ())
    assert change.is_difference is (decision is not Decision.UNCHANGED)


@pytest.mark.parametrize("rows", [0, 5])
def test_what_was_never_published_is_published_whatever_it_is(rows: int) -> None:
    """A date without rows, too: that it was built is what makes it up to date. There is nothing to compare it with."""
    change = one(None, replace(version(), fingerprint=made(rows)), Rules(hold_changed_code=True))
    assert (change.reason, change.decision, change.columns) == (Reason.NEW, Decision.PUBLISH, ())
    assert change.is_difference and held_dates([change]) == []


def test_columns_that_came_or_went_differ_and_a_date_without_rows_has_none() -> None:
    """A column that only one side has is a change of that column alone; of no rows no column can be another."""
    before, after = made(key="k", old="1"), made(key="k", new="1")
    assert after.differs_from(before) == ("new", "old") == before.differs_from(after)
    assert made(0, old="0").differs_from(made(0, new="0")) == ()
    assert made(0, key="0").differs_from(made(3, key="k")) == ("key",)


def test_code_that_a_person_approved_is_not_held_again() -> None:
    """The approval is of one model's code version: another model's, or the next edit, waits as ever."""
    rules = Rules(approved={("logs", "c2")})
    assert one(version(), version("c2", value="w"), rules).decision is Decision.PUBLISH
    assert one(version(), version("c3", value="w"), rules).decision is Decision.HOLD
    assert one(version(), version("c2", value="w"), rules, SALES).decision is Decision.HOLD
    # What was approved is new code, not a licence to come out otherwise from the same.
    assert one(version("c2"), version("c2", value="w"), rules).decision is Decision.DEFECT


@pytest.mark.parametrize(
    ("expected", "decision"),
    [
        (Expected(frozenset({"value"})), Decision.PUBLISH),
        (Expected(frozenset({"value", "other"})), Decision.PUBLISH),
        (Expected(frozenset({"other"})), Decision.HOLD),
        (Expected(frozenset()), Decision.HOLD),
        (Expected(None), Decision.PUBLISH),
        (Expected(None, ONE), Decision.PUBLISH),
        (Expected(None, TWO), Decision.HOLD),
        (Expected(frozenset({"value"}), TWO), Decision.HOLD),
    ],
)
def test_what_its_author_declared_is_published(expected: Expected, decision: Decision) -> None:
    """In the columns that were named and from the date on that was named, and only there."""
    rules = Rules({"logs": (expected,)})
    assert one(version(), version("c2", value="w"), rules).decision is decision
    assert one(version(), version("c2", value="w"), rules, SALES).decision is Decision.HOLD


def test_declarations_are_not_added_up() -> None:
    """Each names all that a change may touch: two changes of one build are one change."""
    both = Rules({"logs": (Expected(frozenset({"a"})), Expected(frozenset({"b"})))})
    before = replace(version(), fingerprint=made(a="1", b="1"))
    for columns, decision in (
        ({"a": "2", "b": "1"}, Decision.PUBLISH),
        ({"a": "1", "b": "2"}, Decision.PUBLISH),
        ({"a": "2", "b": "2"}, Decision.HOLD),
    ):
        after = replace(version("c2"), fingerprint=made(**columns))
        assert one(before, after, both).decision is decision


def test_holding_can_be_turned_off_but_defects_cannot() -> None:
    """HOLD_CHANGED_CODE=false publishes what new code changes; what nothing explains is refused all the same."""
    rules = Rules(hold_changed_code=False)
    assert one(version(), version("c2", value="w"), rules).decision is Decision.PUBLISH
    assert one(version(), version(value="w"), rules).decision is Decision.DEFECT


def test_a_date_is_held_with_all_its_models_and_no_other_date_with_it() -> None:
    """Reports of one date that disagree help nobody; other dates need not wait."""
    staged = {Cell(name, day): version("c2", "i2", "v") for name in ("logs", "sales") for day in (ONE, TWO, THREE)}
    staged |= {Cell("logs", TWO): version("c2", value="w"), Cell("sales", THREE): version(inputs="i2", value="w")}
    changes = compare(staged, dict.fromkeys(staged, version()), Rules())
    assert held_dates(changes) == [TWO]
    assert [change.cell for change in changes] == [
        Cell(name, day) for day in (ONE, TWO, THREE) for name in ("logs", "sales")
    ]


def test_a_defect_holds_every_date() -> None:
    """Something is wrong with what builds, wherever it showed."""
    staged = {Cell("logs", ONE): version(), Cell("logs", TWO): version(value="w"), Cell("logs", THREE): version("c2")}
    changes = compare(staged, dict.fromkeys(staged, version()), Rules(hold_changed_code=False))
    assert [change.cell.day for change in defects(changes)] == [TWO]
    assert held_dates(changes) == [ONE, TWO, THREE]
    assert not any(line.startswith("Published") for line in in_words(changes))


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({}, ()),
        ({"expected_changes": None}, ()),
        ({"expected_changes": []}, ()),
        ({"expected_changes": [{"columns": "all"}]}, (Expected(None),)),
        (
            {"expected_changes": [{"columns": ["a", "b"], "since": "2026-01-02"}, {"columns": [], "since": TWO}]},
            (Expected(frozenset("ab"), TWO), Expected(frozenset(), TWO)),
        ),
    ],
)
def test_expected_changes_are_read_from_a_models_meta(meta: dict[str, Any], expected: tuple[Expected, ...]) -> None:
    """YAML gives a date as a date or as a text."""
    assert expected_changes(meta) == expected


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("all", "is a list"),
        ({"columns": "all"}, "is a list"),
        (["all"], "has 'all'"),
        ([{"since": "2026-01-01"}], "write {columns"),
        ([{"columns": "all", "until": "2026-01-01"}], "until"),
        ([{"columns": "value"}], "columns 'value'"),
        ([{"columns": ["a", 1]}], "columns ['a', 1]"),
        ([{"columns": None}], "columns None"),
        ([{"columns": "all", "since": "yesterday"}], "since 'yesterday'"),
        ([{"columns": "all", "since": None}], "since None"),
        ([{"columns": "all", "since": "2026-02-30"}], "since '2026-02-30'"),
    ],
)
def test_expected_changes_that_mean_nothing_are_refused(given: Any, told: str) -> None:
    """A slip must not let a change pass, nor be taken for none: one line says what is there and what to write."""
    with pytest.raises(ValueError, match="expected_changes") as refused:
        expected_changes({"expected_changes": given})
    assert told in f"{refused.value}" and "\n" not in f"{refused.value}"


def test_a_run_says_what_is_published_what_is_held_and_why() -> None:
    """A line for each decision and reason; what waits with its date is not said to be published."""
    staged = {
        Cell("logs", ONE): version(inputs="i2", value="w"),
        Cell("sales", ONE): version(),
        Cell("logs", TWO): version(inputs="i2", value="w"),
        Cell("sales", TWO): replace(version("c2"), fingerprint=made(**{f"c{n}": "w" for n in range(9)})),
        Cell("logs", THREE): version(),
    }
    published = dict.fromkeys([cell for cell in staged if cell != Cell("logs", THREE)], version())
    published[Cell("sales", TWO)] = replace(version(), fingerprint=made(**{f"c{n}": "v" for n in range(9)}))
    assert in_words(compare(staged, published, Rules())) == [
        "Held (other code): sales (c0, c1, c2, c3, c4, c5 and 3 more) on 2026-01-02",
        "Published (never published): logs on 2026-01-03",
        "Published (other objects): logs (value) on 2026-01-01",
        "Unchanged: 1 of 5 models' dates",
    ]
    assert in_words([]) == []


def test_a_defect_is_said_first() -> None:
    """With its column; nothing of that run is published."""
    staged = {LOGS: version(value="w"), SALES: version("c2", value="w")}
    assert in_words(compare(staged, dict.fromkeys(staged, version()), Rules())) == [
        "Defect (same code, same objects): logs (value) on 2026-01-01",
        "Held (other code): sales (value) on 2026-01-01",
    ]


def test_versions_are_of_each_models_code_and_each_dates_inputs() -> None:
    """All up to the same load; what is staged has no publication yet."""
    fingerprint = made()
    cells = {Cell("logs", ONE): fingerprint, Cell("sales", TWO): fingerprint}
    assert versions(cells, {"logs": "c1", "sales": "c2"}, {ONE: "i1", TWO: "i2"}, 7) == {
        Cell("logs", ONE): Version("c1", "i1", 7, fingerprint),
        Cell("sales", TWO): Version("c2", "i2", 7, fingerprint),
    }


def test_tools_without_code_versions_publish_all_that_differs() -> None:
    """A load that they had seen before explains no difference; a later one does."""
    before = Version("", "1", 1, made(key="k", value="v"), 1)
    later = everything({LOGS: made(key="k", value="w"), SALES: made()}, {LOGS: before}, 2)
    assert [(c.cell, c.reason, c.decision) for c in later] == [
        (LOGS, Reason.INPUTS, Decision.PUBLISH),
        (SALES, Reason.NEW, Decision.PUBLISH),
    ]


def test_a_run_is_overtaken_by_one_that_saw_more_loads() -> None:
    """It would publish as other objects what lacks the newest hits."""
    older, newer = version(inputs="i1"), replace(version(inputs="i2", value="w"), load_id=2)
    assert overtaken([one(newer, older), one(older, newer, cell=SALES), one(None, older)]) == [LOGS]
    assert overtaken([one(newer, newer)]) == []
