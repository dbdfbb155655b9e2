"""Whatever was loaded, edited, held, published, discarded and taken back, in whatever order: what is published is what the ledger names.

Random histories of it all, against a small reading of the rules that knows nothing of fingerprints: after each step the rows of every
(model, date) are those of a build from scratch with the code and the objects that the ledger names, and audits, approvals and decisions
are as expected. `PUBLICATION_STEPS=200 FIRST_SEED=0 python -m pytest -n 0 -s tests/models/test_publication_histories.py`.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ingestion_platform.changes import Cell, Decision, Expected, Rules, compare, held_dates, versions
from ingestion_platform.dates import Window
from ingestion_platform.resources.proposals import AuditState, Moved, WarehouseError
from ingestion_platform.versions import input_versions

STEPS = int(os.environ.get("PUBLICATION_STEPS", "5"))
FIRST_SEED = int(os.environ.get("FIRST_SEED", "0"))
A_HISTORY = 25
"""Steps of one history, before another begins."""

DAYS = [date(2026, 1, 10), date(2026, 1, 11)]
END = DAYS[-1] + timedelta(days=1)
Rows = list[tuple[Any, ...]]

# What authors of models do, by the name of a code: an edit of the SQL of some models. Dates are those of recorded_dbt's windows.
CODES: dict[str, dict[str, str]] = {
    "as it is": {},
    "comment": {"purchases": "-- new\n{sql}"},
    "figures": {
        "revenue_1d": "select * replace (transactions + 1 as transactions) from ({sql})",
        "overview_1d": "select * replace (hits * 2 as hits) from ({sql})",
    },
    "fewer sessions": {"sessions": "select * from ({sql}) where hits > 1"},
    "orders": {"logs": "select * replace (lower(transaction_id) as transaction_id) from ({sql})"},
}
EXPECTED = {"fewer sessions": {"sessions": (Expected(None, DAYS[1]),)}, "figures": {"revenue_1d": (Expected(None),)}}


@dataclass
class Built:
    """One published version of a cell, as the model has it; `rows` as a build from scratch gives them."""

    publication: int
    code: str
    objects: frozenset[str]
    rows: Rows


@dataclass
class Held:
    """An audit of one date: its cells with what was published when they were compared, and what was decided of each."""

    cells: dict[Cell, tuple[Built, Built | None, Decision]]
    state: AuditState = AuditState.HELD


@dataclass
class Expectation:
    """What must be published, by the rules as one would tell them to a colleague."""

    current: dict[Cell, Built] = field(default_factory=dict)
    before: dict[int, dict[Cell, Built | None]] = field(default_factory=dict)
    """What each publication replaced."""
    made: dict[int, dict[Cell, Built]] = field(default_factory=dict)
    audits: dict[str, dict[date, Held]] = field(default_factory=dict)
    approved: set[tuple[str, str]] = field(default_factory=set)
    taken_back: dict[int, int] = field(default_factory=dict)
    forgotten: int = 0
    """The newest publication before which nothing is kept."""

    def decide(self, cell: Cell, new: Built, code: str, hold: bool) -> Decision:
        old = self.current.get(cell)
        if old is None:
            return Decision.PUBLISH
        if old.rows == new.rows:
            return Decision.UNCHANGED
        if old.code == new.code:
            assert old.objects != new.objects, "the same code and objects gave other rows"
            return Decision.PUBLISH
        declared = any(cell.day >= one.since for one in EXPECTED.get(code, {}).get(cell.model, ()))
        approved = (cell.model, new.code) in self.approved
        return Decision.PUBLISH if declared or approved or not hold else Decision.HOLD

    def supersede(self, days: Collection[date]) -> None:
        for audit in self.audits.values():
            for day in audit.keys() & set(days):
                if audit[day].state is AuditState.HELD:
                    audit[day].state = AuditState.SUPERSEDED

    def publish(self, number: int, cells: Mapping[Cell, Built]) -> None:
        self.before[number] = {cell: self.current.get(cell) for cell in cells}
        self.made[number] = {cell: replace(built, publication=number) for cell, built in cells.items()}
        self.current |= self.made[number]

    def standing(self, cell: Cell, number: int) -> int:
        """The publication whose rows a cell has, if those that came after `number` and were taken back do not count."""
        there = self.current[cell].publication
        while there > number and there in self.taken_back:
            there = max(
                (one for one, cells in self.made.items() if cell in cells and one < self.taken_back[there]), default=0
            )
        return there

    def note_unchanged(self, cell: Cell, new: Built) -> None:
        self.current[cell] = replace(new, publication=self.current[cell].publication)


class History:
    """A bench, and what is expected of it."""

    def __init__(
        self, make_bench: Callable[..., Any], edits: Any, made_from: Any, keys: Any, record: Any, seed: int
    ) -> None:
        self.make_bench, self.edits, self.made_from, self.keys, self.record = make_bench, edits, made_from, keys, record
        self.rng = random.Random(seed)
        self.bench = make_bench()
        self.recorded = self.bench.recorded
        self.expected = Expectation()
        self.code = "as it is"
        self.inputs: dict[str, frozenset[str]] = {}
        self.scratch: dict[tuple[str, frozenset[str], date], dict[str, Rows]] = {}
        self.done: Counter[str] = Counter()
        self.deliver()

    def codes(self, code: str) -> dict[str, str]:
        """By model its code version: the edits of the model and of all that it is made from; comments do not count."""
        edited = {model for model, sql in CODES[code].items() if sql.startswith("select")}
        return {
            model: "+".join(f"{code}:{name}" for name in sorted(edited & {model, *self.made_from[model]})) or "v1"
            for model in self.keys
        }

    def rows_of(self, code: str, objects: frozenset[str], day: date) -> dict[str, Rows]:
        """By model the rows of a date, built from scratch from these objects with this code."""
        if (code, objects, day) not in self.scratch:
            bench = self.make_bench()
            for key in sorted(objects):
                bench.archive.put(key, (self.bench.archive.root / key).read_bytes())
            bench.recorded = self.edited(code)
            bench.build(day, day + timedelta(days=1))
            made = bench.snapshot(day, day + timedelta(days=1))
            self.scratch[code, objects, day] = {name.partition(".")[2]: rows for name, rows in made.items()}
        return self.scratch[code, objects, day]

    def edited(self, code: str) -> Any:
        return self.edits.Edited(self.recorded, {model: _edit(sql) for model, sql in CODES[code].items()})

    def built(self, cell: Cell, code: str, objects: frozenset[str]) -> Built:
        return Built(0, self.codes(code)[cell.model], objects, self.rows_of(code, objects, cell.day)[cell.model])

    # Steps.

    def deliver(self) -> None:
        """Hits of one date, some of them queued or late."""
        when = datetime(2026, 1, 10, tzinfo=UTC) + timedelta(minutes=self.rng.randrange(2 * 1440 - 60))
        hits = [
            self.record(
                when + timedelta(minutes=n * self.rng.choice((1, 40))),
                cid=self.rng.choice("abc"),
                **self.rng.choice(
                    ({}, {"t": "event", "pa": "purchase", "ti": f"T{self.rng.randrange(3)}", "tr": "9.5", "cu": "EUR"})
                ),
                z=f"{self.rng.randrange(10**6)}",
            )
            for n in range(self.rng.randint(1, 3))
        ]
        late = timedelta(hours=self.rng.choice((0, 0, 20)))
        self.bench.deliver(hits, when + timedelta(hours=2) + late)

    def edit(self) -> None:
        self.code = self.rng.choice(list(CODES))

    def run(self, days: list[date] | None = None, between: Callable[[], None] | None = None) -> None:
        """A run over some dates, as platform/assets/builds.py does it; `between` happens while it builds."""
        start = self.rng.choice(DAYS)
        days = days or ([start] if self.rng.random() < 0.4 else DAYS)
        window, code, hold = Window(days[0], days[-1] + timedelta(days=1)), self.code, self.rng.random() < 0.85
        warehouse, bench = self.bench.warehouse, self.bench
        bench.load(*window)
        bench.load(*window)
        latest = warehouse.latest_load_id()
        inputs = input_versions(warehouse, window)
        objects = frozenset(
            item.key for item in bench.archive.objects(DAYS[0] - timedelta(days=9), END + timedelta(days=9))
        )
        for day in days:
            self.inputs.setdefault(f"{day} {inputs[day]}", objects)
        warehouse.parse_user_agents(*window)
        bench.recorded = self.edited(code)
        with bench.staged(*window) as proposal:
            if between is not None:
                between()
            staged = versions(proposal.fingerprints(), self.codes(code), inputs, latest)
            rules = Rules(EXPECTED.get(code, {}), warehouse.approvals(), hold)
            changes = compare(staged, proposal.published(self.keys), rules)
            held = {*held_dates(changes)}
            number = proposal.publish([change for change in changes if change.cell.day not in held])
            waiting = [change for change in changes if change.cell.day in held]
            audit_id = proposal.hold(waiting) if waiting else ""
        self.expect_run(code, hold, days, {c.cell: c for c in changes}, number, audit_id)

    def expect_run(
        self, code: str, hold: bool, days: list[date], changes: dict[Cell, Any], number: int | None, audit_id: str
    ) -> None:
        expected = self.expected
        new = {
            Cell(model, day): self.built(
                Cell(model, day), code, self.inputs[f"{day} {changes[Cell(model, day)].after.inputs}"]
            )
            for model in self.keys
            for day in days
        }
        decisions = {cell: expected.decide(cell, built, code, hold) for cell, built in new.items()}
        assert {cell: change.decision for cell, change in changes.items()} == decisions
        assert all(c.is_difference is (decisions[cell] is not Decision.UNCHANGED) for cell, c in changes.items())
        held = {cell.day for cell, decision in decisions.items() if decision is Decision.HOLD}
        assert bool(audit_id) is bool(held)
        expected.supersede(days)
        if held:
            expected.audits[audit_id] = {
                day: Held({
                    cell: (built, expected.current.get(cell), decisions[cell])
                    for cell, built in new.items()
                    if cell.day == day
                })
                for day in held
            }  # fmt: skip
        free = {cell: built for cell, built in new.items() if cell.day not in held}
        public = {cell: built for cell, built in free.items() if decisions[cell] is Decision.PUBLISH}
        assert (number is None) is (not public)
        for cell in free.keys() - public.keys():
            expected.note_unchanged(cell, new[cell])
        if number is not None:
            expected.publish(number, public)
        self.done["held"] += bool(held)
        self.done["nothing to do"] += not public and not held

    def race(self) -> None:
        """Another run publishes while one builds: its rows are not written over without a look."""
        day = self.rng.choice(DAYS)
        before = dict(self.expected.current)

        def other() -> None:
            self.bench.recorded = self.recorded
            self.deliver()
            self.run([day])

        self.run([day], other)
        self.done["races that moved a date"] += before != self.expected.current

    def moved(self) -> None:
        """What was compared with one version is not published over another."""
        day = self.rng.choice(DAYS)
        if not self.expected.current:
            return
        window = Window(day, day + timedelta(days=1))
        self.bench.load(*window)
        self.bench.warehouse.parse_user_agents(*window)
        self.bench.recorded = self.edited("figures")
        with self.bench.staged(*window) as proposal:
            inputs = input_versions(self.bench.warehouse, window)
            staged = versions(
                proposal.fingerprints(), self.codes("figures"), inputs, self.bench.warehouse.latest_load_id()
            )
            changes = compare(staged, proposal.published(self.keys), Rules(hold_changed_code=False))
            was = dict(self.expected.current)
            self.deliver()
            self.run([day])
            has_moved = any(
                (was[c.cell].publication if c.cell in was else 0)
                != (self.expected.current[c.cell].publication if c.cell in self.expected.current else 0)
                for c in changes
            )
            if has_moved:
                with pytest.raises(Moved):
                    proposal.publish(changes)
                self.done["refused, since moved"] += 1

    def publish_audit(self) -> None:
        if not self.expected.audits:
            return
        audit_id = self.rng.choice(list(self.expected.audits))
        audit = self.expected.audits[audit_id]
        days = self.rng.choice(([], self.rng.sample(sorted(audit), 1)))
        wanted = days or [day for day in sorted(audit) if audit[day].state is AuditState.HELD] or sorted(audit)
        states = {audit[day].state for day in wanted}
        todo = [day for day in wanted if audit[day].state is AuditState.HELD]
        cells = {cell: told for day in todo for cell, told in audit[day].cells.items()}
        publish = self.bench.warehouse.publish_held
        if states & {AuditState.DISCARDED, AuditState.SUPERSEDED}:
            with pytest.raises(WarehouseError, match="nothing was changed"):
                publish(audit_id, days)
            self.done["settled otherwise"] += 1
        elif any(
            (self.expected.current[cell].publication if cell in self.expected.current else None)
            != (was.publication if was else None)
            for cell, (_, was, _) in cells.items()
        ):
            with pytest.raises(Moved):
                publish(audit_id, days)
            self.done["audits that were overtaken"] += 1
        elif not todo:
            assert publish(audit_id, days) is None
        else:
            number = publish(audit_id, days)
            assert number is not None
            for cell, (built, _, decision) in cells.items():
                if decision is Decision.UNCHANGED:
                    self.expected.note_unchanged(cell, built)
                if decision is Decision.HOLD:
                    self.expected.approved.add((cell.model, built.code))
            changed = {cell: built for cell, (built, _, one) in cells.items() if one is not Decision.UNCHANGED}
            self.expected.publish(number, changed)
            for day in todo:
                audit[day].state = AuditState.PUBLISHED
            assert publish(audit_id, todo) is None
            self.done["audits published"] += 1

    def discard(self) -> None:
        if not self.expected.audits:
            return
        audit_id = self.rng.choice(list(self.expected.audits))
        audit = self.expected.audits[audit_id]
        day = self.rng.choice(sorted(audit))
        if audit[day].state in (AuditState.HELD, AuditState.DISCARDED):
            was_held = audit[day].state is AuditState.HELD
            assert self.bench.warehouse.discard_held(audit_id, [day]) == ([day] if was_held else [])
            audit[day].state = AuditState.DISCARDED
            self.done["discarded"] += was_held
        else:
            with pytest.raises(WarehouseError, match="nothing was changed"):
                self.bench.warehouse.discard_held(audit_id, [day])

    def roll_back(self) -> None:
        expected = self.expected
        if not expected.made:
            return
        number = self.rng.choice([max(expected.made), self.rng.choice(sorted(expected.made))])
        if number <= expected.forgotten:
            with suppress(WarehouseError):
                assert self.bench.warehouse.roll_back(number) is None
            self.done["beyond what is kept"] += 1
            return
        stands = {cell: expected.standing(cell, number) for cell in expected.made[number]}
        if any(there > number for there in stands.values()):
            with pytest.raises(WarehouseError, match="changed since"):
                self.bench.warehouse.roll_back(number)
            self.done["to be taken back later"] += 1
            return
        cells = [cell for cell, there in stands.items() if there == number]
        made = self.bench.warehouse.roll_back(number)
        assert (made is None) is (not cells)
        if made is not None:
            for cell in cells:
                for built in (expected.made[number][cell], expected.current[cell]):
                    expected.approved.discard((cell.model, built.code))
            nothing = Built(0, "", frozenset(), [])
            expected.publish(made, {cell: expected.before[number][cell] or nothing for cell in cells})
            expected.taken_back[made] = number
            assert self.bench.warehouse.roll_back(number) is None
            self.done["taken back"] += 1

    def keep_house(self) -> None:
        keep = self.rng.choice((timedelta(days=7), timedelta(0)))
        self.bench.warehouse.keep_house(keep, timedelta(0), datetime.now(UTC) + timedelta(seconds=1))
        if not keep:
            self.expected.forgotten = max(self.expected.made, default=0)
            self.expected.audits = {
                audit_id: audit
                for audit_id, audit in self.expected.audits.items()
                if any(held.state is AuditState.HELD for held in audit.values())
            }

    # What has to hold after each.

    def check(self) -> None:
        expected = self.expected
        known = self.bench.versions(DAYS[0], END)
        assert {cell: (v.publication, v.code) for cell, v in known.items()} == {
            cell: (built.publication, built.code) for cell, built in expected.current.items()
        }
        published = self.bench.snapshot(DAYS[0], END) if expected.current else {}
        for relation, rows in published.items():
            for day in DAYS:
                cell = Cell(relation.partition(".")[2], day)
                # The first column of every model is event_date.
                of_day = [row for row in rows if row[0] == day]
                version = known.get(cell)
                if version is None or not version.code:
                    assert of_day == [], cell
                    continue
                objects = self.inputs[f"{day} {version.inputs}"]
                code = next(code for code in CODES if self.codes(code)[cell.model] == version.code)
                assert of_day == self.rows_of(code, objects, day)[cell.model] == expected.current[cell].rows, cell
                assert version.fingerprint.rows == len(of_day), cell
        assert self.bench.warehouse.approvals() == expected.approved
        assert {audit.audit_id: dict(audit.states) for audit in self.bench.warehouse.audits(1000)} == {
            audit_id: {day: held.state for day, held in audit.items()} for audit_id, audit in expected.audits.items()
        }


def _edit(text: str) -> Callable[[str], str]:
    return lambda sql: text.replace("{sql}", f"\n{sql}\n")


@pytest.mark.timeout(7200)
def test_what_is_published_is_always_what_the_ledger_names(
    make_bench: Any, edits: Any, made_from: Any, unique_keys: Any, record: Any
) -> None:
    """Any mixture of loads, replays, edits, holds, publishes, discards, roll backs, races and housekeeping."""
    done: Counter[str] = Counter()
    seed = FIRST_SEED
    for first in range(0, STEPS, A_HISTORY):
        history = History(make_bench, edits, made_from, unique_keys, record, seed)
        told: list[str] = []
        try:
            history.run(DAYS)
            history.check()
            for _ in range(min(A_HISTORY, STEPS - first)):
                name = history.rng.choice(_STEPS)
                told.append(f"{name} {history.code}")
                getattr(history, name)()
                done[name] += 1
                history.check()
        except BaseException:
            print(f"seed {seed}: {told}")
            raise
        done.update(history.done)
        seed += 1
    print(f"{STEPS} steps: {dict(done)}")


_STEPS = [
    "deliver", "edit", "edit", "run", "run", "run", "publish_audit", "publish_audit", "discard", "roll_back", "roll_back", "race",
    "moved", "keep_house",
]  # fmt: skip
