"""Who visits: shops, visitors and their traits. A visitor is a number, and every trait a hash of it, so that somebody
who comes back on another date has the same client id, browser and language, although no date knows of any other.

Dates stay independent of each other through the choice of the number. Who is seen on two dates must not have hits of
one date's generation within half an hour of the other's. So a visit that keeps to the daytime may be anybody's of one
pool, on any date; a visit that touches the night belongs to a pool of which a third is at home on each date.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulations.config import HISTORY_TRACKING_PREFIX, LIVE_TRACKING_PREFIX
from simulations.draws import Bits, mix, pick, uniform, uuid_bits, uuid_texts

# Number spaces: a visitor of one date only, of the nights, of the days, a bot.
NEW, NIGHT, DAY, BOT = (np.uint64(space << 60) for space in (1, 2, 3, 4))
LANES = 3

# Salts of the traits.
_SEED, _CID_HIGH, _CID_LOW, SHOP, AGENT, DEVICE, LANGUAGE, ADDRESS, MEMBER = range(9)


class Shop(NamedTuple):
    """A property that is tracked, with its share of the visits."""

    number: str
    host: str
    name: str
    is_app: bool
    share: float
    currencies: tuple[str, str]  # the usual one, and the one of every tenth visit

    def tracking_id(self, live: bool) -> str:
        return (LIVE_TRACKING_PREFIX if live else HISTORY_TRACKING_PREFIX) + self.number


SHOPS = (
    Shop("1", "www.nordwind.example", "Nordwind", False, 0.52, ("EUR", "GBP")),
    Shop("2", "shop.tallgrass.example", "Tallgrass & Sons", False, 0.28, ("USD", "CAD")),
    Shop("3", "store.mizuumi.example", "湖ストア", False, 0.13, ("JPY", "USD")),
    Shop("4", "app.kasbah.example", "Kasbah", True, 0.07, ("KWD", "EUR")),
)
# Digits after the point, and what a hundredth of the common currency is worth in the smallest unit (as a fraction).
CURRENCIES = {
    "EUR": (2, 1, 1),
    "GBP": (2, 17, 20),
    "USD": (2, 11, 10),
    "CAD": (2, 3, 2),
    "JPY": (0, 8, 5),
    "KWD": (3, 17, 5),
}

_MOZILLA, _WEBKIT = "Mozilla/5.0", "AppleWebKit/537.36 (KHTML, like Gecko)"
_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_WINDOWS = f"{_MOZILLA} (Windows NT 10.0; Win64; x64)"
AGENTS = (
    f"{_WINDOWS} {_WEBKIT} Chrome/131.0.0.0 Safari/537.36",
    f"{_MOZILLA} (iPhone; CPU iPhone OS 18_1 like Mac OS X) {_SAFARI} Version/18.1 Mobile/15E148 Safari/604.1",
    f"{_MOZILLA} (Linux; Android 10; K) {_WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36",
    f"{_MOZILLA} (Macintosh; Intel Mac OS X 10_15_7) {_SAFARI} Version/18.1 Safari/605.1.15",
    f"{_MOZILLA} (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
    f"{_WINDOWS} {_WEBKIT} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
    f"{_MOZILLA} (iPad; CPU OS 17_6 like Mac OS X) {_SAFARI} Version/17.6 Mobile/15E148 Safari/604.1",
    f"{_MOZILLA} (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
)
AGENT_WEIGHTS = (30, 22, 18, 9, 8, 6, 4, 3)
APP_AGENT = "Kasbah/4.2.1 (Linux; U; Android 14; en-gb; Pixel 8 Build/AP2A.240805.005)"
BOT_AGENTS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
)
MONITOR_AGENT = "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)"

# (screen, viewport, colours)
SCREENS = (
    ("1920x1080", "1903x969", "24-bit"),
    ("390x844", "390x664", "32-bit"),
    ("412x915", "412x785", "24-bit"),
    ("1366x768", "1349x625", "24-bit"),
    ("1440x900", "1440x789", "30-bit"),
    ("2560x1440", "2543x1329", "24-bit"),
    ("820x1180", "820x1106", "32-bit"),
)
LANGUAGES = ("en-us", "en-gb", "de-de", "fr-ca", "it-it", "ja-jp", "es-es", "nl-nl", "ar-kw", "pt-br")

# (name, source, medium)
CAMPAIGNS = (
    ("spring_sale", "newsletter", "email"),
    ("Brand", "google", "cpc"),
    ("retargeting", "facebook", "paid_social"),
    ("Été 2026", "instagram", "paid_social"),
    ("price comparison", "idealo", "affiliate"),
)
REFERRERS = (
    "https://www.google.com/",
    "https://www.bing.com/",
    "https://duckduckgo.com/",
    "https://www.facebook.com/",
    "https://blog.example.org/2025/12/The-Best-Boots?ref=shop",
)


def personal(visitors: Bits, seed: int) -> Bits:
    """The number that all traits of a visitor are hashed from; another seed makes other people."""
    return mix(visitors ^ mix(np.array([seed], dtype=np.uint64), _SEED))


def client_ids(people: Bits) -> list[str]:
    """The client id (a uuid) of each visitor, from `personal`."""
    return uuid_texts(*uuid_bits(mix(people, _CID_HIGH), mix(people, _CID_LOW)))


class Traits(NamedTuple):
    """Traits of many visitors: indexes into AGENTS, SCREENS and LANGUAGES, and two numbers to make texts from."""

    agent: list[int]
    screen: list[int]
    language: list[int]
    address: list[int]
    member: list[int]


def traits(people: Bits) -> Traits:
    """The traits of each visitor, from `personal`."""
    return Traits(
        pick(AGENT_WEIGHTS, uniform(mix(people, AGENT))).tolist(),
        (mix(people, DEVICE) % np.uint64(len(SCREENS))).tolist(),
        (mix(people, LANGUAGE) % np.uint64(len(LANGUAGES))).tolist(),
        mix(people, ADDRESS).tolist(),
        mix(people, MEMBER).tolist(),
    )


def user_numbers(people: Bits, luck: Bits, bot: np.ndarray) -> np.ndarray:
    """The number of the user as whom each visit is logged in, -1 for none: one visitor in eight has an account and mostly uses it."""
    member = mix(people, MEMBER)
    logged_in = (member % np.uint64(100) < 12) & (luck % np.uint64(10) < 7) & ~bot
    return np.where(logged_in, (member >> np.uint64(24)).astype(np.int64), -1)


def address(number: int) -> str:
    """A truncated address out of the ranges that are set aside for benchmarks and documentation."""
    if number % 5 == 0:
        return f"2001:db8:{1 + number % 4093:x}::"
    return f"198.{18 + number % 2}.{number // 7 % 256}.0"


def money(amount: int, currency: str) -> str:
    """An amount in the currency's smallest unit as the decimal text a client would send."""
    digits = CURRENCIES[currency][0]
    if digits == 0:
        return str(amount)
    whole, rest = divmod(amount, 10**digits)
    return f"{whole}.{rest:0{digits}d}"


def exchange(cents: int, currency: str) -> int:
    """Hundredths of the common currency in the smallest unit of `currency`."""
    _, numerator, denominator = CURRENCIES[currency]
    return cents * numerator // denominator
