"""What overview_1h, overview_1d, revenue_1h and revenue_1d must say of a planned date: counted from the plan's columns.

Figures have the names of the tables' columns. They are given for each event date, tracking id and period ("day", or the hour from
"00" to "23"), zeros left out. `money` is by currency. `bought` holds pieces by product, so that generations add up: the distinct
products of two of them are not the sum of both.

Who is new depends on other generations, too: `seen` has, for each date and tracking id, everybody who may have been there on another
date, with the hour of the first hit that counts (-1: only seen, by a retry). `newcomers` makes figures of them, over all dates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from simulations import audience
from simulations.audience import SHOPS
from simulations.config import DAY_MS, HOUR_MS
from simulations.draws import Flags, Ints
from simulations.plan import KIND, DayPlan

WHOLE_DAY = "day"
PERIODS = (*(f"{hour:02d}" for hour in range(24)), WHOLE_DAY)
"""What figures are given for: each hour, and the day."""

# The product actions that the overview counts, by kind of hit; each of them names one product.
_ACTIONS = {"click": ("click",), "detail": ("detail_page", "detail_event"), "add": ("add",), "remove": ("remove",)}
_NO_PAGEVIEWS = (
    "detail_event", "click", "add", "remove", "checkout_option", "refund", "event", "promotion_click",
    "screen", "timing", "exception", "social",
)  # fmt: skip


class _Groups:
    """Counts by (date, period, shop) of chosen hits. Each hit is in two groups: its hour's and its day's."""

    def __init__(self, plan: DayPlan, first_ms: int, days: int) -> None:
        at = plan.hits.event_at - first_ms
        shop = plan.visits.shop[plan.hits.visit]
        self.at, self.days = at, days
        self.size = days * len(PERIODS) * len(SHOPS)
        self._keys = [
            (at // DAY_MS * len(PERIODS) + period) * len(SHOPS) + shop for period in (at % DAY_MS // HOUR_MS, 24)
        ]
        self.figures: list[dict[str, Any]] = [{} for _ in range(self.size)]

    def of(self, row: int) -> Iterator[dict[str, Any]]:
        """The figures of the groups of a hit."""
        return (self.figures[int(keys[row])] for keys in self._keys)

    def count(self, name: str, rows: Ints) -> None:
        """How many `rows` there are."""
        self._put(name, sum(np.bincount(keys[rows], minlength=self.size) for keys in self._keys))

    def distinct(self, name: str, rows: Ints, ids: np.ndarray) -> None:
        """How many different `ids` the rows have; one for each row."""
        _, number = np.unique(ids, return_inverse=True)
        many = len(rows) + 1
        pairs = [np.unique(keys[rows] * many + number) // many for keys in self._keys]
        self._put(name, sum(np.bincount(pair, minlength=self.size) for pair in pairs))

    def _put(self, name: str, counts: Any) -> None:
        for group in np.flatnonzero(counts).tolist():
            self.figures[group][name] = int(counts[group])


def figures_by_hour(
    plan: DayPlan, first_ms: int, days: int, kept: Flags, repeat: Flags, starts: Flags, session: Ints
) -> list[dict[str, Any]]:
    """For each of `days` from `first_ms` on: `statistics`, figures by tracking id and period, and `seen`. `kept` are the hits that
    are in logs, `session` numbers the sessions, `starts` and `repeat` mark first hits and repeated purchases."""
    hits, visits = plan.hits, plan.visits
    groups = _Groups(plan, first_ms, days)
    groups.count("bot_hits", np.flatnonzero(kept & visits.bot[hits.visit]))
    human = kept & ~visits.bot[hits.visit]
    rows = np.flatnonzero(human)
    groups.count("hits", rows)
    groups.distinct("count_active_sessions", rows, session[rows])
    groups.count("count_new_sessions", np.flatnonzero(human & starts))
    groups.distinct("count_active_clients", rows, visits.client[hits.visit[rows]])
    users = audience.user_numbers(visits.person, visits.luck, visits.bot)[hits.visit]
    known = np.flatnonzero(human & (users >= 0))
    groups.distinct("count_active_users", known, users[known])

    kind = hits.kind
    by_event = (kind == KIND["purchase"]) & (hits.luck % np.uint64(4) == 0)
    other = np.isin(kind, [KIND[name] for name in _NO_PAGEVIEWS]) | by_event
    groups.count("pageviews", np.flatnonzero(human & ~other))
    for action, kinds in _ACTIONS.items():
        acted = np.flatnonzero(human & np.isin(kind, [KIND[name] for name in kinds]))
        groups.count(f"sum_of_pa_{action}", acted)
        groups.distinct(f"pa_{action}s", acted, session[acted] * np.int64(1 << 20) + hits.product[acted])
    _money(plan, groups, np.flatnonzero(human & (kind == KIND["purchase"]) & ~repeat).tolist())
    for row in np.flatnonzero(human & (kind == KIND["refund"])).tolist():
        for figures in groups.of(row):
            # The simulator's refunds name neither an amount nor a currency, and an order of long ago.
            _add(figures, "(not set)", {"refunds": 1})
    seen = _visitors(plan, groups, kept)
    return [
        {"statistics": statistics, "seen": ids}
        for statistics, ids in zip(_by_date(plan, groups, days), seen, strict=True)
    ]


def _visitors(plan: DayPlan, groups: _Groups, kept: Flags) -> list[dict[str, dict[str, dict[str, int]]]]:
    """`seen` of each date. Whoever cannot be in another generation is counted as new at once."""
    hits, visits = plan.hits, plan.visits
    day, hour = groups.at // DAY_MS, groups.at % DAY_MS // HOUR_MS
    shop, visitor = visits.shop[hits.visit], visits.visitor[hits.visit]
    returns = np.isin(visitor >> np.uint64(60), [audience.NIGHT >> np.uint64(60), audience.DAY >> np.uint64(60)])
    user = audience.user_numbers(visits.person, visits.luck, visits.bot)[hits.visit]
    rows = np.flatnonzero(~visits.bot[hits.visit])
    rows = rows[np.lexsort((groups.at[rows],))]
    seen: list[dict[str, dict[str, dict[str, int]]]] = [{} for _ in range(groups.days)]
    for kind, number, there in (
        ("clients", visitor, rows),
        ("users", user.astype(np.uint64), rows[user[rows] >= 0]),
    ):
        # Ids are those of a shop: its number goes into bits that neither visitors nor users have.
        ids = number * np.uint64(len(SHOPS)) + shop.astype(np.uint64)
        _, code = np.unique(ids, return_inverse=True)
        key = day * (len(ids) + 1) + code
        every, first = np.unique(key[there], return_index=True)
        counting = there[kept[there]]
        known, first_counting = np.unique(key[counting], return_index=True)
        hours = np.full(len(every), -1, np.int64)
        at_row = np.full(len(every), -1, np.int64)
        place = np.searchsorted(every, known)
        hours[place], at_row[place] = hour[counting[first_counting]], counting[first_counting]
        met = there[first]
        _, debut = np.unique(code[met], return_index=True)
        is_debut = np.zeros(len(met), bool)
        is_debut[debut] = True
        once = ~returns[met]
        groups.count(f"count_new_{kind}", at_row[once & is_debut & (hours >= 0)])
        for index in np.flatnonzero(~once).tolist():
            row = int(met[index])
            by_kind = seen[int(day[row])].setdefault(
                SHOPS[int(shop[row])].tracking_id(plan.live), {"clients": {}, "users": {}}
            )
            by_kind[kind][f"{int(number[row])}"] = int(hours[index])
    return seen


def newcomers(
    today: Mapping[str, Mapping[str, Mapping[str, int]]],
    before: Sequence[Mapping[str, Mapping[str, Mapping[str, int]]]],
) -> dict[str, dict[str, dict[str, int]]]:
    """count_new_clients and count_new_users of a date by tracking id and period, from `seen` of it and of the dates before it."""
    new: dict[str, dict[str, dict[str, int]]] = {}
    for tracking_id, kinds in today.items():
        for kind, ids in kinds.items():
            known = set().union(*(date[tracking_id][kind] for date in before if tracking_id in date))
            for name, hour in ids.items():
                if hour >= 0 and name not in known:
                    for period in (PERIODS[hour], WHOLE_DAY):
                        figures = new.setdefault(tracking_id, {}).setdefault(period, {})
                        figures[f"count_new_{kind}"] = figures.get(f"count_new_{kind}", 0) + 1
    return new


def _money(plan: DayPlan, groups: _Groups, purchases: list[int]) -> None:
    for row in purchases:
        order, currency = plan.orders[int(plan.hits.origin[row])], plan.visits.currency(int(plan.hits.visit[row]))
        amounts = {
            "transaction_revenue": order.revenue, "transaction_tax": order.tax, "transaction_shipping": order.shipping,
        }  # fmt: skip
        for figures in groups.of(row):
            _add(figures, currency, {"transactions": 1, **amounts})
            bought = figures.setdefault("bought", Counter())
            for number, quantity in order.lines:
                bought[f"{number}"] += quantity


def _add(figures: dict[str, Any], currency: str, amounts: dict[str, int]) -> None:
    figures.setdefault("money", {}).setdefault(currency, Counter()).update(amounts)


def _by_date(plan: DayPlan, groups: _Groups, days: int) -> list[dict[str, dict[str, dict[str, Any]]]]:
    by_date: list[dict[str, dict[str, dict[str, Any]]]] = [{} for _ in range(days)]
    for group, figures in enumerate(groups.figures):
        if figures:
            rest, shop = divmod(group, len(SHOPS))
            day, period = divmod(rest, len(PERIODS))
            money = {
                currency: {
                    name: audience.money(value, currency) if name.startswith("transaction_") else value
                    for name, value in amounts.items()
                }
                for currency, amounts in figures.pop("money", {}).items()
            }
            bought = figures.pop("bought", {})
            figures |= ({"money": money} if money else {}) | ({"bought": dict(bought)} if bought else {})
            by_date[day].setdefault(SHOPS[shop].tracking_id(plan.live), {})[PERIODS[period]] = figures
    return by_date
