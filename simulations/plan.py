"""The plan of a date: every visit and every hit as columns of numbers, drawn before a single line is written.

A plan holds the visits that begin on its date; one over midnight belongs to the date it began on, whole. `generate` puts
a plan together, `lines` turns it into archive lines, `expectation` into what the models have to make of them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date

import numpy as np

from simulations.audience import SHOPS
from simulations.catalog import Order
from simulations.config import TrafficConfig
from simulations.draws import Bits, Draws, Flags, Ints, Purpose, mix, uuid_bits

# What a hit is. Up to and including `detail_event` a hit opens a page of its own.
KINDS = (
    "page", "product_list", "promotions", "screen", "detail_page", "checkout", "purchase",
    "detail_event", "click", "add", "remove", "checkout_option", "refund",
    "event", "promotion_click", "timing", "exception", "social",
)  # fmt: skip
KIND = {name: number for number, name in enumerate(KINDS)}

# How many products or promotions a hit of these kinds shows: so many, and by luck less than so many more.
IMPRESSIONS, PROMOTIONS, REFUND_LINES = (3, 4), (1, 2), (0, 2)


@dataclass
class Visits:
    """One row a visit. `client` numbers the distinct (shop, visitor) pairs."""

    visitor: Bits
    person: Bits
    client: Ints
    shop: Ints
    bot: Flags
    campaign: Ints  # index into CAMPAIGNS, -1 for none
    luck: Bits
    control: Ints  # 0 none, 1 `sc=start` somewhere in the visit, 2 `sc=end`

    def columns(self) -> list[np.ndarray]:
        """All columns, in order."""
        return [getattr(self, field.name) for field in fields(self)]

    def currency(self, row: int) -> str:
        """The currency of a visit: one in ten uses the shop's other one."""
        return SHOPS[self.shop[row]].currencies[int(self.luck[row]) % 10 == 0]


@dataclass
class Hits:
    """One row a hit that a client sent. Times are epoch ms. `origin` is the row whose content (and place in the visit)
    it repeats, itself for most; `z` the row whose cache buster it carries."""

    visit: Ints
    origin: Ints
    z: Ints
    kind: Ints
    product: Ints
    location: Ints  # index into PAGES, or len(PAGES) + product number
    referrer: Ints  # the location before, -1 where the visit begins
    luck: Bits
    received: Ints
    queue: Ints  # what the contract makes of `qt`, ms
    qt: list[str | None]
    control: Ints  # 1 `sc=start`, 2 `sc=end`
    reload: Ints  # n-th repeat of a purchase, 0 for an original

    @property
    def event_at(self) -> Ints:
        """When the hit happened, as far as the platform can know."""
        return self.received - self.queue


@dataclass
class DayPlan:
    """All of a date's traffic, `orders` by row of the purchase hit. `run` is 0 for history; another number stands for
    live traffic: the same visits under tracking ids of their own, with client, event and cache ids new to the run."""

    day: date
    config: TrafficConfig
    visits: Visits
    hits: Hits
    orders: dict[int, Order]
    run: int = 0

    @property
    def live(self) -> bool:
        """Whether this is traffic to be sent now."""
        return self.run != 0

    @property
    def people(self) -> Bits:
        """What the client ids of the visits are made from."""
        return self.visits.person ^ mix(np.array([self.run], dtype=np.uint64)) if self.live else self.visits.person

    def event_id_bits(self) -> tuple[Bits, Bits]:
        """The two halves of every hit's event id."""
        return self._uuids(Purpose.EVENT_IDS)

    def z_bits(self) -> tuple[Bits, Bits]:
        """The two halves of every hit's cache buster (`z`, a uuid): retries share their original's."""
        high, low = self._uuids(Purpose.CACHE_IDS)
        return high[self.hits.z], low[self.hits.z]

    def _uuids(self, purpose: Purpose) -> tuple[Bits, Bits]:
        bits = Draws(self.run or self.config.seed, self.day, purpose).bits(2 * len(self.hits.visit))
        return uuid_bits(bits[0::2], bits[1::2])


def shown(many: tuple[int, int], luck: int) -> int:
    """How many of IMPRESSIONS, PROMOTIONS or REFUND_LINES a hit of this luck has."""
    return many[0] + luck % many[1]
