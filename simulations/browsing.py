"""Draws the visits of a date and what happens in them: when, which pages, which products, which orders.

Visits are drawn first, then their hits, all of a kind at a time, as columns. What goes wrong comes later (`faults`).
"""

from __future__ import annotations

from datetime import date

import numpy as np

from simulations import audience, shapes
from simulations.audience import BOT, DAY, LANES, NEW, NIGHT, SHOPS
from simulations.catalog import CHECKOUT, PAGES, THANKS, Order, order, popular
from simulations.config import HOUR_MS, TrafficConfig, epoch_ms
from simulations.draws import Bits, Draws, Flags, Ints, Purpose, mix, pick, uniform
from simulations.plan import KIND, Hits, Visits

# A visit ends at the latest so long after it began.
MAX_VISIT_MS = 6 * HOUR_MS
# Daytime visits keep to these hours at their longest: with a clock 4 h slow, or with a purchase loaded again 3 h later,
# nothing of theirs leaves the date.
DAYTIME_MS = (6 * HOUR_MS, 20 * HOUR_MS + HOUR_MS // 2)

_OTHER_KINDS = np.array([KIND[name] for name in shapes.OTHER_HITS])


def draw_visits(day: date, config: TrafficConfig) -> tuple[Visits, Ints, Ints]:
    """The visits of a date, the number of hits of each, and when each begins (epoch ms)."""
    draws = Draws(config.seed, day, Purpose.VISITS)
    n = visit_count(day, config)
    length = draws.shaped(shapes.SESSION_LENGTH, n).astype(np.int64)
    start = draws.pick(shapes.HOUR_WEIGHTS, n) * HOUR_MS + draws.below(HOUR_MS, n)
    luck = draws.bits(n)
    bot = draws.chance(config.bots, n)
    campaign = np.where(draws.chance(config.campaigns, n) & ~bot, draws.below(len(audience.CAMPAIGNS), n), -1)
    control = np.where(draws.chance(config.session_controls, n) & ~bot, 1 + draws.below(2, n), 0)

    # Most visitors are never seen again; of the others few come often.
    returning = draws.chance(0.42, n) & ~bot
    skewed = draws.uniform(n) * draws.uniform(n)
    pool = max(1, int(config.hits_per_day * 0.9))
    known = (skewed * pool).astype(np.uint64)
    longest = np.minimum((length - 1) * int(shapes.GAP_S[1][-1] * 1000), MAX_VISIT_MS)
    daytime = (start >= DAYTIME_MS[0]) & (start + longest < DAYTIME_MS[1])
    own = (np.uint64(day.toordinal()) << np.uint64(32)) + np.arange(n, dtype=np.uint64)
    night = NIGHT + known * np.uint64(LANES) + np.uint64(day.toordinal() % LANES)
    visitor = np.where(returning, np.where(daytime, DAY + known, night), NEW + own)
    visitor = np.where(bot, BOT + own, visitor)

    person = audience.personal(visitor, config.seed)
    # One visitor in fifty follows a link to another shop with the same client id.
    shop_draw = np.where(draws.chance(0.02, n), draws.uniform(n), uniform(mix(person, audience.SHOP)))
    shop = pick([shop.share for shop in SHOPS], shop_draw)
    client = _number_pairs(visitor, shop)
    return Visits(visitor, person, client, shop, bot, campaign, luck, control), length, start + epoch_ms(day)


def visit_count(day: date, config: TrafficConfig) -> int:
    """How many visits begin on a date."""
    return round(config.hits_per_day * shapes.WEEKDAY_FACTORS[day.weekday()] / MEAN_LENGTH)


def draw_hits(day: date, config: TrafficConfig, visits: Visits, length: Ints, start: Ints) -> Hits:
    """The hits of the visits, in the order of the visits and of time, received when they happened."""
    draws = Draws(config.seed, day, Purpose.HITS)
    n = int(length.sum())
    first = np.cumsum(length) - length
    visit = np.repeat(np.arange(len(length)), length)
    place = np.arange(n) - first[visit]

    gap = (draws.shaped(shapes.GAP_S, n) * 1000).astype(np.int64)
    # A few gaps sit on the very edge of the 30-minute rule, one millisecond to either side of it.
    edge = draws.uniform(n)
    gap = np.where(edge < 0.0006, 1_800_000 - (edge < 0.0003), gap)
    offset = np.cumsum(np.where(place == 0, 0, gap))
    offset -= offset[first[visit]]
    whole = offset[first + length - 1]
    squeeze = whole > MAX_VISIT_MS
    offset = np.where(squeeze[visit], offset * MAX_VISIT_MS // np.maximum(whole, 1)[visit], offset)
    happened = start[visit] + offset

    kind, product = _kinds(draws, visits, length, first, visit, place)
    location, referrer = _locations(draws, kind, product, visit, place)
    rows, zeros = np.arange(n), np.zeros(n, np.int64)
    return Hits(
        visit, rows, rows, kind, product, location, referrer, draws.bits(n),
        happened, zeros, [None] * n, zeros.copy(), zeros.copy(),
    )  # fmt: skip


def _locations(draws: Draws, kind: Ints, product: Ints, visit: Ints, place: Ints) -> tuple[Ints, Ints]:
    """The page each hit is sent from and the page before it. Events are sent from the page that was opened last."""
    n = len(kind)
    page = draws.below(len(PAGES) - 2, n)
    page[(place == 0) & draws.chance(0.4, n)] = 0
    page[kind == KIND["checkout"]] = CHECKOUT
    page[kind == KIND["purchase"]] = THANKS
    page = np.where((kind == KIND["detail_page"]) | (kind == KIND["detail_event"]), len(PAGES) + product, page)
    opens = (kind <= KIND["detail_event"]) | (place == 0)
    opened = np.maximum.accumulate(np.where(opens, np.arange(n), 0))
    before = opened[np.maximum(opened - 1, 0)]
    referrer = np.where(visit[before] == visit, page[before], -1)
    referrer[opened == before] = -1
    return page[opened], referrer


def _kinds(draws: Draws, visits: Visits, length: Ints, first: Ints, visit: Ints, place: Ints) -> tuple[Ints, Ints]:
    """What each hit is, and the product it is about."""
    n, count = len(visit), len(length)
    kind = _OTHER_KINDS[draws.pick(list(shapes.OTHER_HITS.values()), n)]
    is_app = np.array([shop.is_app for shop in SHOPS])[visits.shop][visit]

    main = popular(draws.uniform(count))
    product = np.where(draws.chance(0.35, n), main[visit], popular(draws.uniform(n)))

    looks = draws.uniform(count) < np.asarray(shapes.DETAIL_BY_LENGTH)[np.searchsorted((1, 2, 3, 7), length)]
    detail = looks[visit] & draws.chance(shapes.DETAIL_SHARE, n)
    detail[(first + draws.below(length, count))[looks]] = True
    as_page = draws.chance(0.6, n) & ~is_app
    kind[detail] = np.where(as_page, KIND["detail_page"], KIND["detail_event"])[detail]

    human = ~visits.bot
    carts = looks & human & (length >= shapes.ADD_MIN_HITS) & draws.chance(shapes.ADD_CHANCE, count)
    at = first + 1 + ((0.2 + 0.4 * draws.uniform(count)) * (length - 2)).astype(np.int64)
    kind[at[carts]], product[at[carts]] = KIND["add"], main[carts]
    again = carts & draws.chance(0.5, count)
    kind[at[again] + 1] = KIND["add"]
    removes = carts & draws.chance(shapes.REMOVE_CHANCE, count) & (length >= 6)
    for step in (2, 3):  # emptying a cart sends one hit an article
        kind[np.minimum(at + step, first + length - 1)[removes]] = KIND["remove"]

    buys = carts & (length >= shapes.BUY_MIN_HITS) & draws.chance(shapes.BUY_CHANCE, count)
    end = first + length - 1
    kind[end[buys] - 2], kind[end[buys] - 1], kind[end[buys]] = (
        KIND["checkout"], KIND["checkout_option"], KIND["purchase"],
    )  # fmt: skip
    product[end[buys]] = main[buys]
    refunds = human & ~buys & (length >= 2) & draws.chance(0.004, count)
    kind[end[refunds]] = KIND["refund"]

    bots = visits.bot[visit]
    kind[bots] = np.where(detail & as_page, KIND["detail_page"], KIND["page"])[bots]
    # A visit opens with a page, an app shows screens.
    opens = (place == 0) & (kind > KIND["purchase"])
    kind[opens] = KIND["page"]
    kind[is_app & ~bots & (kind <= KIND["promotions"])] = KIND["screen"]
    return kind, product


def draw_orders(visits: Visits, hits: Hits, without_id: Flags, prefix: str) -> dict[int, Order]:
    """The order of each purchase hit. Each shop counts its orders by itself: only with the shop is a number unique."""
    counters = [0] * len(SHOPS)
    orders = {}
    for row in np.flatnonzero(hits.kind == KIND["purchase"]).tolist():
        visit = int(hits.visit[row])
        shop = int(visits.shop[visit])
        counters[shop] += 1
        transaction_id = None if without_id[row] else f"{prefix}-{counters[shop]:05d}"
        orders[row] = order(transaction_id, int(hits.luck[row]), int(hits.product[row]), visits.currency(visit))
    return orders


def _number_pairs(visitor: Bits, shop: Ints) -> Ints:
    """A number for each distinct (visitor, shop), in no meaningful order."""
    _, number = np.unique(mix(visitor, 17) ^ mix(shop.astype(np.uint64), 18), return_inverse=True)
    return np.asarray(number, np.int64)


def _mean_length() -> float:
    shares, values = shapes.SESSION_LENGTH
    fine = np.interp((np.arange(100_000) + 0.5) / 100_000, shares, values)
    return float(np.floor(fine).mean())


MEAN_LENGTH = _mean_length()
