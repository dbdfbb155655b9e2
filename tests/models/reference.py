"""The rules of the models once more, in plain Python: from archive records to duplicates, repeats, refunds, sessions and money.

It looks at whole histories at once, hit against hit, without windows, partitions or SQL, and shares no code with the models or
the simulator. Slow, and meant to be read beside the rules.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

BLANKS = " \t\n\r\f\v"
RETRY, LOOKBACK, GAP, DAY = timedelta(hours=24), timedelta(days=30), timedelta(minutes=30), timedelta(days=1)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
_CONTENT = ("t", "pa", "ti", "dl", "ec", "ea", "el")


@dataclass
class Hit:
    """A hit of an archive record, and what became of it."""

    log_id: str
    event_id: str
    received: datetime
    at: datetime
    shop: str
    client: str | None
    user: str | None
    ip: str | None
    bot: bool
    body: Mapping[str, str | None]
    duplicate: str | None = None
    repeat: bool = False
    repeat_refund: bool = False
    refund: tuple[Decimal | None, str | None] = (None, None)
    session: Session | None = None

    @property
    def visitor(self) -> str:
        return self.client or f"uid:{self.user}"

    @property
    def order(self) -> tuple[datetime, datetime, str]:
        return (self.at, self.received, self.event_id)

    @property
    def is_refund(self) -> bool:
        amount = number(self.body.get("tr"))
        return self.body.get("pa") == "refund" or (
            self.body.get("t") == "transaction" and amount is not None and amount < 0
        )

    @property
    def is_purchase(self) -> bool:
        return not self.is_refund and (self.body.get("pa") == "purchase" or self.body.get("t") == "transaction")

    @property
    def is_whole_refund(self) -> bool:
        return self.is_refund and not any(
            re.match(r"pr([1-9]|[1-9]\d|1\d\d|200)[a-z]", name) for name, value in self.body.items() if value
        )

    @property
    def counts(self) -> bool:
        """As a purchase: in money."""
        return self.is_purchase and not self.bot and not self.repeat

    @property
    def transaction(self) -> tuple[str, str] | None:
        ti = self.body.get("ti")
        return (self.shop, ti) if ti else None


@dataclass
class Session:
    hits: list[Hit] = field(default_factory=list)

    @property
    def first(self) -> Hit:
        return self.hits[0]

    @property
    def revenue(self) -> dict[str, Decimal]:
        return money((hit.body.get("cu"), number(hit.body.get("tr"))) for hit in self.hits if hit.counts)


def text(value: Any) -> str | None:
    return (value.strip(BLANKS) or None) if isinstance(value, str) else None


def number(value: str | None) -> Decimal | None:
    if value is None or not _NUMBER.match(value):
        return None
    exact = Decimal(value)
    return exact.quantize(Decimal("1e-9"), ROUND_HALF_UP) if abs(exact) < 10**15 else None


def money(amounts: Any) -> dict[str, Decimal]:
    """Sums by currency of those (currency, amount) that have an amount."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for currency, amount in amounts:
        if amount is not None:
            found[currency or "(not set)"] += amount
    return dict(found)


def read(record: Mapping[str, Any], log_id: str, robots: Sequence[str]) -> Hit:
    """The hit of an accepted record."""
    body = {name: text(value) for name, value in record["request"]["body"].items()}
    for name, changed in (("t", str.lower), ("pa", str.lower), ("sc", str.lower), ("cu", str.upper)):
        body[name] = changed(body[name]) if body.get(name) else None
    received = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=record["request"]["timestamp"])
    queued = body.get("qt") or ""
    waited = min(int(queued.split(".")[0]), 4 * 3_600_000) if re.fullmatch(r"[0-9]+(\.[0-9]*)?", queued) else 0
    shop = text(record["context"]["tracking_id"])
    return Hit(
        log_id,
        record["event_id"],
        received,
        received - timedelta(milliseconds=waited),
        shop if shop not in (None, "(all)") else "(not set)",
        text(record["context"]["client_id"]),
        text(record["context"]["user_id"]),
        text(record["context"]["user_ip"]),
        text(record["context"]["user_agent"]) in robots,
        body,
    )


def process_request(hits: Sequence[Hit]) -> list[Hit]:
    """Mark duplicates, repeats, refunds and sessions; returns the hits that are no duplicates, in order."""
    first: dict[tuple[date, str], Hit] = {}
    for hit in sorted(hits, key=lambda hit: (hit.received, hit.log_id)):
        if first.setdefault((hit.at.date(), hit.event_id), hit) is not hit:
            hit.duplicate = "duplicate_delivery"
    singles = sorted((hit for hit in hits if not hit.duplicate), key=lambda hit: hit.order)
    _retries(singles)
    kept = [hit for hit in singles if not hit.duplicate]
    _orders(kept)
    _sessions(kept)
    return kept


def _retries(singles: Sequence[Hit]) -> None:
    for index, hit in enumerate(singles):
        for earlier in singles[:index]:
            if (
                hit.body.get("z")
                and (hit.shop, hit.visitor, hit.body["z"]) == (earlier.shop, earlier.visitor, earlier.body.get("z"))
                and all(hit.body.get(name) == earlier.body.get(name) for name in _CONTENT)
                and hit.at - earlier.at <= RETRY
            ):
                hit.duplicate = "client_retry"


def _orders(kept: Sequence[Hit]) -> None:
    for index, hit in enumerate(kept):
        before = [
            earlier
            for earlier in kept[:index]
            if hit.transaction
            and earlier.transaction == hit.transaction
            and hit.at - earlier.at <= LOOKBACK
            and not earlier.bot
        ]
        if hit.is_purchase:
            hit.repeat = any(earlier.is_purchase for earlier in before)
        elif hit.is_refund:
            hit.repeat_refund = hit.is_whole_refund and any(earlier.is_whole_refund for earlier in before)
            purchase = next((earlier for earlier in reversed(before) if earlier.counts), None)
            own = number(hit.body.get("tr"))
            paid = number(purchase.body.get("tr")) if purchase and hit.is_whole_refund else None
            hit.refund = (
                abs(own) if own is not None else paid,
                hit.body.get("cu") or (purchase.body.get("cu") if purchase else None),
            )


def _sessions(kept: Sequence[Hit]) -> None:
    visits: dict[tuple[str, str], list[Hit]] = defaultdict(list)
    for hit in kept:
        visits[hit.shop, hit.visitor].append(hit)
    for sequence in visits.values():
        unbroken_since = sequence[0].at
        for index, hit in enumerate(sequence):
            previous = sequence[index - 1] if index else None
            paused = previous is None or hit.at - previous.at >= GAP
            if paused:
                unbroken_since = hit.at
            midnight = datetime.combine(hit.at.date(), datetime.min.time(), UTC)
            forced = previous is not None and previous.at < midnight and unbroken_since <= midnight - DAY
            begins = (
                paused
                or forced
                or hit.body.get("sc") == "start"
                or (previous is not None and previous.body.get("sc") == "end")
            )
            hit.session = Session() if begins or previous is None else previous.session
            assert hit.session is not None
            hit.session.hits.append(hit)
