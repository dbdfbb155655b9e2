"""GA4's two doors: what each event becomes in v1's names, each event its own verdict, nothing private by accident."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from collector.intake import process_request
from collector.settings import IpMode, PrivacySignals, Settings

NOW = 1_772_323_200_000
PAGE = {"v": "2", "tid": "G-1", "cid": "1.2", "sid": "77", "_p": "11", "_s": "3", "dl": "https://shop.example/"}


def _process(request: Any, settings: Settings | None = None) -> tuple[Any, list[dict[str, Any]]]:
    outcome = process_request(request, settings or Settings(), NOW, NOW + 1)
    return outcome.answer(), [json.loads(record) for record in outcome.records]


def _hit(made: list[dict[str, Any]]) -> dict[str, Any]:
    (record,) = made
    assert "rejected" not in record, record["rejected"]
    body: dict[str, Any] = record["request"]["body"]
    return body


def _gtag(make_request: Any, event: dict[str, str], **more: str) -> dict[str, Any]:
    _, made = _process(make_request("GET", "/g/collect", query=urlencode({**PAGE, **event, **more})))
    return _hit(made)


def _mp(make_request: Any, event: dict[str, Any], **request: Any) -> dict[str, Any]:
    body = json.dumps({"client_id": "1.2", **request, "events": [event]})
    _, made = _process(make_request("POST", "/mp/collect", body, query="measurement_id=G-1&api_secret=hidden"))
    return _hit(made)


ITEM = "idSKU1~nmA~~B~brAcme~caShoes~c2Red~vaL~pr9.90~qt2~cpTEN~lp4~k0colour~v0red~k1empty"
ITEM_OF_MP = {
    "item_id": "SKU1", "item_name": "A~B", "item_brand": "Acme", "item_category": "Shoes", "item_category2": "Red",
    "item_variant": "L", "price": 9.90, "quantity": 2, "coupon": "TEN", "index": 4, "colour": "red",
}  # fmt: skip
PRODUCT = {
    "id": "SKU1", "nm": "A~B", "br": "Acme", "ca": "Shoes/Red", "va": "L", "qt": "2", "cc": "TEN", "ps": "4", ".colour": "red",
}  # fmt: skip
SALE = {"transaction_id": "T1", "tax": "1", "shipping": "2", "coupon": "C", "affiliation": "web", "currency": "EUR"}
OF_SALE = {"ti": "T1", "tr": "19.8", "tt": "1", "ts": "2", "tcc": "C", "ta": "web", "cu": "EUR"}


@pytest.mark.parametrize(
    ("event", "more", "expected"),
    [
        ("page_view", {}, {"t": "pageview"}),
        ("screen_view", {"screen_name": "Home"}, {"t": "screenview", "cd": "Home"}),
        ("exception", {"description": "boom", "fatal": "true"}, {"t": "exception", "exd": "boom", "exf": "true"}),
        ("user_engagement", {}, {"t": "event", "ea": "user_engagement", "ni": "1"}),
        ("sign_up", {"event_category": "c", "event_label": "l"}, {"t": "event", "ea": "sign_up", "ec": "c", "el": "l"}),
        ("view_item", {"item_list_name": "L"}, {"pa": "detail", "pal": "L", **{f"pr1{n}": v for n, v in PRODUCT.items()}}),
        ("select_item", {}, {"pa": "click", "pr1id": "SKU1"}),
        ("add_to_cart", {"currency": "EUR"}, {"pa": "add", "pr1id": "SKU1", "cu": "EUR"}),
        ("remove_from_cart", {}, {"pa": "remove", "pr1id": "SKU1"}),
        ("begin_checkout", {}, {"pa": "checkout", "cos": "1", "pr1id": "SKU1"}),
        ("add_shipping_info", {"shipping_tier": "air"}, {"pa": "checkout", "cos": "2", "col": "air"}),
        ("add_payment_info", {"payment_type": "card"}, {"pa": "checkout", "cos": "3", "col": "card"}),
        ("purchase", {**SALE, "value": "19.8"}, {"pa": "purchase", "ea": "purchase", **OF_SALE, "pr1id": "SKU1"}),
        ("refund", {**SALE, "value": "19.8"}, {"pa": "refund", **OF_SALE}),
        ("view_item_list", {"item_list_id": "7"}, {"il1nm": "7", **{f"il1pi1{n}": v for n, v in PRODUCT.items() if n not in ("qt", "cc")}}),
        ("view_promotion", {"promotion_id": "P", "creative_name": "C"}, {"promoa": "view", "promo1id": "P", "promo1cr": "C"}),
        ("select_promotion", {"promotion_name": "N", "creative_slot": "S"}, {"promoa": "click", "promo1nm": "N", "promo1ps": "S"}),
        ("campaign_details", {"campaign": "n", "source": "s", "medium": "m"}, {"cn": "n", "cs": "s", "cm": "m"}),
    ],
)  # fmt: skip
def test_an_event_means_the_same_through_both_doors(
    make_request: Any, event: str, more: dict[str, str], expected: dict[str, str]
) -> None:
    """The table, for gtag's flat names and for the Measurement Protocol's JSON."""
    flat = {f"ep.{name}": value for name, value in more.items()}
    of_gtag = _gtag(make_request, {"en": event, **flat, "pr1": ITEM})
    of_mp = _mp(make_request, {"name": event, "params": {**more, "items": [ITEM_OF_MP]}})
    for hit in (of_gtag, of_mp):
        assert expected.items() <= hit.items(), (event, hit)
        assert (hit["tid"], hit["cid"], hit["_en"]) == ("G-1", "1.2", event)
        assert ("pa" in hit) == ("pa" in expected)
        assert not any(name.startswith("ga4.") for name in hit)
    if "pr1id" in of_gtag:
        assert (of_gtag["pr1pr"], of_mp["pr1pr"]) == ("9.90", "9.9"), "numbers keep the letters they came with"


def test_items_are_read_to_the_letter(make_request: Any) -> None:
    """Elsewhere anything that began with `pr` was an item, `~~` tore a name apart, and a missing price became 0."""
    names = {"pr0": "idA", "pr1": "idB~pr", "pr200": "nm~~~~x~~", "pr201": "idC", "promo": "x", "pr": "idD", "prx": "idE", "pr01": "idF"}  # fmt: skip
    hit = _gtag(make_request, {"en": "add_to_cart", **names})
    assert {name: value for name, value in hit.items() if name.startswith("pr")} == {
        **{name: value for name, value in names.items() if name not in ("pr1", "pr200")},
        "pr1id": "B",
        "pr200nm": "~~x~",
    }
    free = _gtag(make_request, {"en": "add_to_cart", "pr1": "idB~pr0~qt0"})
    assert (free["pr1pr"], free["pr1qt"]) == ("0", "0")


def test_lists_and_promotions_of_items(make_request: Any) -> None:
    """Items name their own lists; a promotion that several items share is one; `cn` is a campaign's name elsewhere."""
    hit = _gtag(make_request, {"en": "view_item_list", "pr1": "idA~lnL", "pr2": "idB~lnM", "pr3": "idC~lnL"})
    assert {name: hit[name] for name in ("il1nm", "il1pi1id", "il1pi2id", "il2nm", "il2pi1id")} == {
        "il1nm": "L", "il1pi1id": "A", "il1pi2id": "C", "il2nm": "M", "il2pi1id": "B",
    }  # fmt: skip
    hit = _gtag(make_request, {"en": "view_promotion", "pr1": "idA~piP~cnC", "pr2": "idB~piP~cnC", "pr3": "idC~piQ"})
    promotions = {name: value for name, value in hit.items() if name.startswith("promo") and name != "promoa"}
    assert promotions == {"promo1id": "P", "promo1cr": "C", "promo2id": "Q"}
    assert _gtag(make_request, {"en": "page_view", "cn": "C", "cs": "S"})["cn"] == "C"


def test_what_no_table_knows_is_kept_under_its_own_name(make_request: Any) -> None:
    """And never under a name that v1 has for something else: `qt` would move the event in time, `pa` make it a purchase."""
    hit = _gtag(make_request, {"en": "x", "_et": "500", "ep.a": "1", "epn.b": "2", "up.c": "3", "qt": "9", "pa": "purchase", "t": "item", "dr": ""})  # fmt: skip
    assert {"_et": "500", "_sid": "77", "ep.a": "1", "epn.b": "2", "up.c": "3", "_p": "11"}.items() <= hit.items()
    assert {"ga4.qt": "9", "ga4.pa": "purchase", "ga4.t": "item", "t": "event"}.items() <= hit.items()
    assert not {"qt", "pa", "dr"} & set(hit)
    hit = _mp(
        make_request,
        {"name": "x", "params": {"a": "1", "b": 2.50, "n": None, "deep": {"y": [1.5]}, "session_id": 5, "engagement_time_msec": "7"}},
        user_properties={"tier": {"value": "gold"}, "age": {"value": 7}},
        non_personalized_ads=False,
    )  # fmt: skip
    assert hit == {
        "tid": "G-1", "cid": "1.2", "t": "event", "ea": "x", "_en": "x", "_sid": "5", "_et": "7", "ep.a": "1", "epn.b": "2.5",
        "ep.deep": {"y": [1.5]}, "up.tier": "gold", "upn.age": "7", "non_personalized_ads": "false",
    }  # fmt: skip


def test_a_body_is_one_event_a_line(make_request: Any) -> None:
    """A line's values count before the query's; a line without `en` costs only itself; the answer is 204."""
    lines = "en=page_view&dt=One\r\nfoo=1\n\nen=scroll&cid=9.9&_et=12"
    answer, made = _process(make_request("POST", "/g/collect", lines, query=urlencode(PAGE)))
    assert (answer.status, answer.body, answer.headers["X-Event-Id"]) == (204, b"", made[0]["event_id"])
    assert [record.get("rejected", {}).get("reason") for record in made] == [None, "missing_event_name", None]
    assert [record["request"]["protocol"] for record in made] == ["ga4"] * 3
    assert [record["context"]["client_id"] for record in made] == ["1.2", None, "9.9"]
    assert [record["response"]["statusCode"] for record in made] == [204, 400, 204]
    assert made[0]["request"]["original"] == {**PAGE, "en": "page_view", "dt": "One"}
    # What is kept of a refused line can be sent again.
    again = make_request("GET", "/g/collect", query=made[1]["rejected"]["payload"] + "&en=late")
    assert _hit(_process(again)[1])["foo"] == "1"


@pytest.mark.parametrize(
    ("path", "body", "query", "status", "reason"),
    [
        ("/g/collect", "", "", 400, "missing_event_name"),
        ("/g/collect", "", "en=x&tid=G-1", 400, "missing_client_id"),
        ("/g/collect", "en=x\n" * 26, "cid=1", 413, "too_many_hits"),
        ("/g/collect", "en=x&ep.a=" + "a" * 70_000, "cid=1", 413, "too_large"),
        ("/g/collect", "en=x&ep.a=" + "a" * 140_000, "cid=1", 413, "too_large"),
        ("/g/collect", "", "en=x&cid=1&ep.a=" + "a" * 8000, 413, "too_large"),
        ("/mp/collect", "", "", 400, "malformed_json"),
        ("/mp/collect", "[]", "", 400, "not_an_object"),
        ("/mp/collect", '{"client_id": "1"}', "", 400, "empty_batch"),
        ("/mp/collect", '{"client_id": "1", "events": []}', "", 400, "empty_batch"),
        ("/mp/collect", '{"client_id": "1", "events": "x"}', "", 400, "empty_batch"),
        ("/mp/collect", json.dumps({"client_id": "1", "events": [{"name": "x"}] * 26}), "", 413, "too_many_hits"),
        ("/mp/collect", '{"events": [{"name": "x"}]}', "", 400, "missing_client_id"),
        ("/mp/collect", '{"client_id": [], "events": [{"name": "x"}]}', "", 400, "missing_client_id"),
        ("/mp/collect", '{"client_id": "1", "events": [{"name": ["x"]}]}', "", 400, "missing_event_name"),
        ("/mp/collect", '{"client_id": "1", "events": ["x"]}', "", 400, "not_an_object"),
        ("/mp/collect", '{"client_id": "1", "events": [{"name": "x", "params": ' + "[" * 90 + "]" * 90 + "}]}", "", 400, "malformed_json"),
        ("/mp/collect", json.dumps({"client_id": "1", "events": [{"name": "x", "params": {"a": "a" * 66_000}}]}), "", 413, "too_large"),
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused_by_name(
    make_request: Any, path: str, body: str, query: str, status: int, reason: str
) -> None:
    """Nothing of it is kept as a hit, the client hears why, and the record says so."""
    answer, made = _process(make_request("POST", path, body, query=query))
    assert (answer.status, json.loads(answer.body)["error"]) == (status, reason)
    assert {record["rejected"]["reason"] for record in made} == {reason}
    assert made[0]["request"]["protocol"] == ("ga4" if path == "/g/collect" else "ga4_mp")


@pytest.mark.parametrize(
    ("times", "held"),
    [
        ({"timestamp_micros": (NOW - 5000) * 1000}, "5000"),
        ({"timestamp_micros": str((NOW - 5000) * 1000)}, "5000"),
        ({"timestamp_micros": (NOW - 5000) * 1000, "of_event": (NOW - 7) * 1000}, "7"),
        ({"timestamp_micros": (NOW - 72 * 3_600_000) * 1000}, str(72 * 3_600_000)),
        ({"timestamp_micros": (NOW + 5000) * 1000}, None),
        ({"timestamp_micros": "yesterday"}, None),
        ({"timestamp_micros": -5}, None),
        ({}, None),
    ],
)
def test_an_events_time_becomes_its_queue_time(make_request: Any, times: dict[str, Any], held: str | None) -> None:
    """The event's own time counts before the request's; one of the future is now. How far back it reaches, the platform bounds."""
    event = {"name": "x"} | ({"timestamp_micros": times["of_event"]} if "of_event" in times else {})
    request = {name: value for name, value in times.items() if name != "of_event"}
    assert _mp(make_request, event, **request).get("qt") == held


def test_what_tells_a_retry(make_request: Any) -> None:
    """The same request again has the same `z`; another event, or one that cannot be told from a repetition, has not."""
    one = _gtag(make_request, {"en": "a"})
    assert one["z"] == _gtag(make_request, {"en": "a"})["z"]
    assert one["z"] != _gtag(make_request, {"en": "a", "_s": "4"})["z"] != _gtag(make_request, {"en": "b"})["z"]
    assert "z" not in _gtag(make_request, {"en": "a", "_p": ""})
    dated = {"name": "a", "timestamp_micros": (NOW - 5000) * 1000}
    assert _mp(make_request, dated)["z"] == _mp(make_request, dated)["z"] != _mp(make_request, {**dated, "x": 1})["z"]
    assert "z" not in _mp(make_request, {"name": "a"})


def test_googles_own_cookie_names_a_client_that_a_hit_does_not(make_request: Any) -> None:
    """The cookie itself is never stored."""
    cookie = {"cookie": "a=b; _ga=GA1.2.111.222; _ga_X=GS1.1.9"}
    _, made = _process(make_request("GET", "/g/collect", query="en=x&tid=G-1", headers=cookie))
    assert _hit(made)["cid"] == "111.222" and "GS1" not in json.dumps(made)
    _, made = _process(make_request("GET", "/g/collect", query="en=x&cid=own", headers=cookie))
    assert _hit(made)["cid"] == "own"
    _, made = _process(make_request("POST", "/mp/collect", '{"events": [{"name": "x"}]}', headers=cookie))
    assert _hit(made)["cid"] == "111.222"


@pytest.mark.parametrize(("gcs", "kept"), [("G100", False), ("G110", False), ("G111", True), ("G101", True), ("G1--", True), ("", True)])  # fmt: skip
def test_who_has_not_agreed_is_counted_and_not_kept(make_request: Any, gcs: str, kept: bool) -> None:
    """Only where privacy signals are honoured; of the others nothing but that they were there."""
    request = make_request("GET", "/g/collect", query=urlencode({**PAGE, "en": "x", "gcs": gcs}))
    answer, made = _process(request, Settings(privacy_signals=PrivacySignals.HONOUR))
    assert answer.status == 204
    if kept:
        assert _hit(made)["gcs"] == gcs if gcs else _hit(made)
    else:
        assert made[0]["rejected"] == {"reason": "consent_denied", "detail": "the visitor has not agreed to being measured", "payload": None}  # fmt: skip
        assert made[0]["context"]["user_ip"] is None and "1.2" not in json.dumps(made)
    assert _hit(_process(request)[1])


def test_a_list_of_secrets_keeps_strangers_out(make_request: Any) -> None:
    """The secret that was sent is in no record, whether it was taken or not."""
    settings = Settings(api_secrets=frozenset({"s3cret", "other"}))
    body = '{"client_id": "1", "events": [{"name": "x"}]}'
    for query, status in (("api_secret=s3cret&measurement_id=G-1", 204), ("api_secret=wr0ng", 403), ("", 403)):
        answer, made = _process(make_request("POST", "/mp/collect", body, query=query), settings)
        assert answer.status == status
        assert "s3cret" not in json.dumps(made) and "wr0ng" not in json.dumps(made)
    assert "s3cret" not in repr(settings)
    # A request without a body shows its query elsewhere.
    _, made = _process(make_request("POST", "/mp/collect", "", query="api_secret=s3cret"), settings)
    assert "s3cret" not in json.dumps(made)
    assert _process(make_request("POST", "/mp/collect", body), Settings())[0].status == 204


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ('{"client_id": "1", "events": [{"name": "x"}]}', []),
        ('{"events": [{"name": "x"}, {"name": ""}]}', ["VALUE_REQUIRED", "NAME_INVALID"]),
        ("{", ["VALUE_INVALID"]),
        ('{"client_id": "1"}', ["VALUE_REQUIRED"]),
    ],
)
def test_the_debug_door_judges_and_keeps_nothing(make_request: Any, body: str, codes: list[str]) -> None:
    """Google's shape of answer, our verdicts: what it lets pass the other door takes."""
    answer, made = _process(make_request("POST", "/debug/mp/collect", body))
    assert (answer.status, made) == (200, [])
    messages = json.loads(answer.body)["validationMessages"]
    assert [message["validationCode"] for message in messages] == codes
    assert all(message.keys() == {"fieldPath", "description", "validationCode"} for message in messages)


@pytest.mark.parametrize("mode", list(IpMode))
def test_addresses_are_cut_by_whatever_name(make_request: Any, mode: IpMode) -> None:
    """In the hit, in what was received, in what was refused; as the caller's own address would be at the most."""
    settings = Settings(ip_mode=mode)
    named = dict.fromkeys(("_uip", "ep.ip_address", "\x00i\x00p"), "198.51.100.137")
    query = urlencode({**PAGE, **named, "en=y&ep.ip=198.51.100.137&": ""})
    _, of_gtag = _process(make_request("POST", "/g/collect", "en=x\nen=", query=query), settings)
    event = {"name": "x", "params": {"clientIp": ["198.51.100.137"], "zip": "1.2.3.4"}}
    body = json.dumps({"client_id": "1", "ip_override": "198.51.100.137", "events": [event, {"params": event}]})
    _, of_mp = _process(make_request("POST", "/mp/collect", body), settings)
    _, broken = _process(make_request("POST", "/mp/collect", body[:-1]), settings)
    assert "100.137" not in json.dumps([of_gtag, of_mp, broken])
    assert [len(of_gtag), len(of_mp), len(broken)] == [2, 2, 1]
    assert of_mp[0]["request"]["body"]["ep.zip"] == "1.2.3.4"
    if mode is not IpMode.DROP:
        assert of_gtag[0]["context"]["user_ip"] == of_mp[0]["context"]["user_ip"] == "198.51.100.0"
        assert "198.51.100.0" in of_mp[1]["rejected"]["payload"]
    assert broken[0]["rejected"]["payload"] is None and broken[0]["rejected"]["payload_size"] == len(body) - 1


def test_a_stranger_to_the_list_is_refused(make_request: Any) -> None:
    """The list of tracking ids holds measurement ids, too."""
    settings = Settings(tracking_ids=frozenset({"G-2"}))
    answer, made = _process(make_request("GET", "/g/collect", query=urlencode({**PAGE, "en": "x"})), settings)
    assert (answer.status, made[0]["rejected"]["reason"]) == (403, "tracking_id_not_allowed")


def test_a_server_is_not_its_visitor(make_request: Any) -> None:
    """Its agent would make a bot of every buyer, and its address one household of them; a page that sends is its visitor's own."""
    body = json.dumps({"client_id": "1", "events": [{"name": "purchase"}]})
    agent = {"user-agent": "Python-urllib/3.11"}
    _, (by_server,) = _process(make_request("POST", "/mp/collect", body, headers=agent))
    assert (by_server["context"]["user_agent"], by_server["context"]["user_ip"]) == (None, None)
    _, (by_page,) = _process(make_request("POST", "/mp/collect", body, headers={**agent, "origin": "https://a"}))
    assert by_page["context"]["user_agent"] == "Python-urllib/3.11" and by_page["context"]["user_ip"] == "203.0.113.0"
    named = json.dumps({**json.loads(body), "user_agent": "Mozilla/5.0", "ip_override": "198.51.100.9"})
    _, (of_visitor,) = _process(make_request("POST", "/mp/collect", named, headers=agent))
    assert (of_visitor["context"]["user_agent"], of_visitor["context"]["user_ip"]) == ("Mozilla/5.0", "198.51.100.0")
    _, (by_gtag,) = _process(make_request("GET", "/g/collect", query="en=x&cid=1", headers=agent))
    assert by_gtag["context"]["user_agent"] == "Python-urllib/3.11"
