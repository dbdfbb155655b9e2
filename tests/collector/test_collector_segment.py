"""Segment's door: what each call becomes in v1's names, whose it is, when it happened, what its clients are told."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest

from collector.intake import process_request
from collector.protocols import segment_events
from collector.settings import IpMode, PrivacySignals, Settings

NOW = 1_772_323_200_000  # 2026-03-01T00:00:00Z
KEY = {"authorization": "Basic " + b64encode(b"key:").decode()}
ME = {"anonymousId": "a", "messageId": "m1"}


def _process(request: Any, settings: Settings | None = None) -> tuple[Any, list[dict[str, Any]]]:
    outcome = process_request(request, settings or Settings(), NOW, NOW + 1)
    return outcome.answer(), [json.loads(record) for record in outcome.records]


def _send(make_request: Any, path: str, message: Any, settings: Settings | None = None, **headers: str) -> Any:
    return _process(make_request("POST", path, json.dumps(message), headers=headers or KEY), settings)


def _hit(make_request: Any, path: str, message: dict[str, Any]) -> dict[str, Any]:
    answer, (record,) = _send(make_request, path, {**ME, **message})
    assert (answer.status, json.loads(answer.body)) == (200, {"success": True}), answer
    assert record["request"]["protocol"] == "segment" and record["response"]["statusCode"] == 200
    body: dict[str, Any] = record["request"]["body"]
    return body


PRODUCT = {
    "product_id": "SKU1", "sku": "s", "name": "A", "brand": "B", "category": "C", "variant": "L", "price": 9.90, "quantity": 2,
    "coupon": "TEN", "position": 4, "size": "XL",
}  # fmt: skip
OF_PRODUCT = {"id": "SKU1", "nm": "A", "br": "B", "ca": "C", "va": "L", "pr": "9.9", "qt": "2", "cc": "TEN", "ps": "4"}
PR1 = {f"pr1{name}": value for name, value in OF_PRODUCT.items()}
SALE = {"order_id": "T1", "tax": 1, "shipping": 2, "coupon": "C", "affiliation": "web", "currency": "EUR", "total": 22.80, "revenue": 19.8, "value": 3}  # fmt: skip
OF_SALE = {
    "ti": "T1",
    "tr": "22.8",
    "tt": "1",
    "ts": "2",
    "tcc": "C",
    "ta": "web",
    "cu": "EUR",
    "properties.revenue": "19.8",
}


@pytest.mark.parametrize(
    ("event", "properties", "expected"),
    [
        ("Product Viewed", {**PRODUCT, "list": "L"}, {"pa": "detail", "ea": "view_item", "pal": "L", **PR1, "properties.sku": "s"}),
        ("Product Clicked", PRODUCT, {"pa": "click", "ea": "select_item", **PR1, "properties.size": "XL"}),
        ("Product Added", PRODUCT, {"pa": "add", "ea": "add_to_cart", **PR1}),
        ("Product Removed", PRODUCT, {"pa": "remove", "ea": "remove_from_cart", **PR1}),
        ("Cart Viewed", {"products": [PRODUCT]}, {"ea": "view_cart", **PR1, "pr1.size": "XL", "pr1.sku": "s"}),
        ("Checkout Started", {"products": [PRODUCT]}, {"pa": "checkout", "cos": "1", "ea": "begin_checkout", **PR1}),
        ("Checkout Step Viewed", {"step": 2}, {"pa": "checkout", "cos": "2"}),
        ("Checkout Step Completed", {"step": 2, "shipping_method": "air"}, {"pa": "checkout_option", "cos": "2", "col": "air"}),
        ("Payment Info Entered", {"payment_method": "card"}, {"pa": "checkout", "cos": "3", "col": "card"}),
        ("Payment Info Entered", {"step": 5}, {"cos": "5"}),
        ("Order Completed", {**SALE, "products": [PRODUCT]}, {"pa": "purchase", "ea": "purchase", **OF_SALE, **PR1}),
        ("order completed", {"revenue": 5, "order_id": 7}, {"pa": "purchase", "tr": "5", "ti": "7"}),
        ("Order Refunded", {"order_id": "T1", "total": 3}, {"pa": "refund", "ea": "refund", "ti": "T1", "tr": "3"}),
        ("Product List Viewed", {"list_id": "L", "products": [PRODUCT]}, {"il1nm": "L", **{f"il1pi1{n}": v for n, v in OF_PRODUCT.items()}}),
        ("Promotion Viewed", {"promotion_id": "P", "name": "N", "creative": "C", "position": "S"}, {"promoa": "view", "promo1id": "P", "promo1nm": "N", "promo1cr": "C", "promo1ps": "S"}),
        ("Promotion Clicked", {"promotion_id": "P"}, {"promoa": "click", "promo1id": "P", "ea": "select_promotion"}),
        ("Products Searched", {"query": "q"}, {"ea": "search", "properties.query": "q"}),
        ("Song Played", {"category": "c", "label": "l", "x": {"y": 1}, "url": "https://a/"}, {"ea": "Song Played", "ec": "c", "el": "l", "properties.x": {"y": 1}, "dl": "https://a/"}),
    ],
)  # fmt: skip
def test_what_a_tracked_event_means(
    make_request: Any, event: str, properties: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The table of the e-commerce specification, and an event of the site's own."""
    hit = _hit(make_request, "/v1/track", {"event": event, "properties": properties})
    assert expected.items() <= hit.items(), hit
    assert {"t": "event", "tid": "key", "cid": "a", "z": "m1", "_en": event}.items() <= hit.items()
    assert ("pa" in hit) == ("pa" in expected or event == "Payment Info Entered")


@pytest.mark.parametrize(
    ("path", "message", "expected"),
    [
        ("/v1/page", {"name": "Home", "properties": {"url": "https://a/", "title": "T", "referrer": "https://b/"}}, {"t": "pageview", "_en": "Home", "dl": "https://a/", "dt": "T", "dr": "https://b/"}),
        ("/v1/p", {}, {"t": "pageview", "_en": "page"}),
        ("/v1/screen", {"name": "Main"}, {"t": "screenview", "cd": "Main", "_en": "Main"}),
        ("/v1/identify", {"userId": 7, "traits": {"plan": "gold"}}, {"t": "event", "ea": "identify", "ni": "1", "uid": "7", "traits.plan": "gold"}),
        ("/v1/group", {"groupId": "g"}, {"t": "event", "ea": "group", "ni": "1", "groupId": "g"}),
        ("/v1/alias", {"userId": "u", "previousId": "p"}, {"t": "event", "ea": "alias", "uid": "u", "previousId": "p"}),
        ("/v1/t", {"event": "x", "type": "page"}, {"t": "event", "ea": "x"}),
    ],
)  # fmt: skip
def test_what_a_call_means(make_request: Any, path: str, message: dict[str, Any], expected: dict[str, str]) -> None:
    """Each type of call, by its own path and by its first letter; the path says which it is."""
    assert expected.items() <= _hit(make_request, path, message).items()


def test_the_context_says_where_and_on_what(make_request: Any) -> None:
    """What has a name in v1 gets it, what has none is kept; nothing gets a name that means something else there."""
    context = {
        "ip": "198.51.100.9", "userAgent": "UA", "locale": "de-DE", "sessionId": 17,
        "page": {"url": "https://a/", "referrer": "https://b/", "title": "T", "path": "/"}, "screen": {"width": 10, "height": 20},
        "campaign": {"name": "n", "source": "s", "medium": "m", "term": "t", "content": "c"}, "app": {"name": "an", "version": "1"},
        "library": {"name": "lib"}, "timezone": "Europe/Berlin",
    }  # fmt: skip
    message = {"event": "x", "context": context, "qt": "1", "pa": "purchase", "properties": {"url": "https://other/"}}
    hit = _hit(make_request, "/v1/track", message)
    assert {
        "uip": "198.51.100.0", "ua": "UA", "ul": "de-DE", "_sid": "17", "dl": "https://a/", "dr": "https://b/", "dt": "T", "sr": "10x20",
        "cn": "n", "cs": "s", "cm": "m", "ck": "t", "cc": "c", "an": "an", "av": "1", "context.page": {"path": "/"},
        "context.library": {"name": "lib"}, "context.timezone": "Europe/Berlin", "properties.url": "https://other/",
        "segment.qt": "1", "segment.pa": "purchase",
    }.items() <= hit.items()  # fmt: skip
    assert not {"qt", "pa", "context.campaign", "context.ip"} & set(hit)


def test_a_batch_has_a_verdict_for_each_message(make_request: Any) -> None:
    """Neighbours of a bad one are kept, and each says what the batch says for all. What was refused can be sent again."""
    batch: list[Any] = [
        {**ME, "type": "track", "event": "x", "context": {"locale": "de"}},
        {**ME, "type": "nonsense"}, {"type": "page"}, {**ME, "type": "track"}, 5, None, [],
        {**ME, "type": "page", "context": 7, "properties": "x", "traits": [1]},
        {**ME, "type": "track", "event": "y", "properties": {"a": "a" * 33_000}},
        {**ME, "type": "track", "event": "z", "properties": json.loads("[" * 40 + "]" * 40)},
    ]  # fmt: skip
    request = {"batch": batch, "writeKey": "k", "sentAt": "2026-03-01T00:00:05Z", "context": {"timezone": "UTC"}}
    answer, made = _process(make_request("POST", "/v1/batch", json.dumps(request)))
    assert (answer.status, json.loads(answer.body)) == (200, {"success": True})
    assert [record.get("rejected", {}).get("reason") for record in made] == [
        None, "missing_hit_type", "missing_client_id", "missing_event_name", "not_an_object", "not_an_object", "not_an_object", None,
        "too_large", "malformed_json",
    ]  # fmt: skip
    body = made[0]["request"]["body"]
    assert {"tid": "k", "ul": "de", "context.timezone": "UTC", "sentAt": "2026-03-01T00:00:05Z"}.items() <= body.items()
    assert made[0]["request"]["original"]["context"] == {"timezone": "UTC", "locale": "de"}
    payload = json.loads(made[3]["rejected"]["payload"])
    assert _hit(make_request, "/v1/track", {**payload, "event": "mended"})["tid"] == "key"


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        ("/v1/track", "{", 400, "malformed_json"),
        ("/v1/track", "", 400, "malformed_json"),
        ("/v1/track", "[]", 400, "not_an_object"),
        ("/v1/track", json.dumps({**ME, "event": "a" * 33_000}), 413, "too_large"),
        ("/v1/batch", json.dumps({"batch": []}), 400, "empty_batch"),
        ("/v1/batch", json.dumps({"batch": {"type": "page"}}), 400, "empty_batch"),
        ("/v1/import", json.dumps({"batch": [{"type": "page"}] * 501}), 413, "too_many_hits"),
        ("/v1/batch", json.dumps({"batch": ["a" * 600_000]}), 413, "too_large"),
        ("/v1/batch", json.dumps({"batch": [{"type": "page"}] * 400, "context": {"a": "a" * 5000}}), 413, "too_large"),
        ("/v1/batch", json.dumps({"batch": [{"type": "page"}]}), 400, "missing_client_id"),
    ],
)
def test_what_is_no_message_is_refused_by_name(
    make_request: Any, path: str, body: str, status: int, reason: str
) -> None:
    """In the fields that Segment's libraries read, without which they send again and again; on record with its reason."""
    answer, made = _process(make_request("POST", path, body, headers=KEY))
    said = json.loads(answer.body)
    assert (answer.status, said["success"], said["code"], said["error"]) == (status, False, reason, reason)
    assert said["message"] and [record["rejected"]["reason"] for record in made] == [reason]


@pytest.mark.parametrize(
    ("authorization", "message", "tenant"),
    [
        ("Basic a2V5Og==", {"writeKey": "other"}, "key"),
        ("basic a2V5", {}, "key"),
        ("Basic !!!", {"writeKey": "other"}, "other"),
        ("Basic " + b64encode(b"\xff:").decode(), {"writeKey": "other"}, "other"),
        ("Basic " + b64encode(b"k" * 300).decode(), {}, None),
        ("Bearer a2V5Og==", {}, None),
        ("", {"writeKey": "other"}, "other"),
    ],
)
def test_a_write_key_is_a_tenant(
    make_request: Any, authorization: str, message: dict[str, str], tenant: str | None
) -> None:
    """The user of the authorization, else the body's key. The list of tracking ids is the list of keys."""
    sent = {**ME, "event": "x", **message}
    _, (record,) = _send(make_request, "/v1/track", sent, authorization=authorization)
    assert record["context"]["tracking_id"] == tenant
    assert "uthorization" not in json.dumps(record)
    settings = Settings(tracking_ids=frozenset({"key"}))
    answer, (record,) = _send(make_request, "/v1/track", sent, settings, authorization=authorization)
    assert answer.status == (200 if tenant == "key" else 403)


@pytest.mark.parametrize(
    ("times", "held"),
    [
        ({"timestamp": "2026-02-28T23:59:55Z"}, "5000"),
        ({"timestamp": "2026-03-01T00:59:55.5+01:00"}, "4500"),
        ({"timestamp": "2026-02-28T23:59:55"}, "5000"),
        # A clock that is an hour slow, or a year fast: the span counts.
        ({"timestamp": "2026-02-28T23:00:00Z", "sentAt": "2026-02-28T23:00:03Z"}, "3000"),
        ({"originalTimestamp": "2027-03-01T00:00:00Z", "sentAt": "2027-03-01T00:00:02Z", "timestamp": "2020-01-01T00:00:00Z"}, "2000"),
        ({"timestamp": "2026-03-01T00:00:10Z"}, None),
        ({"timestamp": "2026-03-01T00:00:03Z", "sentAt": "2026-03-01T00:00:00Z"}, None),
        ({"timestamp": "soon"}, None),
        ({"timestamp": 1772323100}, None),
        ({"timestamp": "0001-01-01T00:00:00+23:59"}, "63908006340000"),
        ({}, None),
    ],
)  # fmt: skip
def test_a_messages_time_becomes_its_queue_time(make_request: Any, times: dict[str, Any], held: str | None) -> None:
    """With `sentAt` a wrong clock does no harm; without, the timestamp is taken at its word; what is no time is now."""
    assert _hit(make_request, "/v1/track", {"event": "x", **times}).get("qt") == held


def test_who_has_not_agreed_is_counted_and_not_kept(make_request: Any) -> None:
    """Segment's consent by categories, where privacy signals are honoured; the client hears success."""
    honour = Settings(privacy_signals=PrivacySignals.HONOUR)
    for choice, kept in ((False, False), (True, True), ("false", True)):
        consent = {"consent": {"categoryPreferences": {"Advertising": False, "Analytics": choice}}}
        answer, made = _send(make_request, "/v1/track", {**ME, "event": "x", "context": consent}, honour)
        assert (answer.status, json.loads(answer.body)) == (200, {"success": True})
        assert ("rejected" not in made[0]) == kept
        assert kept or (made[0]["rejected"]["reason"], made[0]["rejected"]["payload"]) == ("consent_denied", None)
    answer, made = _send(make_request, "/v1/track", {**ME, "event": "x"}, honour, dnt="1")
    assert (answer.status, made[0]["rejected"]["reason"]) == (200, "do_not_track")


@pytest.mark.parametrize("mode", list(IpMode))
def test_addresses_are_cut_by_whatever_name(make_request: Any, mode: IpMode) -> None:
    """In the hit, in what was received, in what was refused."""
    context = {
        "ip": "198.51.100.137",
        "device": {"ipAddress": "198.51.100.137"},
        "x-forwarded-for": "198.51.100.137, 10.0.0.1",
    }
    batch = [{**ME, "type": "track", "event": "x", "context": context}, {"type": "page", "context": context}]
    body = json.dumps({"batch": batch})
    for sent in (body, body[:-2], json.dumps({"batch": batch * 300})):
        _, made = _process(make_request("POST", "/v1/batch", gzip.compress(sent.encode()), headers={"content-encoding": "gzip"}), Settings(ip_mode=mode))  # fmt: skip
        assert made and "100.137" not in json.dumps(made)


def test_a_defect_of_ours_costs_no_neighbour(make_request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails here is on record to be replayed, and the message beside it is kept."""
    monkeypatch.setitem(segment_events.EVENTS, "order completed", object())
    batch = [{**ME, "type": "page"}, {**ME, "type": "track", "event": "Order Completed"}]
    answer, made = _process(make_request("POST", "/v1/batch", json.dumps({"batch": batch})))
    assert answer.status == 200
    assert [record.get("rejected", {}).get("reason") for record in made] == [None, "internal_error"]
    assert json.loads(made[1]["rejected"]["payload"]) == batch[1]


# ---------------------------------------------------------------------------------------------------------------------
# The pixel
# ---------------------------------------------------------------------------------------------------------------------
def _pixel(make_request: Any, data: str, path: str = "/v1/pixel/track", **more: Any) -> tuple[Any, dict[str, Any]]:
    headers = {"user-agent": "Mail", "content-encoding": "gzip"}
    answer, (record,) = _process(make_request("GET", path, query=f"data={data}", headers=headers), **more)
    return answer, record


@pytest.mark.parametrize("spelling", ["encoded", "bare", "URL-safe", "unpadded"])
def test_a_message_in_an_images_address(make_request: Any, spelling: str) -> None:
    """Mails have no script: whatever base64 their sender writes, the message counts and an image comes back. Who loads it is the
    visitor, a server is not in between."""
    message = {**ME, "writeKey": "key", "event": "Mail opened", "properties": {"subject": ">>>> für ????? dich"}}
    data = b64encode(json.dumps(message, ensure_ascii=False).encode()).decode()
    assert "+" in data and "=" in data
    if spelling == "encoded":
        data = quote(data, safe="")
    elif spelling == "URL-safe":
        data = data.replace("+", "-").replace("/", "_")
    elif spelling == "unpadded":
        data = data.rstrip("=")
    answer, record = _pixel(make_request, data)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/gif")
    assert record["response"]["headers"] == {"Content-Type": "image/gif"}
    context, body = record["context"], record["request"]["body"]
    assert (context["tracking_id"], context["client_id"]) == ("key", "a")
    assert (context["user_ip"], context["user_agent"]) == ("203.0.113.0", "Mail")
    assert (body["ea"], body["properties.subject"]) == ("Mail opened", ">>>> für ????? dich")
    assert record["request"]["original"]["type"] == "track" and record["request"]["protocol"] == "segment"


@pytest.mark.parametrize(
    ("data", "reason"),
    [("", "malformed_json"), ("!!!", "malformed_json"), ("QQ", "malformed_json"), ("QUJDR", "malformed_json"), ("W10=", "not_an_object"),
     (b64encode(b'{"event": "x"}').decode(), "missing_client_id"), ("QUJD" * 2001, "too_large")],
)  # fmt: skip
def test_a_pixel_without_a_message_is_refused(make_request: Any, data: str, reason: str) -> None:
    """Nothing in an address makes the collector fail, and each refusal is recorded with its reason."""
    answer, record = _pixel(make_request, data)
    assert (answer.status, record["rejected"]["reason"]) == (413 if reason == "too_large" else 400, reason)


def test_an_address_in_a_refused_pixel_is_cut(make_request: Any) -> None:
    """In base64 nobody sees it: what is kept is the message, not the letters that it came in."""
    message = json.dumps({"event": "x", "context": {"ip": "198.51.100.137"}}).encode()
    for data in (b64encode(message).decode(), b64encode(message).decode()[:-9]):
        _, record = _pixel(make_request, data)
        text = json.dumps(record)
        assert "198.51.100.137" not in text and data not in text
    _, record = _pixel(make_request, b64encode(message).decode())
    assert json.loads(record["rejected"]["payload"])["context"] == {"ip": "198.51.100.0"}


@pytest.mark.parametrize("properties", [{"x": {"aip": 0}}, {"x": [{"%61ip": "1"}]}, {"aip": None}])
def test_a_wish_for_a_cut_address_is_found_at_any_depth(make_request: Any, properties: dict[str, Any]) -> None:
    """Messages without anything to cut are not looked through a second time; this wish is no such message."""
    settings = Settings(ip_mode=IpMode.FULL)
    sender = {"origin": "https://shop.example"}
    for wish, address in (({}, "203.0.113.77"), (properties, "203.0.113.0")):
        message = {**ME, "writeKey": "k", "event": "x", "properties": wish}
        _, (record,) = _send(make_request, "/v1/track", message, settings, **sender)
        assert record["context"]["user_ip"] == address


@pytest.mark.parametrize("mode", list(IpMode))
def test_messages_that_share_a_context_are_read_as_if_each_came_alone(make_request: Any, mode: IpMode) -> None:
    """A batch's equal contexts are worked out once. Equal is what has the same letters (1, 1.0 and true are equal to Python), in a batch in which
    something may be wrapped in a text as well, and where a message says another thing than its context."""
    contexts = [
        f'{{"ip": "203.0.113.77", "locale": "en", "page": {{"url": "{url}"}}, "screen": {{"width": {width}, "height": 1}}, "x": {{"ip": 1}}}}'
        for url in ("https://shop.example/", "https://shop.example/?a=%75ip%3D203.0.113.77")
        for width in ("1", "1.0", "1.00", "true")
    ]
    messages = [
        f'{{"type": "page", "anonymousId": "a", "properties": {properties}, "context": {context}}}'
        for context in (*contexts, *contexts)
        for properties in ("{}", '{"url": "https://shop.example/"}', '{"url": "/"}')
    ]

    def kept(some: list[str]) -> list[Any]:
        _, records = _process(
            make_request("POST", "/v1/batch", f'{{"batch": [{", ".join(some)}]}}'), Settings(ip_mode=mode)
        )
        return [(record["context"], record["request"]["body"], record["request"]["original"]) for record in records]

    assert json.dumps(kept(messages)) == json.dumps([kept([message])[0] for message in messages])


def test_a_number_under_an_addresss_name_stays_a_number(make_request: Any) -> None:
    """It became a text, or a text a number, by what another message had before: kept in mind as equal."""
    for first, second in (("1", 1), (2, "2")):
        batch = {"batch": [{"type": "page", **ME, "context": {"ip": ip}} for ip in (first, second)]}
        _, records = _send(make_request, "/v1/batch", batch)
        assert [record["request"]["original"]["context"]["ip"] for record in records] == [first, second]
