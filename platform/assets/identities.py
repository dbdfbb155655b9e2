"""What marts and statistics must say of each other, on every date, simulated or not: checks that compare two ways to one figure.

    hits          raw rows outside of quarantine = logs + duplicates, by property and hour
    bots          hits are bots' where their user agent is
    retries       a client's retry is in duplicates, and nothing else is there as one
    session_rule  sessions begin where a visitor paused for half an hour, and nowhere else
    sessions      each session = what its hits in logs add up to
    repeats       a purchase is a repeat when the order was bought within the lookback, and only then
    purchases     purchases = the purchase hits of logs that repeat none, with all of their money
    refunds       refunds give back their own amount or what the order brought, and the whole of it once
    products      products belong to hits of logs
    visitors      daily_visitors = who sent a hit of logs
    newness       who is known was seen within the lookback, and who is new was not
    overview      every figure of overview_1h and overview_1d = what the marts add up to
    revenue       every figure of revenue_1h and revenue_1d = what purchases and refunds add up to
    siblings      a day = its hours, all = every property, the money of overview = that of revenue

Each is a statement of plain SQL in sql/ with two relations, `made` (what is there) and `must` (what it must be, counted
another way): the macros that it guards are not used, or both would be wrong together. Rows that only one of them has are named
with their figures. The SQL runs on both warehouses. Costs are in docs/checks.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from ingestion_platform.assets.partition_checks import PartitionCheck
from ingestion_platform.dates import LOOKBACK_DAYS, ONE_DAY, RETRY_HOURS, SESSION_TIMEOUT_MINUTES, Window
from ingestion_platform.resources.proposals import Reader

_FOLDER = Path(__file__).parent / "sql"

_SHOWN = 5
"""Places a date that are named with their figures; the others are counted."""


class Identity(NamedTuple):
    """A check: `figures` are the columns that `made` and `must` of its SQL are compared by, for each date and place.

    Its SQL is <name>.sql, after the relations of the files that `parts` names.
    """

    name: str
    description: str
    figures: Sequence[str]
    parts: Sequence[str] = ()


_MONEY = ("transaction_revenue", "transaction_tax", "transaction_shipping")
_OVERVIEW = (
    "hits", "bot_hits", "count_active_sessions", "count_new_sessions", "count_active_users", "count_new_users",
    "count_active_clients", "count_new_clients", "pageviews", "sum_of_pa_click", "pa_clicks", "sum_of_pa_detail", "pa_details",
    "sum_of_pa_add", "pa_adds", "sum_of_pa_remove", "pa_removes", "transactions", "currency_code", *_MONEY, "purchased_items",
    "purchased_products",
)  # fmt: skip
_SIBLINGS = (
    "hits", "bot_hits", "new_sessions", "new_users", "new_clients", "pageviews", "product_actions", "transactions", "items",
    "sessions", "users", "clients", "products", "revenue", "tax", "shipping",
)  # fmt: skip
_SESSION = (
    "session_started_at", "session_ended_at", "hits", "beginnings", "pageviews", "events", "product_actions", "product_details", "cart_adds",
    "cart_removes", "checkouts", "purchases", "is_bot",
)  # fmt: skip

IDENTITIES = (
    Identity("hits", "Each raw row outside of quarantine is in logs or a counted duplicate, at its hour.", ("hits",)),
    Identity("bots", "A hit is a bot's when its user agent is a known machine's.", ("is_bot", "device_type", "hits")),
    Identity("retries", "What a client sent again is a duplicate, and nothing else is taken for one.", ("is_retry",)),
    Identity(
        "session_rule",
        "Sessions begin where a visitor paused for half an hour, or says so, and nowhere else.",
        ("happened_at",),
    ),
    Identity("sessions", "Each session is what its hits in logs add up to.", _SESSION),
    Identity(
        "repeats",
        "A purchase is a repeat when the order was bought within the lookback, and only then.",
        ("is_repeat_purchase",),
    ),
    Identity(
        "purchases",
        "The purchases are the purchase hits of logs that repeat none, with all of their money.",
        ("purchases", "orders", "sessions", "revenue", "tax", "shipping"),
    ),
    Identity(
        "refunds",
        "Refunds give back their own amount or what the order brought, and the whole of it once.",
        ("refund_amount", "refund_currency_code"),
    ),
    Identity("products", "Products belong to hits of logs, and to no repeated purchase.", ("product_action",)),
    Identity("newness", "Who is known was seen within the lookback, and who is new was not.", ("is_new",)),
    Identity("visitors", "Who was there is who sent a hit of logs.", ("first_event_at", "hits")),
    Identity(
        "overview",
        "Every figure of overview_1h and overview_1d is what the marts add up to.",
        _OVERVIEW,
        ("overview_visits", "overview_sales"),
    ),
    Identity(
        "revenue",
        "Every figure of revenue_1h and revenue_1d is what purchases and refunds add up to.",
        ("transactions", *_MONEY, "refunds", "refunded_revenue", "average_fits"),
    ),
    Identity(
        "siblings",
        "A day is its hours, all is every property, and the money of overview is that of revenue.",
        _SIBLINGS,
    ),
)

# Goes on after a WITH that has the relations `made` and `must`. Of many places that differ, a few of each date come back.
_DIFFERENCES = """,
compared as (
    select event_date, place, $figures, 1 as made from made
    union all
    select event_date, place, $figures, -1 from must
),
differing as (
    select event_date, place, $figures, case when sum(made) > 0 then 0 else 1 end as side
    from compared
    group by event_date, place, $figures
    having sum(made) <> 0
),
counted as (
    select *, dense_rank() over (partition by event_date order by place) as place_number from differing
)
select event_date, place, side, max(place_number) over (partition by event_date) as places, $figures
from counted
qualify place_number <= $shown
order by event_date, place, side
"""


def stale_before(reader: Reader, window: Window) -> list[date]:
    """The dates of the lookback before `window` whose models miss something: nothing can be held against them."""
    return reader.stale_dates(["logs", "daily_visitors"], window.start - timedelta(days=LOOKBACK_DAYS), window.start)


def partition_results(
    reader: Reader, identity: Identity, window: Window, stale: Sequence[date] = ()
) -> list[PartitionCheck]:
    """Whether both ways agree, a date of `window` each; what differs is said as text and as metadata."""
    places: dict[date, int] = {}
    sides: dict[date, dict[str, dict[int, Sequence[Any]]]] = defaultdict(lambda: defaultdict(dict))
    for day, place, side, count, *figures in reader.query(statement(identity, window, stale)):
        places[day] = int(count)
        sides[day][place][int(side)] = figures
    return [_result(identity, day, places.get(day, 0), sides.get(day, {})) for day in window.days]


def statement(identity: Identity, window: Window, stale: Sequence[date] = ()) -> str:
    """The SQL that gives the rows which `made` and `must` do not share, for the dates of `window`."""
    files = [_FOLDER / f"{name}.sql" for name in (*identity.parts, identity.name)]
    text = ",\n".join(file.read_text(encoding="utf-8").rstrip() for file in files)
    return Template(text + _DIFFERENCES).substitute(
        start=_literal(window.start),
        end=_literal(window.end),
        dates=" union all ".join(f"select {_literal(day)} as event_date" for day in window.days),
        hours=" union all ".join(f"select {hour} as at_hour" for hour in range(24)),
        stale=", ".join(map(_literal, stale or [date.min])),
        lookback=LOOKBACK_DAYS,
        lookback_start=_literal(window.start - timedelta(days=LOOKBACK_DAYS)),
        day_before=_literal(window.start - ONE_DAY),
        retry_hours=RETRY_HOURS,
        timeout=SESSION_TIMEOUT_MINUTES,
        figures=", ".join(identity.figures),
        shown=_SHOWN,
    )


def _literal(day: date) -> str:
    return f"cast('{day.isoformat()}' as date)"


def _result(
    identity: Identity, day: date, places: int, sides: Mapping[str, Mapping[int, Sequence[Any]]]
) -> PartitionCheck:
    if not places:
        return PartitionCheck(day, True, identity.description, {"places that differ": 0})
    lines = [f"{place}: {_difference(identity.figures, figures)}" for place, figures in sides.items()]
    more = f" (and {places - 1} more)" if places > 1 else ""
    return PartitionCheck(
        day, False, f"{day} {lines[0]}{more}", {"places that differ": places, "the first of them": lines}
    )


def _difference(names: Sequence[str], figures: Mapping[int, Sequence[Any]]) -> str:
    made, must = figures.get(0), figures.get(1)
    if made is None or must is None:
        return "must not be there" if must is None else "is missing"
    return ", ".join(
        f"{name} is {_shown(is_)}, must be {_shown(value)}"
        for name, is_, value in zip(names, made, must, strict=True)
        if is_ != value
    )


def _shown(value: Any) -> str:
    return "empty" if value is None else f"{value}"
