"""Whatever was loaded, replayed, repeated or killed, in whatever order, the rows are those of one build from scratch."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings, target
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from collector.archive_keys import MARKER_KEY
from ingestion_platform.dates import Window, affected, load_window, ranges

FIRST = date(2026, 1, 1)
DAYS = 5
LAST = FIRST + timedelta(days=DAYS)
EVERYTHING = (FIRST - timedelta(days=40), LAST + timedelta(days=10))
# `HISTORIES=1000 python -m pytest -n 0 tests/models/test_replay.py -k equals_a_rebuild` looks for what CI's few do not find.
HISTORIES = int(os.environ.get("HISTORIES", "4"))
CLIENTS = ("alice", "bob", "carol")
MODELS = ("logs", "sessions", "overview_1h")


def random_records(rng: random.Random, record, when: datetime) -> list[dict]:
    """A visit around `when` with everything that makes dates depend on each other: retries, repeated purchases, long sessions."""
    client = rng.choice(CLIENTS)
    made = []
    moment = when
    for _ in range(rng.randint(1, 6)):
        parameters = {
            "cid": client,
            "tid": rng.choice(("UA-1-1", "UA-2-1")),
            "dl": f"https://shop.example/{rng.randint(1, 4)}",
        }
        if rng.random() < 0.3:
            parameters |= {"z": str(rng.randint(1, 3))}
        if rng.random() < 0.3:
            parameters |= {
                "t": "event",
                "pa": "purchase",
                "ti": f"T{rng.randint(1, 3)}",
                "tr": "10.01",
                "cu": "EUR",
                "pr1id": "A",
                "pr1qt": "2",
            }
        if rng.random() < 0.1:
            parameters |= {"sc": rng.choice(("start", "end"))}
        if rng.random() < 0.2:
            parameters |= {"qt": str(rng.choice((1000, 7_200_000, 14_400_000, 99_000_000)))}
        if rng.random() < 0.2:
            parameters |= {"uid": rng.choice(("u1", "u2"))}
        made.append(record(moment, **parameters))
        moment += timedelta(minutes=rng.choice((0, 1, 10, 29, 30, 31)), milliseconds=rng.randint(0, 2))
    return made


def unbroken(record, start: datetime, hours: int) -> list[dict]:
    """A visitor who never pauses: sessions that only the forced cut at midnight bounds."""
    return [record(start + timedelta(minutes=29 * n), cid="dave") for n in range(hours * 60 // 29)]


class Replay(RuleBasedStateMachine):
    """Objects arrive (in time, late, twice), ranges are replayed in any chunking; then the dates that the platform names as behind
    are replayed, and every model equals a build from scratch."""

    make_bench = None
    record = None

    @initialize(seed=st.integers(0, 10_000))
    def start(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.bench = type(self).make_bench()
        self.delivered: list[list] = []
        self.bench.warehouse.create_tables()

    @rule(day=st.integers(0, DAYS - 1), hour=st.sampled_from((0, 11, 22, 23)), minute=st.integers(0, 59))
    def deliver(self, day: int, hour: int, minute: int) -> None:
        when = datetime.combine(FIRST + timedelta(days=day), datetime.min.time()).replace(
            hour=hour, minute=minute, tzinfo=_utc()
        )
        self.put(random_records(self.rng, type(self).record, when))

    @rule(day=st.integers(0, DAYS - 2), hour=st.sampled_from((0, 12, 23)), hours=st.sampled_from((26, 40, 60)))
    def visit_without_a_pause(self, day: int, hour: int, hours: int) -> None:
        start = datetime.combine(FIRST + timedelta(days=day), datetime.min.time()).replace(hour=hour, tzinfo=_utc())
        self.put(unbroken(type(self).record, start, hours))

    @precondition(lambda self: self.delivered)
    @rule()
    def deliver_again(self) -> None:
        self.bench.deliver(self.rng.choice(self.delivered))

    @precondition(lambda self: self.delivered)
    @rule(days_late=st.integers(1, 3))
    def deliver_late(self, days_late: int) -> None:
        records = self.rng.choice(self.delivered)
        first = datetime.fromtimestamp(records[0]["request"]["timestamp"] / 1000, _utc())
        self.bench.deliver([*records[: len(records) // 2 + 1], b"no json\n"], arrived=first + timedelta(days=days_late))

    @rule(first=st.integers(0, DAYS - 1), length=st.integers(1, DAYS))
    def replay(self, first: int, length: int) -> None:
        start = FIRST + timedelta(days=first)
        self.bench.build(start, min(start + timedelta(days=length), LAST))

    @precondition(lambda self: self.delivered)
    @rule(accident=st.sampled_from(("lost mount", "foreign marker", "vanished object")), reload=st.booleans())
    def replay_while_something_is_missing(self, accident: str, reload: bool) -> None:
        """The archive is gone, another's, or lacks an object: a load of everything, reload or not, says so and changes no row."""
        bench = self.bench
        bench.warehouse.load(bench.archive, *EVERYTHING)
        before, archive = self.raw(), bench.archive.root
        with self.accident(accident):
            loads = bench.warehouse.load(bench.archive, *EVERYTHING, full_reload=EVERYTHING if reload else None)
            assert any(load.errors for load in loads)
        assert archive.exists() and self.raw() == before
        bench.warehouse.load(bench.archive, *EVERYTHING)
        assert self.raw() == before

    @precondition(lambda self: self.delivered)
    @rule()
    def remove_by_name(self) -> None:
        """An object is taken out of the archive on purpose: named, it takes its rows with it."""
        bench = self.bench
        bench.warehouse.load(bench.archive, *EVERYTHING)
        keys = [item.key for item in bench.archive.objects(*EVERYTHING)]
        if len(keys) > 1:
            gone = self.rng.choice(keys)
            (bench.archive.root / gone).unlink()
            bench.warehouse.load(bench.archive, *EVERYTHING, remove=[gone])
            assert bench.rows(f"select count(*) from raw.logs where log_filename = '{gone}'") == [(0,)]

    @contextmanager
    def accident(self, kind: str) -> Iterator[None]:
        root = self.bench.archive.root
        aside = root.with_name("aside")
        path = root
        if kind != "lost mount":
            objects = self.bench.archive.objects(*EVERYTHING)
            path = root / (MARKER_KEY if kind == "foreign marker" else self.rng.choice(objects).key)
        path.rename(aside)
        if kind == "foreign marker":
            path.write_text('{"archive_id": "another"}')
        yield
        aside.rename(path)

    def raw(self) -> list[tuple]:
        return self.bench.rows("select log_id, event_id, event_date, arrival_date from raw.logs order by all")

    @rule(first=st.integers(0, DAYS - 1))
    def replay_killed_between_models(self, first: int) -> None:
        """Only some of a date's models were staged when the run died: nothing of it is seen, nothing is marked as built."""
        start = FIRST + timedelta(days=first)
        self.bench.load(start, start + timedelta(days=1))
        self.bench.warehouse.parse_user_agents(start, start + timedelta(days=1))
        seen = self.bench.snapshot(FIRST, LAST)
        with self.bench.staged(start, start + timedelta(days=1), ("logs", "purchases")):
            assert self.bench.snapshot(FIRST, LAST) == seen

    def put(self, records: list) -> None:
        """Each date's records in an object of their own, as a stream delivers them."""
        for day in sorted({item["request"]["timestamp"] // 86_400_000 for item in records}):
            part = [item for item in records if item["request"]["timestamp"] // 86_400_000 == day]
            self.delivered.append(part)
            self.bench.deliver(part)

    def teardown(self) -> None:
        if not getattr(self, "delivered", None):
            return
        bench = self.bench
        # What the hourly tick does: load what is missing anywhere, rebuild what is behind.
        bench.warehouse.load(bench.archive, *EVERYTHING)
        for start, end in ranges(bench.warehouse.stale_dates(MODELS, FIRST, LAST)):
            bench.build(start, end)
        assert bench.warehouse.stale_dates(MODELS, FIRST, LAST) == []
        # What no hit ever touched is nobody's task; built from scratch it has its hours of zeros.
        built = {row[0] for row in bench.rows("select distinct event_date from raw.build_history")}
        for start, end in ranges({FIRST + timedelta(days=n) for n in range(DAYS)} - built):
            bench.build(start, end)

        scratch = type(self).make_bench()
        scratch.archive = bench.archive
        scratch.warehouse.load(bench.archive, *EVERYTHING)
        scratch.build(FIRST, LAST)
        replayed, rebuilt = bench.snapshot(FIRST, LAST), scratch.snapshot(FIRST, LAST)
        for model, rows in rebuilt.items():
            assert replayed[model] == rows, model
        target(float(sum(len(rows) for rows in rebuilt.values())), label="rows")


def _utc():
    from datetime import UTC

    return UTC


@pytest.mark.timeout(600 + 60 * HISTORIES)
def test_any_replay_equals_a_rebuild(make_bench, record) -> None:
    """Any sequence of loads, late objects, repeated deliveries and replays gives the rows of one build from scratch."""
    machine = type("BoundReplay", (Replay,), {"make_bench": staticmethod(make_bench), "record": staticmethod(record)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=HISTORIES, stateful_step_count=8, deadline=None, derandomize=HISTORIES == 4, database=None,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate],
        ),
    )  # fmt: skip


def test_daily_windows_give_the_sessions_of_one_run_over_everything(make_bench, record) -> None:
    """Dates built one by one, last first, have the sessions, and every other row, of one run over all of them."""
    rng = random.Random(7)
    one, daily = make_bench(), make_bench()
    daily.archive = one.archive
    for day in range(DAYS):
        for _ in range(6):
            when = datetime.combine(FIRST + timedelta(days=day), datetime.min.time(), _utc()) + timedelta(
                minutes=rng.randint(0, 1439)
            )
            one.deliver(random_records(rng, record, when))
    one.deliver(unbroken(record, datetime(2026, 1, 1, 20, tzinfo=_utc()), 70))
    one.build(FIRST, LAST)
    for day in reversed(range(DAYS)):
        start = FIRST + timedelta(days=day)
        daily.build(start, start + timedelta(days=1))
    assert (
        one.rows("select count(*) from events.sessions where session_started_at::date <> session_ended_at::date")[0][0]
        >= 1
    )
    # 70 hours without a pause: whole days behind them force a cut at the midnights of the 3rd and the 4th.
    assert one.rows("select session_started_at::date, hits > 1 from events.sessions where client_id = 'dave' order by 1") == [
        (date(2026, 1, 1), True), (date(2026, 1, 3), True), (date(2026, 1, 4), True)
    ]  # fmt: skip
    assert daily.snapshot(FIRST, LAST) == one.snapshot(FIRST, LAST)


def test_what_a_hit_changes_is_named_as_affected(make_bench, record) -> None:
    """The inverse of the read windows: rows change only on dates that `affected` names, whatever hit is added."""
    rng = random.Random(3)
    for attempt in range(3):
        before, after = make_bench(), make_bench()
        base = [
            random_records(
                rng, record, datetime(2026, 1, 1, tzinfo=_utc()) + timedelta(minutes=rng.randint(0, 1440 * DAYS - 200))
            )
            for _ in range(12)
        ]
        base.append(unbroken(record, datetime(2026, 1, 1, 23, 50, tzinfo=_utc()), 60))
        added = [record(datetime(2026, 1, 2 + attempt, 23, 45, tzinfo=_utc()), cid="dave", uid="late", z="1")]
        for records in base:
            before.deliver(records)
            after.deliver(records)
        after.deliver(added)
        first = FIRST - timedelta(days=3)
        before.build(first, LAST)
        after.build(first, LAST)
        named = affected([date(2026, 1, 2 + attempt)])
        old, new = before.snapshot(first, LAST), after.snapshot(first, LAST)
        for model, rows in new.items():
            columns = [row[0] for row in after.rows(f"select column_name from (describe {model})")]
            position = columns.index("event_date")
            changed = {row[position] for row in set(rows) ^ set(old[model])}
            assert changed <= named, model
        assert new["events.sessions"] != old["events.sessions"]


def test_load_window_covers_what_a_rebuild_reads() -> None:
    """A date's build reads from thirty dates before it to the date after it, wherever objects of those dates arrived in time."""
    start, end = load_window(Window(date(2026, 3, 1), date(2026, 3, 2)))
    assert start <= date(2026, 3, 1) - timedelta(days=30)
    assert end >= date(2026, 3, 2) + timedelta(days=1)
