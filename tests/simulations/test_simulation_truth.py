"""The truth against the written archive, recomputed here line by line in plain Python from the rules of the models."""

from __future__ import annotations

import gzip
import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collector.archive_keys import parse_key
from simulations.config import TrafficConfig
from simulations.expectation import client_retries
from simulations.generate import plan_day
from simulations.history import write_day
from simulations.protocols import read_shares
from simulations.truth import Expected, expected

DAY_MS = 86_400_000
HALF_HOUR_MS = 1_800_000
FIRST, DAYS = date(2026, 1, 5), 5
# Everything that can go wrong goes wrong often.
ROUGH = TrafficConfig(
    seed=7,
    hits_per_day=3000,
    bots=0.08,
    marathon_bots=0.7,
    duplicate_deliveries=0.03,
    client_retries=0.04,
    queued=0.08,
    skewed_queue_times=0.02,
    late_objects=0.15,
    outages=0.5,
    malformed_lines=0.01,
    rejected=0.01,
    repeat_purchases=0.5,
    purchases_without_id=0.2,
    session_controls=0.06,
)
BOT_WORDS = ("bot", "Bot")


class Reading:
    """All lines of an archive, taken apart with nothing but the standard library."""

    def __init__(self, archive: Path) -> None:
        self.records: list[dict[str, Any]] = []
        self.books: dict[date, Counter[str]] = defaultdict(Counter)
        self.arrived: dict[str, set[date]] = defaultdict(set)
        for path in sorted(archive.rglob("*.gz")):
            key = parse_key(str(path.relative_to(archive)))
            assert key is not None, path
            lines = gzip.decompress(path.read_bytes()).split(b"\n")
            assert lines.pop() == b"", "an object ends with a newline"
            books = self.books[key.arrival_date]
            books["objects"] += 1
            for line in lines:
                books["lines"] += 1
                try:
                    record = json.loads(line.decode())
                except ValueError:
                    books["malformed"] += 1
                    continue
                books["rejected" if "rejected" in record else "accepted"] += 1
                self.arrived[record["event_id"]].add(key.arrival_date)
                self.records.append(record)


def event_at(record: dict[str, Any]) -> int:
    """Event time, with a reading of `qt` of its own: a number of at least 0 counts, up to 4 h."""
    try:
        queue = Decimal(record["request"]["body"].get("qt", "0"))
        queue = queue if queue.is_finite() else Decimal(0)
    except ArithmeticError:
        queue = Decimal(0)
    return int(record["request"]["timestamp"] - int(min(max(queue, Decimal(0)), Decimal(4 * 3_600_000))))


def day_of(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1000, UTC).date()


def is_bot(record: dict[str, Any]) -> bool:
    return any(word in record["context"]["user_agent"] for word in BOT_WORDS)


def recompute(reading: Reading) -> dict[tuple[date, str], Counter[str]]:
    """Flat figures by (event date, group): group is `total`, `bots` or a tracking id."""
    figures: dict[tuple[date, str], Counter[str]] = defaultdict(Counter)

    def add(record: dict[str, Any], name: str, n: int | Decimal = 1) -> None:
        day = day_of(event_at(record))
        for group in ("total", record["context"]["tracking_id"], *(["bots"] if is_bot(record) else [])):
            figures[day, group][name] += n  # type: ignore[assignment]

    hits: dict[str, dict[str, Any]] = {}
    for record in reading.records:
        if "rejected" in record:
            figures[day_of(record["request"]["timestamp"]), "total"]["rejected"] += 1
        elif record["event_id"] in hits:
            assert hits[record["event_id"]] == record, "a second delivery is the same record"
            add(record, "duplicate_deliveries")
        else:
            hits[record["event_id"]] = record

    kept = []
    last_seen: dict[tuple[str, str, str], int] = {}
    for record in sorted(hits.values(), key=lambda r: (r["request"]["timestamp"], r["event_id"])):
        key = (record["context"]["tracking_id"], record["context"]["client_id"], record["request"]["body"]["z"])
        received = record["request"]["timestamp"]
        if key in last_seen and received - last_seen[key] <= DAY_MS:
            add(record, "client_retries")
        else:
            kept.append(record)
        last_seen[key] = received

    seen_transactions = set()
    clients: dict[tuple[date, str], set[str]] = defaultdict(set)
    activity: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for record in sorted(kept, key=lambda r: (event_at(r), r["request"]["timestamp"], r["event_id"])):
        body = record["request"]["body"]
        day, tid, cid = day_of(event_at(record)), record["context"]["tracking_id"], record["context"]["client_id"]
        activity[tid, cid].append(record)
        for group in ("total", tid, *(["bots"] if is_bot(record) else [])):
            clients[day, group].add(cid)
        add(record, "hits")
        add(record, f"hit_types.{body['t']}")
        add(record, "impressions", sum(k.startswith("il1pi") and k.endswith("id") for k in body))
        add(record, "promotions", sum(k.startswith("promo") and k.endswith("id") for k in body))
        action = body.get("pa")
        products = sum(k.startswith("pr") and k[2:-2].isdigit() and k.endswith("id") for k in body)
        if action == "purchase":
            ti = body.get("ti")
            if ti is None:
                add(record, "purchases_without_transaction_id")
            else:
                transaction = (tid, ti.strip())
                if transaction in seen_transactions:
                    add(record, "repeat_purchases")
                    continue
                seen_transactions.add(transaction)
            add(record, "purchases")
            for name, parameter in (("revenue", "tr"), ("tax", "tt"), ("shipping", "ts")):
                add(record, f"{name}.{body['cu']}", Decimal(body[parameter]))
        if action is not None and products:
            add(record, f"product_actions.{action}", products)

    for sequence in activity.values():
        starts = [id(record) for record in session_starts(sequence)]
        for record in sequence:
            if id(record) in starts:
                first = record
                add(first, "sessions")
            add(first, "session_hits")
    for group, cids in clients.items():
        figures[group]["clients"] = len(cids)
    return figures


def session_starts(sequence: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Sessions, one hit after the other; the midnight rule by looking at every gap of the day before."""
    times = [event_at(record) for record in sequence]
    for i, record in enumerate(sequence):
        body = record["request"]["body"]
        paused = i == 0 or times[i] - times[i - 1] >= HALF_HOUR_MS
        ended = i > 0 and sequence[i - 1]["request"]["body"].get("sc") == "end"
        if paused or ended or body.get("sc") == "start" or cut_at_midnight(times, i):
            yield record


def cut_at_midnight(times: list[int], i: int) -> bool:
    midnight = times[i] // DAY_MS * DAY_MS
    if times[i - 1] >= midnight:
        return False
    day_before = midnight - DAY_MS
    j = i
    while j > 0 and times[j] > day_before:
        if times[j] - times[j - 1] >= HALF_HOUR_MS:
            return False
        j -= 1
    return times[j] == day_before or day_before - HALF_HOUR_MS < times[j] < day_before


def flat(figures: dict[str, Any], prefix: str = "") -> dict[str, int | Decimal]:
    """Nested figures as dotted names, without zeros, money as Decimal."""
    found: dict[str, int | Decimal] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        elif Decimal(value):
            found[prefix + name] = Decimal(value) if isinstance(value, str) else value
    return found


def compare(truth: Expected, reading: Reading) -> None:
    recomputed = {
        group: {k: v for k, v in counts.items() if v}
        for group, counts in recompute(reading).items()
        if any(counts.values())
    }
    stated = {}
    for day, found in truth.dates.items():
        stated[day, "total"] = flat(found.total) | ({"rejected": found.rejected} if found.rejected else {})
        stated[day, "bots"] = flat(found.bots)
        for tid, figures in found.by_tracking_id.items():
            stated[day, tid] = flat(figures)
    assert {group: counts for group, counts in stated.items() if counts} == {
        group: counts for group, counts in recomputed.items() if counts
    }
    books = {day: {k: n for k, n in counts.items() if n} for day, counts in truth.arrivals.items()}
    assert books == {day: dict(counts) for day, counts in reading.books.items()}


@pytest.fixture(scope="module")
def rough(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five consecutive dates of rough traffic."""
    data = tmp_path_factory.mktemp("rough")
    for n in range(DAYS):
        write_day(data / "archive", FIRST + timedelta(days=n), ROUGH)
    return data


def test_truth_of_rough_traffic_equals_a_recomputation_from_the_archive(rough: Path) -> None:
    """Invariant 5 rests on the truth: it has to follow from the written lines, with every fault at work, and add up
    over dates (a visitor of two generations must not join their sessions)."""
    truth = expected(rough / "truth", FIRST - timedelta(days=10), FIRST + timedelta(days=30))
    reading = Reading(rough / "archive")
    compare(truth, reading)
    present = {name for found in truth.dates.values() for name in flat(found.total)}
    faults = {"duplicate_deliveries", "client_retries", "repeat_purchases", "purchases_without_transaction_id"}
    assert faults <= present, "this traffic proves too little"


@pytest.mark.parametrize(("seed", "protocols"), [(1, "v1"), (2, "v1"), (3, "v1=1,ga4=2,ga4_mp=2,segment=2")])
def test_truth_of_default_traffic_equals_a_recomputation(tmp_path: Path, seed: int, protocols: str) -> None:
    """The figures the demo is checked with, for the default rates; clients of other protocols do not change them."""
    config = TrafficConfig(seed=seed, hits_per_day=4000, protocols=read_shares(protocols))
    for n in range(3):
        write_day(tmp_path / "archive", FIRST + timedelta(days=n), config)
    truth = expected(tmp_path / "truth", FIRST - timedelta(days=10), FIRST + timedelta(days=30))
    compare(truth, Reading(tmp_path / "archive"))


def test_an_event_date_is_complete_when_its_last_object_is_loaded(rough: Path) -> None:
    """A late object must not make the truth check fail before it has arrived."""
    truth = expected(rough / "truth", FIRST - timedelta(days=2), FIRST + timedelta(days=10))
    reading = Reading(rough / "archive")
    last: dict[date, date] = {}
    for record in reading.records:
        at = record["request"]["timestamp"] if "rejected" in record else event_at(record)
        last[day_of(at)] = max(last.get(day_of(at), date.min), *reading.arrived[record["event_id"]])
    assert {day: found.arrives_until for day, found in truth.dates.items() if found.arrives_until} == last
    for day, until in last.items():
        for loaded_before, complete in ((until, False), (until + timedelta(days=1), True)):
            again = expected(rough / "truth", day, day + timedelta(days=1), loaded_before)
            assert again.dates[day].complete is complete


def test_ids_are_unique_and_uuids(rough: Path) -> None:
    """Two hits with one event id would be taken for a duplicate delivery."""
    reading = Reading(rough / "archive")
    by_id: dict[str, dict[str, Any]] = {}
    for record in reading.records:
        assert str(uuid.UUID(record["event_id"])) == record["event_id"]
        assert by_id.setdefault(record["event_id"], record) == record


def test_no_client_couples_two_generations() -> None:
    """The truth of an event date is a sum over generations: nobody may have one session, or one date, in two of them."""
    seen: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for n in range(8):
        plan = plan_day(FIRST + timedelta(days=n), replace(ROUGH, hits_per_day=40_000, skewed_queue_times=0.05))
        kept = ~client_retries(plan)
        people, at = plan.visits.visitor[plan.hits.visit][kept], plan.hits.event_at[kept]
        order = np.argsort(people, kind="stable")
        edges = np.flatnonzero(np.diff(people[order])) + 1
        for rows in np.split(order, edges):
            seen[int(people[rows[0]])].append((int(at[rows].min()), int(at[rows].max()), n))
    returning = [sorted(spans) for spans in seen.values() if len(spans) > 1]
    assert len(returning) > 1_000, "visitors do come back"
    next_day = 0
    for spans in returning:
        for (_, end, earlier), (start, _, later) in pairwise(spans):
            assert start - end >= HALF_HOUR_MS and start // DAY_MS > end // DAY_MS
            next_day += later - earlier == 1
    assert next_day > 100, "also on the next date"
