"""Hundreds of small histories in one archive, each under a tracking id of its own, against the plain reading of the rules.

They are adversarial in what the rules turn on: equal instants, 30 minutes, 24 hours, 30 days and a millisecond off each, ids that
differ in case or blanks, copies, retries, robots, several currencies, refunds of every kind, unbroken visits over midnights.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest

from ingestion_platform.resources.warehouse import LOG_ID_NAMESPACE

_spec = spec_from_file_location("models_reference", Path(__file__).with_name("reference.py"))
assert _spec is not None and _spec.loader is not None
reference = module_from_spec(_spec)
__import__("sys").modules["models_reference"] = reference
_spec.loader.exec_module(reference)

HISTORIES = 400
FIRST, LAST = date(2026, 1, 9), date(2026, 3, 29)
SESSION_NAMESPACE = UUID("1ff91478-1da1-431f-b1fd-3ec39fff283c")
ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
MS, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("milliseconds", "minutes", "hours", "days"))
STEPS = [
    timedelta(0), timedelta(0), MS, MINUTE, 5 * MINUTE, 30 * MINUTE - MS, 30 * MINUTE, 24 * HOUR - MS, 24 * HOUR, 24 * HOUR + MS,
    30 * DAY - MS, 30 * DAY, 30 * DAY + MS, 29 * DAY,
]  # fmt: skip
CHOICES: dict[str, tuple[str | None, ...]] = {
    "cid": ("a", "a", "a", " a\t", "b"),
    "uid": (None, None, "u1", "u2"),
    "t": ("pageview", "event", "event", "transaction"),
    "pa": ("purchase", "purchase", "refund", "refund", None, "detail", " Purchase"),
    "ti": ("T1", "T1", "T1", "t1", " T1\n", None, "\u00a0T1"),
    "tr": ("30", "10.005", "-30", "0", None, None, "1e1", "1,000", "+7.", "\u0663"),
    "cu": ("EUR", "EUR", "usd", None),
    "z": (None, "1", "1", "2"),
    "dl": (None, "https://shop.example/a", "https://shop.example/b"),
    "sc": (None, None, None, None, "start", "end"),
    "qt": (None, None, None, "1000", "86400000"),
    "pr1id": (None, None, "A", " "),
    "pr1qt": (None, "", "9e14"),
}


def history(rng: random.Random, shop: str, record: Any) -> list[dict[str, Any]]:
    """The records of one tracking id, in the order of their receipt."""
    start = datetime(2026, 1, 10, *rng.choice([(0, 0), (10, 0), (23, 45), (23, 59)]), tzinfo=UTC)
    if rng.random() < 0.02:
        return [record(start + 29 * MINUTE * n, tid=shop, cid="a") for n in range(rng.choice((55, 110, 160)))]
    made: list[dict[str, Any]] = []
    moment = start
    for number in range(rng.randint(2, 10)):
        step = rng.choice(STEPS)
        if moment + step < datetime.combine(LAST, datetime.min.time(), UTC) - 2 * DAY:
            moment += step
        if made and rng.random() < 0.15:
            # Delivered again, as it is or as something else under the same id.
            made.append(
                rng.choice(made) if rng.random() < 0.7 else {**made[-1], "event_id": rng.choice(made)["event_id"]}
            )
            continue
        chosen = {name: rng.choice(values) for name, values in CHOICES.items()}
        if made and rng.random() < 0.3:
            chosen = {**made[-1]["request"]["body"], "sc": None}
        chosen.pop("tid", None)
        if chosen.get("uid") and rng.random() < 0.1:
            chosen["cid"] = None
        agent = {"agent": ROBOT} if rng.random() < 0.2 else {}
        hit = record(
            moment,
            event_id=f"{shop}-{rng.randint(0, 99):02d}-{number}",
            tid=shop,
            **agent,
            **{k: v or "" for k, v in chosen.items()},
        )
        made.append(hit)
    return sorted(made, key=lambda one: one["request"]["timestamp"])


def deliver(bench: Any, records: Iterable[dict[str, Any]]) -> list[Any]:
    """An object for each date of receipt; gives the reference's hits."""
    by_date: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for one in records:
        by_date[one["request"]["timestamp"] // 86_400_000].append(one)
    hits = []
    for some in by_date.values():
        key = bench.deliver(some)
        for row, one in enumerate(some, 1):
            log_id = str(uuid5(UUID(LOG_ID_NAMESPACE), f"{key}:{row}"))
            hits.append(reference.read(one, log_id, [ROBOT]))
    return hits


def session_id(hit: Any) -> str:
    first = hit.session.first
    return str(uuid5(SESSION_NAMESPACE, f"{first.shop}|{first.visitor}|{first.event_id}"))


def naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def expected(hits: Sequence[Any]) -> dict[str, set[tuple[Any, ...]]]:
    """The rows that the marts and statistics must have, by name of `QUERIES`; `hits` are of one tracking id, or of all."""
    kept = [hit for hit in hits if hit.session]
    sessions = {id(hit.session): hit.session for hit in kept}.values()
    by_day: dict[date, list[Any]] = defaultdict(list)
    for hit in kept:
        by_day[hit.at.date()].append(hit)
    return {
        "duplicates": {(hit.log_id, hit.duplicate) for hit in hits if hit.duplicate},
        "logs": {
            (
                hit.log_id, hit.at.date(), hit.bot, hit.repeat, hit.is_refund, hit.repeat_refund, *hit.refund, session_id(hit),
                naive(hit.session.first.at), 1 + next(n for n, one in enumerate(hit.session.hits) if one is hit),
                reference.number(hit.body.get("tr")),
            )
            for hit in kept
        },
        "sessions": {
            (
                session_id(one.first), one.first.at.date(), naive(one.hits[-1].at), len(one.hits), sum(hit.counts for hit in one.hits),
                all(hit.bot for hit in one.hits), len({hit.user for hit in one.hits} - {None}),
                tuple(sorted(one.revenue.items())),
            )
            for one in sessions
        },
        "overview": {row for day, some in by_day.items() for row in [overview(day, some)]},
        "revenue": {row for day, some in by_day.items() for row in revenue(day, some)},
    }  # fmt: skip


def overview(day: date, kept: Sequence[Any]) -> tuple[Any, ...]:
    people = [hit for hit in kept if not hit.bot]
    bought = [hit for hit in kept if hit.counts]
    currencies = {hit.body.get("cu") or "(not set)" for hit in bought}
    items = sum(
        int(reference.number(hit.body["pr1qt"]) or 0)
        for hit in bought
        if hit.body.get("pr1qt") and hit.body.get("pa") == "purchase"
    )
    return (
        day, len(people), len(kept) - len(people), len({session_id(hit) for hit in people}),
        sum(hit.session.first is hit for hit in people), len(bought), max(currencies) if len(currencies) == 1 else None,
        sum((reference.number(hit.body.get("tr")) or Decimal(0) for hit in bought), Decimal(0)) if len(currencies) < 2 else None,
        items,
    )  # fmt: skip


def revenue(day: date, kept: Sequence[Any]) -> Iterable[tuple[Any, ...]]:
    bought = [hit for hit in kept if hit.counts]
    returned = [hit for hit in kept if hit.is_refund and not hit.bot and not hit.repeat_refund]
    for currency in {hit.body.get("cu") for hit in bought} | {hit.refund[1] for hit in returned}:
        some = [reference.number(hit.body.get("tr")) or Decimal(0) for hit in bought if hit.body.get("cu") == currency]
        back = [hit.refund[0] or Decimal(0) for hit in returned if hit.refund[1] == currency]
        average = (sum(some, Decimal(0)) / len(some)).quantize(Decimal("0.01"), ROUND_HALF_UP) if some else None
        yield (
            day,
            currency or "(not set)",
            len(some),
            sum(some, Decimal(0)),
            average,
            len(back),
            sum(back, Decimal(0)),
        )


QUERIES = {
    "duplicates": "select tracking_id, log_id, duplicate_kind from events.duplicates",
    "logs": """select tracking_id, log_id, event_date, is_bot, is_repeat_purchase, is_refund, is_repeat_refund, refund_amount,
        refund_currency_code, session_id, session_started_at, session_hit_number, transaction_revenue from events.logs""",
    "sessions": """select tracking_id, session_id, event_date, session_ended_at, hits, purchases, is_bot, user_ids,
        coalesce(revenue_by_currency, '{}') from events.sessions""",
    "overview": """select tracking_id, event_date, hits, bot_hits, count_active_sessions, count_new_sessions, transactions,
        currency_code, transaction_revenue, purchased_items from stats.overview_1d where hits + bot_hits > 0""",
    "revenue": """select tracking_id, event_date, currency_code, transactions, transaction_revenue, avg_order_value, refunds,
        refunded_revenue from stats.revenue_1d""",
}


def found(bench: Any) -> dict[str, dict[str, set[tuple[Any, ...]]]]:
    rows: dict[str, dict[str, set[tuple[Any, ...]]]] = defaultdict(lambda: {name: set() for name in QUERIES})
    for name, sql in QUERIES.items():
        for shop, *row in bench.rows(sql):
            if name == "sessions":
                row[-1] = tuple(sorted((currency, Decimal(amount)) for currency, amount in json.loads(row[-1]).items()))
            assert tuple(row) not in rows[shop][name], (name, row)
            rows[shop][name].add(tuple(row))
    return rows


def compare(got: Any, wanted: dict[str, list[Any]]) -> None:
    for shop, hits in wanted.items():
        for name, rows in expected(hits).items():
            if shop == "(all)" and name not in ("overview", "revenue"):
                continue
            if got[shop][name] != rows:
                told = "\n".join(
                    f"{naive(hit.at)} {hit.event_id} {hit.log_id[:6]} {hit.bot and 'BOT'} { {k: v for k, v in hit.body.items() if v} }"
                    for hit in sorted(hits, key=lambda h: h.order)[:20]
                )
                raise AssertionError(
                    f"{shop} {name}:\nonly the models {got[shop][name] - rows}\nonly the reference {rows - got[shop][name]}\n{told}"
                )


@pytest.mark.timeout(600)
def test_random_histories_come_out_as_the_rules_say(bench, record) -> None:
    """Duplicates, repeats, refunds, sessions and money of every history; a date that is built again, alone, stays as it is."""
    rng = random.Random(14)
    shops = {f"H{n:03d}": history(rng, f"H{n:03d}", record) for n in range(HISTORIES)}
    hits = deliver(bench, [one for records in shops.values() for one in records])
    wanted: dict[str, list[Any]] = {shop: [hit for hit in hits if hit.shop == shop] for shop in shops}
    for some in wanted.values():
        reference.process_request(some)
    wanted["(all)"] = hits
    bench.build(FIRST, LAST)
    compare(found(bench), wanted)
    kinds = {"client_retry", "duplicate_delivery"} <= {hit.duplicate for hit in hits}
    chains = [hit for hit in hits if hit.is_refund and "tr" not in hit.body and hit.refund[0] is not None]
    assert kinds and any(hit.repeat for hit in hits) and any(hit.repeat_refund for hit in hits), (
        "these histories prove too little"
    )
    for day in sorted({date(2026, 2, 9), date(2026, 3, 11), *(hit.at.date() for hit in chains[:1])}):
        bench.build(day, day + DAY)
    compare(found(bench), wanted)
