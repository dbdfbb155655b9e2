"""The same visit through five front doors: Measurement Protocol v1 as a form and as JSON, GA4 by gtag and by its Measurement
Protocol, Segment. Every mart has the same rows, whichever it came through; only the columns that say which differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from collector import handler as entry
from collector.delivery import FirehoseDelivery
from collector.settings import CloudSettings, Settings

DAY, NEXT = date(2026, 11, 20), date(2026, 11, 21)
BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)
CALLER = "203.0.113.77"
PAGE = "https://shop.example/p/1?utm_source=x"
WHO = {"tid": "G-1", "cid": "1.2", "uid": "ann"}
WHERE = {"dl": PAGE, "dr": "https://search.example/", "dt": "One", "ul": "de-de", "sr": "800x600"}

# A visit: what it is in v1, GA4's name, Segment's name, a kind of goods.
VISIT = [
    ({"t": "pageview"}, "page_view", "page", ""),
    ({"t": "event", "ea": "view_item_list"}, "view_item_list", "Product List Viewed", "list"),
    ({"t": "event", "ea": "select_promotion", "promoa": "click"}, "select_promotion", "Promotion Clicked", "promotion"),
    ({"t": "event", "ea": "view_item", "pa": "detail"}, "view_item", "Product Viewed", "products"),
    ({"t": "event", "ea": "add_to_cart", "pa": "add"}, "add_to_cart", "Product Added", "products"),
    ({"t": "event", "ea": "begin_checkout", "pa": "checkout", "cos": "1"}, "begin_checkout", "Checkout Started", "products"),
    ({"t": "event", "ea": "purchase", "pa": "purchase"}, "purchase", "Order Completed", "sale"),
    ({"t": "event", "ea": "sign_up"}, "sign_up", "sign_up", ""),
    ({"t": "event", "ea": "refund", "pa": "refund"}, "refund", "Order Refunded", "whole"),
]  # fmt: skip
# v1's letters of two products, gtag's are the same but for coupon and position.
PRODUCTS = [
    {
        "id": "SKU1",
        "nm": "A ~ B",
        "br": "Acme",
        "ca": "Shoes",
        "va": "L",
        "pr": "9.99",
        "qt": "2",
        "cc": "TEN",
        "ps": "1",
    },
    {"id": "SKU2", "nm": "C", "pr": "0", "qt": "1"},
]
OF_GTAG = {"cc": "cp", "ps": "lp"}
OF_MP = {
    "id": "item_id", "nm": "item_name", "br": "item_brand", "ca": "item_category", "va": "item_variant", "pr": "price", "qt": "quantity",
    "cc": "coupon", "ps": "index",
}  # fmt: skip
OF_SEGMENT = {
    "id": "product_id", "nm": "name", "br": "brand", "ca": "category", "va": "variant", "pr": "price", "qt": "quantity", "cc": "coupon",
    "ps": "position",
}  # fmt: skip
SHOWN = ("id", "nm", "br", "ca", "va", "pr", "ps")
PROMOTION = {"id": "P1", "nm": "Sale", "cr": "banner", "ps": "top"}
OF_CLIENT = "protocol, event_name, client_session_id, engagement_ms"
TRANSACTION = {"ti": "T1", "tr": "19.98", "tt": "3.19", "ts": "4.5", "tcc": "WEB", "ta": "store", "cu": "EUR"}
GA4_TRANSACTION = {
    "ti": "transaction_id", "tr": "value", "tt": "tax", "ts": "shipping", "tcc": "coupon", "ta": "affiliation", "cu": "currency",
}  # fmt: skip
SEGMENT_TRANSACTION = {**GA4_TRANSACTION, "ti": "order_id", "tr": "total"}


def _number(text: str) -> Any:
    return float(text) if text.replace(".", "").isdigit() else text


def _transaction(goods: str, names: dict[str, str]) -> dict[str, str]:
    """A whole refund names its purchase and nothing more."""
    given = TRANSACTION if goods == "sale" else {"ti": "T1"} if goods == "whole" else {}
    return {names.get(name, name): value for name, value in given.items()}


def _v1(parameters: dict[str, str], ga4: str, segment: str, goods: str, held: int) -> dict[str, str]:
    hit = {"v": "1", **WHO, **WHERE, **parameters, **_transaction(goods, {})}
    if held:
        hit["qt"] = str(held)
    if goods == "list":
        hit["il1nm"] = "Found"
        for number, product in enumerate(PRODUCTS, start=1):
            hit |= {f"il1pi{number}{name}": value for name, value in product.items() if name in SHOWN}
    elif goods == "promotion":
        hit |= {f"promo1{name}": value for name, value in PROMOTION.items()}
    elif goods in ("products", "sale"):
        for number, product in enumerate(PRODUCTS, start=1):
            hit |= {f"pr{number}{name}": value for name, value in product.items()}
    return hit


def v1_form(*event: Any) -> dict[str, Any]:
    return {"path": "/collect", "body": urlencode(_v1(*event))}


def v1_json(*event: Any) -> dict[str, Any]:
    return {"path": "/collect", "body": json.dumps({name: _number(value) if name == "tr" else value for name, value in _v1(*event).items()})}  # fmt: skip


def gtag(parameters: dict[str, str], ga4: str, segment: str, goods: str, held: int) -> dict[str, Any]:
    line = {"en": ga4, "_et": "12"}
    for name, value in _transaction(goods, GA4_TRANSACTION).items():
        line[f"epn.{name}" if isinstance(_number(value), float) else f"ep.{name}"] = value
    if goods == "list":
        line["ep.item_list_name"] = "Found"
    if goods == "promotion":
        line |= {"pi": "P1", "pn": "Sale", "cn": "banner", "cs": "top"}
    for number, product in enumerate(PRODUCTS if goods in ("list", "products", "sale") else [], start=1):
        line[f"pr{number}"] = "~".join(
            OF_GTAG.get(name, name) + value.replace("~", "~~") for name, value in product.items()
        )
    common = {"v": "2", **WHO, **WHERE, "sid": "77", "_p": "5", "_s": ga4}
    return {"path": "/g/collect", "query": urlencode(common), "body": urlencode(line)}


def mp(parameters: dict[str, str], ga4: str, segment: str, goods: str, held: int, now: int = 0) -> dict[str, Any]:
    params: dict[str, Any] = {
        "page_location": PAGE, "page_referrer": WHERE["dr"], "page_title": "One", "language": "de-de", "screen_resolution": "800x600",
        "session_id": "77", **{name: _number(value) for name, value in _transaction(goods, GA4_TRANSACTION).items()},
    }  # fmt: skip
    if goods == "list":
        params["item_list_name"] = "Found"
    if goods == "promotion":
        params |= {"promotion_id": "P1", "promotion_name": "Sale", "creative_name": "banner", "creative_slot": "top"}
    if goods in ("list", "products", "sale"):
        params["items"] = [{OF_MP[name]: _number(value) for name, value in product.items()} for product in PRODUCTS]
    visitor = {"client_id": "1.2", "user_id": "ann", "user_agent": BROWSER, "ip_override": CALLER}
    body: dict[str, Any] = {**visitor, "events": [{"name": ga4, "params": params}]}
    if held:
        body["timestamp_micros"] = (now - held) * 1000
    return {"path": "/mp/collect", "query": "measurement_id=G-1&api_secret=s", "body": json.dumps(body)}


def segment(parameters: dict[str, str], ga4: str, name: str, goods: str, held: int, now: int = 0) -> dict[str, Any]:
    properties: dict[str, Any] = {
        key: _number(value) for key, value in _transaction(goods, SEGMENT_TRANSACTION).items()
    }
    if goods == "list":
        properties["list_id"] = "Found"
    if goods == "promotion":
        properties |= {"promotion_id": "P1", "name": "Sale", "creative": "banner", "position": "top"}
    if goods in ("list", "products", "sale"):
        properties["products"] = [
            {OF_SEGMENT[key]: _number(value) for key, value in product.items()} for product in PRODUCTS
        ]
    message: dict[str, Any] = {
        "type": "page" if name == "page" else "track", "messageId": ga4, "anonymousId": "1.2", "userId": "ann", "writeKey": "G-1",
        "properties": properties,
        "context": {
            "page": {"url": PAGE, "referrer": WHERE["dr"], "title": "One"}, "locale": "de-de", "userAgent": BROWSER, "ip": CALLER, "screen": {"width": 800, "height": 600},
        },
    }  # fmt: skip
    if name != "page":
        message["event"] = name
    if held:
        # By a clock that is a day slow.
        sent = datetime.fromtimestamp(now / 1000) - timedelta(days=1)
        message |= {"timestamp": (sent - timedelta(milliseconds=held)).isoformat(), "sentAt": sent.isoformat()}
    return {"path": "/v1/batch", "body": json.dumps({"batch": [message]})}


class Stream:
    """Firehose, as the Lambda handler calls it."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def put_record_batch(self, *, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803
        self.lines += [line for record in Records for line in record["Data"].splitlines()]
        return {"FailedPutCount": 0, "RequestResponses": [{"RecordId": "r"}] * len(Records)}


@pytest.fixture
def visit(make_bench: Any, at: Callable[[str], datetime], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Sends the visit through a door of the Lambda handler, builds, and gives every row of every mart."""
    stream = Stream()
    runtime = entry.Runtime(Settings(), CloudSettings("hits", None, "Clickstream"), FirehoseDelivery(stream, "hits"))
    monkeypatch.setattr(entry, "runtime", lambda: runtime)

    def records(door: Callable[..., dict[str, Any]], held: int) -> Iterator[dict[str, Any]]:
        for number, event in enumerate(VISIT):
            now = int(at("2026-11-20 10:00").timestamp() * 1000) + number * 60_000
            of_time = {"now": now} if door in (mp, segment) else {}
            sent = door(*event, held, **of_time)
            request = {
                "version": "2.0",
                "rawPath": sent["path"],
                "rawQueryString": sent.get("query", ""),
                "headers": {"user-agent": BROWSER},
                "requestContext": {"http": {"method": "POST", "sourceIp": CALLER}, "timeEpoch": now},
                "body": sent["body"],
            }
            assert entry.handler(request, None)["statusCode"] in (200, 204)
            made = json.loads(stream.lines.pop())
            assert "rejected" not in made, made
            # Minted anew for each request (the session's id is made of it); what tells a retry is each client's own.
            made["event_id"] = made["request"]["id"] = f"event-{number}"
            yield made

    def send(door: Callable[..., dict[str, Any]], held: int = 0) -> dict[str, list[tuple[Any, ...]]]:
        bench = make_bench()
        bench.deliver(list(records(door, held)))
        bench.build(DAY, NEXT)
        rows: dict[str, list[tuple[Any, ...]]] = bench.snapshot(DAY, NEXT)
        # The hit as it is: what no table knows is each client's own.
        rows["events.logs"] = bench.rows(f"select * exclude (req_body, {OF_CLIENT}) from events.logs order by all")
        rows[OF_CLIENT] = bench.rows(f"select {OF_CLIENT} from events.logs order by received_at")
        return rows

    return send


def test_a_visit_is_the_same_through_every_door(visit: Callable[..., Any]) -> None:
    """A site that moves from one client to another sees its figures go on: not one value of one mart differs."""
    expected = visit(v1_form)
    assert expected.pop(OF_CLIENT) == [("measurement_protocol_v1", None, None, None)] * len(VISIT)
    assert len(expected["events.logs"]) == len(VISIT) and len(expected["events.sessions"]) == 1
    assert len(expected["events.product_actions"]) == 8 and len(expected["events.impressions"]) == 2
    assert len(expected["events.promotions"]) == len(expected["events.purchases"]) == 1
    assert expected["events.quarantine"] == expected["events.duplicates"] == []
    assert any(Decimal("19.98") in row for row in expected["stats.revenue_1h"])
    of_client = {
        v1_json: [("measurement_protocol_v1", None, None, None)] * len(VISIT),
        gtag: [("ga4", ga4, "77", 12) for _, ga4, _, _ in VISIT],
        mp: [("ga4_mp", ga4, "77", None) for _, ga4, _, _ in VISIT],
        segment: [("segment", name, None, None) for _, _, name, _ in VISIT],
    }
    for door, rows in of_client.items():
        found = visit(door)
        assert found.pop(OF_CLIENT) == rows
        for model, rows in expected.items():
            assert found[model] == rows, (door.__name__, model)


def test_a_visit_that_was_held_back_is_the_same_too(visit: Callable[..., Any]) -> None:
    """Queue time, GA4's timestamp, and Segment's two times of a wrong clock put an event at the same instant."""
    expected = visit(v1_form, 5000)
    expected.pop(OF_CLIENT)
    for door in (mp, segment):
        found = visit(door, 5000)
        for model, rows in expected.items():
            assert found[model] == rows, (door.__name__, model)
