"""What the models have to make of a planned date: counted from the plan's columns, never from the written lines.

The rules are the models' (dbt_models/): event time, duplicates, repeated purchases, sessions. A figure set is given for each
EVENT date that the generation touches: in total, for bots alone, and by tracking id, and the statistics by hour.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from simulations.audience import CURRENCIES, SHOPS
from simulations.config import DATES_AFTER, DATES_BEFORE, DAY_MS, MINUTE_MS, epoch_ms
from simulations.draws import Flags, Ints
from simulations.faults import ACCEPTED, REJECTED, Delivery
from simulations.figures_by_hour import figures_by_hour
from simulations.plan import IMPRESSIONS, KIND, KINDS, PROMOTIONS, REFUND_LINES, DayPlan, shown

SESSION_GAP_MS = 30 * MINUTE_MS
_RETRY_WINDOW_MS = DAY_MS

# Hit type by kind; a purchase is one or the other by luck.
_EVENTS = {"detail_event", "click", "add", "remove", "checkout_option", "refund", "event", "promotion_click"}
_OWN_TYPES = {"screen": "screenview", "timing": "timing", "exception": "exception", "social": "social"}
_ACTIONS = {
    "detail_page": "detail", "detail_event": "detail", "click": "click", "add": "add", "remove": "remove",
    "checkout": "checkout", "purchase": "purchase", "refund": "refund",
}  # fmt: skip

Figures = dict[str, Any]


def figures(plan: DayPlan, delivered: list[Delivery]) -> dict[str, Figures]:
    """The figures of each event date (ISO) that the generation touches: `total`, `bots`, `by_tracking_id`, `statistics`, and
    `rejected` requests by the date they were received on, `arrives_until`: the last arrival date of its records."""
    hits, visits = plan.hits, plan.visits
    first_day = plan.day - timedelta(days=DATES_BEFORE)
    days = DATES_BEFORE + 1 + DATES_AFTER
    when = (hits.event_at - epoch_ms(first_day)) // DAY_MS
    received_on = (hits.received - epoch_ms(first_day)) // DAY_MS
    shop, bot = visits.shop[hits.visit], visits.bot[hits.visit]
    copies, refused, arrival = _records(plan, delivered, when, received_on, days)
    retry = client_retries(plan)
    starts, session = sessions(plan, ~retry)
    began = np.append(when[starts][np.argsort(session[starts])], -1)[session - 1]
    repeat = repeat_purchases(plan, ~retry)

    def count(group: Flags) -> list[Figures]:
        """The figures of each date over the hits that `group` marks."""
        return [
            _figures(plan, group & (when == index), copies, retry, starts, repeat)
            | {"session_hits": int(np.count_nonzero(group & ~retry & (began == index)))}
            for index in range(days)
        ]

    total = count(np.ones(len(when), bool))
    bots = count(bot)
    shops = [count(shop == number) for number in range(len(SHOPS))]
    statistics = figures_by_hour(plan, epoch_ms(first_day), days, ~retry, repeat, starts, session)
    by_date = {}
    for index, until in enumerate(arrival):
        if until is None:
            continue
        by_date[(first_day + timedelta(days=index)).isoformat()] = {
            "total": total[index],
            "bots": bots[index],
            "by_tracking_id": {
                SHOPS[number].tracking_id(plan.live): by_day[index]
                for number, by_day in enumerate(shops)
                if by_day[index]["hits"] or by_day[index]["client_retries"]
            },
            **statistics[index],
            "rejected": int(refused[index]),
            "arrives_until": until.isoformat(),
        }
    return by_date


def arrivals(delivered: list[Delivery]) -> dict[str, dict[str, int]]:
    """The books of each arrival date (ISO): objects, lines, and of the lines accepted, rejected and malformed ones."""
    by_date: dict[str, Counter[str]] = {}
    for delivery in delivered:
        books = by_date.setdefault(_day_of(delivery.arrives).isoformat(), Counter())
        accepted, rejected, malformed = np.bincount(delivery.kinds, minlength=3).tolist()
        books.update(objects=1, lines=len(delivery.kinds), accepted=accepted, rejected=rejected, malformed=malformed)
    return {day: dict(books) for day, books in sorted(by_date.items())}


def client_retries(plan: DayPlan) -> Flags:
    """Which hits repeat an earlier one of the same client and `z`, received at most 24 h before: here `z` identifies the content, too."""
    hits = plan.hits
    retries = np.zeros(len(hits.z), bool)
    order = np.lexsort((hits.received, hits.z))
    same = np.diff(hits.z[order]) == 0
    soon = np.diff(hits.received[order]) <= _RETRY_WINDOW_MS
    retries[order[1:]] = same & soon
    return retries


def repeat_purchases(plan: DayPlan, kept: Flags) -> Flags:
    """Which purchases repeat the transaction of an earlier one that is no bot's (a generation spans less than the 30 days' lookback)."""
    hits = plan.hits
    repeats = np.zeros(len(hits.z), bool)
    seen = set()
    rows = np.flatnonzero(kept & (hits.kind == KIND["purchase"]))
    for row in rows[np.lexsort((hits.received[rows], hits.event_at[rows]))].tolist():
        # Within a shop a transaction belongs to one original hit, whatever blanks are around it.
        origin = int(hits.origin[row])
        if plan.orders[origin].transaction_id is not None:
            repeats[row] = origin in seen
            if not plan.visits.bot[int(hits.visit[row])]:
                seen.add(origin)
    return repeats


def sessions(plan: DayPlan, kept: Flags) -> tuple[Flags, Ints]:
    """Which hits begin a session, and the number of each hit's session (-1 for a hit that is not kept)."""
    hits = plan.hits
    rows = np.flatnonzero(kept)
    high, low = plan.event_id_bits()
    client, at = plan.visits.client[hits.visit], hits.event_at
    rows = rows[np.lexsort((low[rows], high[rows], hits.received[rows], at[rows], client[rows]))]
    other = np.diff(client[rows], prepend=-1) != 0
    gap = np.diff(at[rows], prepend=at[rows][:1])
    control = hits.control[rows]
    ended = np.zeros(len(rows), bool)
    ended[1:] = control[:-1] == 2
    paused = other | (gap >= SESSION_GAP_MS)
    begins = paused | (control == 1) | ended
    _cut_at_midnight(at[rows], paused, begins)
    starts, number = np.zeros(len(hits.z), bool), np.full(len(hits.z), -1, np.int64)
    starts[rows], number[rows] = begins, np.cumsum(begins)
    return starts, number


def _cut_at_midnight(at: Ints, paused: Flags, begins: Flags) -> None:
    """Begin a session at the first hit of a date before which activity never paused, the whole preceding date long.

    `at`: event times in the order of clients and time; `paused`: first hits after a pause of 30 minutes or of a client.
    """
    edges = np.append(np.flatnonzero(paused), len(at))
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if at[end - 1] - at[start] < DAY_MS:
            continue
        for midnight in range(-(-int(at[start]) // DAY_MS + 1) * DAY_MS, int(at[end - 1]) + 1, DAY_MS):
            # The date before was active from its first instant or from less than 30 minutes before it.
            if at[start] <= midnight - DAY_MS:
                begins[start + int(np.searchsorted(at[start:end], midnight))] = True


def _records(
    plan: DayPlan, delivered: list[Delivery], when: Ints, received_on: Ints, days: int
) -> tuple[Ints, Ints, list[date | None]]:
    """How often each hit was delivered too much, the refused requests and the last arrival of each date."""
    copies = np.full(len(plan.hits.z), -1, np.int64)
    refused = np.zeros(days, np.int64)
    last: list[date | None] = [None] * days
    for delivery in sorted(delivered, key=lambda delivery: delivery.arrives):
        accepted = delivery.rows[delivery.kinds == ACCEPTED]
        rejected = received_on[delivery.rows[delivery.kinds == REJECTED]]
        copies += np.bincount(accepted, minlength=len(copies))
        refused += np.bincount(rejected, minlength=days)
        for index in {*when[accepted].tolist(), *rejected.tolist()}:
            last[index] = _day_of(delivery.arrives)
    return copies, refused, last


def _figures(plan: DayPlan, rows: Flags, copies: Ints, retry: Flags, starts: Flags, repeat: Flags) -> Figures:
    hits = plan.hits
    kept = rows & ~retry
    kept_rows = np.flatnonzero(kept)
    kinds, luck = hits.kind[kept_rows], hits.luck[kept_rows]
    kind_counts = dict(zip(KINDS, np.bincount(kinds, minlength=len(KINDS)).tolist(), strict=True))
    bought = kept_rows[kinds == KIND["purchase"]]
    counted = bought[~repeat[bought]].tolist()
    orders = [plan.orders[int(hits.origin[row])] for row in counted]
    currencies = [plan.visits.currency(int(hits.visit[row])) for row in counted]

    types: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    for kind, n in kind_counts.items():
        if kind != "purchase":
            types[_OWN_TYPES.get(kind) or ("event" if kind in _EVENTS else "pageview")] += n
        if kind in _ACTIONS and kind not in ("purchase", "refund"):
            actions[_ACTIONS[kind]] += n
    as_page = int(np.count_nonzero(hits.luck[bought] % np.uint64(4)))
    types.update(pageview=as_page, event=len(bought) - as_page)
    actions["purchase"] = sum(len(order.lines) for order in orders)
    actions["refund"] = _shown(REFUND_LINES, luck[kinds == KIND["refund"]])
    return {
        "hits": len(kept_rows),
        "hit_types": _without_zeros(types),
        "duplicate_deliveries": int(copies[rows].sum()),
        "client_retries": int(np.count_nonzero(rows & retry)),
        "sessions": int(np.count_nonzero(kept & starts)),
        "clients": len(np.unique(plan.visits.visitor[hits.visit[kept_rows]])),
        "product_actions": _without_zeros(actions),
        "impressions": _shown(IMPRESSIONS, luck[kinds == KIND["product_list"]]),
        "promotions": _shown(PROMOTIONS, luck[kinds == KIND["promotions"]]) + kind_counts["promotion_click"],
        "purchases": len(orders),
        "purchases_without_transaction_id": sum(order.transaction_id is None for order in orders),
        "repeat_purchases": int(np.count_nonzero(repeat[bought])),
        "revenue": _sums(currencies, [order.revenue for order in orders]),
        "tax": _sums(currencies, [order.tax for order in orders]),
        "shipping": _sums(currencies, [order.shipping for order in orders]),
    }


def _shown(many: tuple[int, int], luck: np.ndarray) -> int:
    return sum(shown(many, number) for number in luck.tolist())


def _without_zeros(counts: Counter[str]) -> dict[str, int]:
    return {name: n for name, n in sorted(counts.items()) if n}


def _sums(currencies: list[str], amounts: list[int]) -> dict[str, str]:
    """Sums by currency as exact decimal text."""
    sums: Counter[str] = Counter()
    for currency, amount in zip(currencies, amounts, strict=True):
        sums[currency] += amount
    return {currency: str(Decimal(total).scaleb(-CURRENCIES[currency][0])) for currency, total in sorted(sums.items())}


def _day_of(ms: int) -> date:
    return date(1970, 1, 1) + timedelta(days=ms // DAY_MS)
