"""The check `bodies`: whether what logs and product_actions say of a hit is what its body says, read here in Python.

Of each date as many hits are read as cost the same whatever its size: those of a slice of its time, since hits of one time lie
together in logs. Small dates are read whole.

What is compared is what has one reading only: texts without blanks around them, plain decimals, names that a body has once. What the
rules for money and products make of anything else is the models' business and their tests'. A check that cannot tell must not stop a date.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from ingestion_platform.assets.partition_checks import PartitionCheck
from ingestion_platform.dates import ONE_DAY, Window
from ingestion_platform.resources.proposals import Reader

DESCRIPTION = "What logs and product_actions say of money and products is what the hits' bodies say."

_SAMPLE = 600
"""Hits a date."""

_MOST = 20_000
"""Hits in all, for a date whose hits all came within an instant."""

_DECIMAL = re.compile(r"-?[0-9]{1,12}([.][0-9]{1,9})?")
_COUNT = re.compile(r"[0-9]{1,9}")
_PRODUCT = re.compile(r"pr([1-9][0-9]{0,2})(id|nm|br|ca|va|cc|ps|qt|pr|c[dm][1-9][0-9]{0,2})")

# Columns of logs by parameter; columns in lower or upper case; amounts.
_TEXTS = {
    "ti": "transaction_id", "ta": "transaction_affiliation", "tcc": "transaction_coupon_code", "pal": "product_action_list",
    "dt": "document_title", "dh": "document_host", "dp": "document_path", "dl": "document_location", "cd": "screen_name",
    "ec": "event_category", "ea": "event_action", "el": "event_label", "cn": "campaign_name", "cs": "campaign_source",
    "cm": "campaign_medium", "ck": "campaign_keyword", "cc": "campaign_content", "ci": "campaign_id",
}  # fmt: skip
_CASED: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "t": ("hit_type", str.lower), "pa": ("product_action", str.lower), "cu": ("currency_code", str.upper),
    "ul": ("user_language", str.lower),
}  # fmt: skip
_AMOUNTS = {"tr": "transaction_revenue", "tt": "transaction_tax", "ts": "transaction_shipping"}
_COLUMNS = (*_TEXTS.values(), *(column for column, _ in _CASED.values()), *_AMOUNTS.values())

_PRODUCT_TEXTS = {
    "id": "product_id", "nm": "product_name", "br": "product_brand", "ca": "product_category", "va": "product_variant",
    "cc": "product_coupon_code",
}  # fmt: skip
_PRODUCT_COLUMNS = (*_PRODUCT_TEXTS.values(), "product_position", "product_quantity", "product_price")

_COUNT_SQL = """
select event_date, count(*) from events.logs where event_date >= ? and event_date < ? group by event_date
"""
_HITS_SQL = f"""
select event_date, log_id, event_id, req_body, is_repeat_purchase, {", ".join(_COLUMNS)} from events.logs
where event_date >= ? and event_date < ? and ($slices)
order by event_at, log_id limit {_MOST}
"""
_PRODUCTS_SQL = f"""
select log_id, product_index, {", ".join(_PRODUCT_COLUMNS)} from events.product_actions
where event_date >= ? and event_date < ? and ($slices) and log_id in (
    select log_id from events.logs where event_date >= ? and event_date < ? and ($slices) order by event_at, log_id limit {_MOST}
)
"""


def bodies(reader: Reader, window: Window) -> list[PartitionCheck]:
    """The results of the dates of `window`."""
    counts = {day: int(count) for day, count in reader.query(_COUNT_SQL, list(window))}
    read: dict[date, int] = dict.fromkeys(window.days, 0)
    wrong: dict[date, list[str]] = defaultdict(list)
    slices = " or ".join(
        "(event_at >= cast('{}' as timestamp) and event_at < cast('{}' as timestamp))".format(
            *time_slice(day, _SAMPLE / count)
        )
        for day, count in sorted(counts.items())
    )
    if counts:
        products: dict[str, dict[int, tuple[Any, ...]]] = defaultdict(dict)
        for log_id, index, *columns in reader.query(_PRODUCTS_SQL.replace("$slices", slices), [*window, *window]):
            products[log_id][index] = tuple(columns)
        for day, log_id, event_id, text, is_repeat, *columns in reader.query(
            _HITS_SQL.replace("$slices", slices), list(window)
        ):
            body = plain_body(text)
            if body is not None:
                read[day] += 1
                made = dict(zip(_COLUMNS, columns, strict=True))
                differences = [
                    *_hit_differences(body, made),
                    *_product_differences(body, made, is_repeat, products[log_id]),
                ]
                wrong[day] += [f"hit {event_id}: {one}" for one in differences]
    return [_result(day, read[day], sorted(wrong[day])) for day in window.days]


def time_slice(day: date, share: float) -> tuple[datetime, datetime]:
    """A share of a date's time, [start, end): another stretch on each date, and the same one whenever the date is built."""
    first = datetime.combine(day, time())
    length = ONE_DAY * min(share, 1)
    start = first + (ONE_DAY - length) * (day.toordinal() * 37 % 101 / 100)
    return start, start + length


def _result(day: date, read: int, wrong: list[str]) -> PartitionCheck:
    if not wrong:
        return PartitionCheck(day, True, DESCRIPTION, {"hits read": read})
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    figures = {"hits read": read, "figures that differ": len(wrong), "the first of them": wrong[:5]}
    return PartitionCheck(day, False, f"{day} {wrong[0]}{more}", figures)


def plain_body(text: str | None) -> dict[str, str] | None:
    """The texts of a body that have one reading only; None for a body that gives a name twice, in whatever case."""
    names: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names.extend(name.lower() for name, _ in pairs)
        return dict(pairs)

    try:
        body = json.loads(text or "", object_pairs_hook=once)
    except ValueError:
        return None
    if not isinstance(body, dict) or len(set(names)) < len(names):
        return None
    return {name: value if _is_plain(value) else "" for name, value in body.items()}


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and value == value.strip()


def _hit_differences(body: Mapping[str, str], made: Mapping[str, Any]) -> Iterator[str]:
    for name, column in _TEXTS.items():
        if body.get(name) and made[column] != body[name]:
            yield f"{column} is {made[column]!r}, {name} is {body[name]!r}"
    for name, (column, cased) in _CASED.items():
        value = body.get(name, "")
        if value and value.isascii() and made[column] != cased(value):
            yield f"{column} is {made[column]!r}, {name} is {value!r}"
    # What a refund says of money has rules of its own.
    if made["product_action"] == "refund" or body.get("tr", "").startswith("-"):
        return
    for name, column in _AMOUNTS.items():
        if _DECIMAL.fullmatch(body.get(name, "")) and made[column] != Decimal(body[name]):
            yield f"{column} is {made[column]}, {name} is {body[name]!r}"


def _product_differences(
    body: Mapping[str, str], made: Mapping[str, Any], is_repeat: bool, products: Mapping[int, tuple[Any, ...]]
) -> Iterator[str]:
    fields: dict[int, dict[str, str]] = defaultdict(dict)
    for name, value in body.items():
        product = _PRODUCT.fullmatch(name)
        if product and int(product[1]) <= 200:
            fields[int(product[1])][product[2]] = value
    if made["product_action"] is None or (is_repeat and made["product_action"] == "purchase"):
        wanted = {}
    elif all(map(_has_one_reading, fields.values())):
        wanted = {index: _product(values) for index, values in fields.items()}
    else:
        return
    for index in sorted({*products, *wanted}):
        is_, must = products.get(index), wanted.get(index)
        if is_ != must:
            named = [
                f"{name} is {one}, must be {other}"
                for name, one, other in zip(_PRODUCT_COLUMNS, is_ or (), must or (), strict=False)
                if one != other
            ]
            yield f"product {index}: {', '.join(named) or ('must not be there' if must is None else 'is missing')}"


def _has_one_reading(values: Mapping[str, str]) -> bool:
    counts = all(_COUNT.fullmatch(values[name]) for name in ("qt", "ps") if name in values)
    price = "pr" not in values or _DECIMAL.fullmatch(values["pr"]) is not None
    return counts and price and all(values.values()) and any(name in _PRODUCT_TEXTS for name in values)


def _product(values: Mapping[str, str]) -> tuple[Any, ...]:
    return (
        *(values.get(name) for name in _PRODUCT_TEXTS),
        *(int(values[name]) if name in values else None for name in ("ps", "qt")),
        Decimal(values["pr"]) if "pr" in values else None,
    )
