"""What is sold: 57,483 products with a category, brand, variant and price, each a function of the product's number.

Also the pages that are no product's, and what an order holds. Prices are whole hundredths of a common currency, so that
no figure of the simulator ever passes through a binary fraction.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from simulations.audience import exchange
from simulations.draws import Dice, Floats, Ints
from simulations.shapes import ORDER_PRODUCTS, POPULARITY_OFFSET, PRICE_BUCKETS, PRODUCTS

CATEGORIES = (
    "Shoes/Boots", "Shoes/Sneakers", "Clothing/Jackets", "Clothing/Knitwear", "Outdoor/Tents", "Outdoor/Stoves",
    "Home/Lamps", "Home/Éclairage", "Kitchen/Knives", "Kitchen/Pans", "Garden/Tools", "Toys/Puzzles",
)  # fmt: skip
BRANDS = ("Alder", "Björk", "Castellan", "Doré", "Elm & Oak", "Fjord", "Gōtō", "Harrow")
VARIANTS = ("black", "white", "red", "blue/S", "blue/M", "blue/L", "natural", "XL")
# Pages that show no single product: (path, title).
PAGES = (
    ("/", "Home"),
    *((f"/c/{category.lower()}", category.replace("/", " · ")) for category in CATEGORIES),
    ("/Search?q=Winter%20Boots&Page=2", "Search"),
    ("/cart", "Your cart"),
    ("/help/Shipping", "Shipping & returns"),
    ("/account/Orders", "Your orders"),
    ("/magazine/How-to-wax-a-jacket", "How to wax a jacket"),
    ("/checkout", "Checkout"),
    ("/checkout/Thank-You", "Thank you"),
)  # fmt: skip
CHECKOUT, THANKS = len(PAGES) - 2, len(PAGES) - 1
COUPONS = ("WELCOME10", "spring-26", "VIP")

_popularity = np.cumsum(1.0 / (np.arange(PRODUCTS) + POPULARITY_OFFSET))
_popularity /= _popularity[-1]


class Product(NamedTuple):
    """One article; `cents` is its price in hundredths of the common currency."""

    sku: str
    name: str
    brand: str
    category: str
    variant: str
    cents: int


class Order(NamedTuple):
    """What a purchase says: lines of (product number, quantity) and totals in the currency's smallest unit."""

    transaction_id: str | None
    lines: list[tuple[int, int]]
    revenue: int
    tax: int
    shipping: int
    coupon: str | None


def popular(where: Floats) -> Ints:
    """Product numbers for numbers in [0, 1): few products are looked at often, most hardly ever."""
    return np.searchsorted(_popularity, where, side="right").astype(np.int64)


@lru_cache(maxsize=PRODUCTS)
def product(number: int) -> Product:
    """The article with this number. Popular and obscure, cheap and dear ones are spread alike."""
    dice = Dice(number * 2654435761 + 97)
    dice.below(2)
    bucket = dice.below(10)
    low, high = PRICE_BUCKETS[bucket], PRICE_BUCKETS[bucket + 1]
    category = CATEGORIES[dice.below(len(CATEGORIES))]
    brand = BRANDS[dice.below(len(BRANDS))]
    kind = category.partition("/")[2]
    return Product(
        sku=f"SKU-{number:05d}",
        name=f"{brand} {kind} No. {dice.below(900) + 100}",
        brand=brand,
        category=category,
        variant=VARIANTS[dice.below(len(VARIANTS))],
        cents=low + 1 + dice.below(high - low),
    )


def order(transaction_id: str | None, luck: int, main_product: int, currency: str) -> Order:
    """What is bought: the visit's main product and perhaps others. One order in 400 is a wholesale one, of millions."""
    dice = Dice(luck)
    size = int(np.interp(dice.below(1 << 30) / (1 << 30), *ORDER_PRODUCTS))
    numbers = [main_product, *((main_product + 1 + dice.below(PRODUCTS - 1)) % PRODUCTS for _ in range(size - 1))]
    factor = 20_000 if dice.below(400) == 0 else 1
    lines = [(number, (1 if dice.below(4) else 2 + dice.below(3)) * factor) for number in numbers]
    goods = sum(exchange(product(number).cents, currency) * quantity for number, quantity in lines)
    coupon = COUPONS[dice.below(len(COUPONS))] if dice.below(8) == 0 else None
    if coupon is not None:
        goods -= goods // 10
    if dice.below(150) == 0:
        goods = 0  # a gift: zero is an amount like any other
    shipping = 0 if goods > exchange(5000, currency) else exchange(495, currency)
    return Order(transaction_id, lines, goods + shipping, goods * 19 // 119, shipping, coupon)
