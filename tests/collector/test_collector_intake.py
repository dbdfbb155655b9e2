"""What each request earns: every transport, a outcome per line, refusals on record, browsers of other origins."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from collector.intake import process_request
from collector.settings import IpMode, PrivacySignals, Settings
from collector.web import GIF

HIT = '{"t": "event", "cid": "c1", "ev": 1.50, "tid": "UA-1-1"}'
FORM = "t=event&cid=c1&ev=1.50&tid=UA-1-1"


def _process(request: Any, settings: Settings | None = None) -> tuple[Any, list[dict[str, Any]]]:
    outcome = process_request(request, settings or Settings(), 1000, 1001)
    return outcome.answer(), [json.loads(record) for record in outcome.records]


@pytest.mark.parametrize(
    ("method", "query", "body", "headers"),
    [
        ("POST", "", HIT, {"content-type": "application/json"}),
        ("POST", "", HIT, {"content-type": "text/plain;charset=UTF-8"}),
        ("POST", "", HIT, {"content-type": "application/x-www-form-urlencoded"}),
        ("POST", "", "\ufeff\n " + HIT, {}),
        ("POST", "", FORM, {"content-type": "application/x-www-form-urlencoded"}),
        ("POST", "", FORM, {"content-type": "text/plain"}),
        ("POST", "", FORM, {}),
        ("POST", FORM, "", {}),
        ("POST", "", gzip.compress(HIT.encode()), {"content-encoding": "GZIP"}),
        ("GET", FORM, "", {}),
        ("HEAD", FORM, "", {}),
    ],
)
def test_every_transport_reaches_the_archive_alike(
    make_request: Any, method: str, query: str, body: Any, headers: dict[str, str]
) -> None:
    """The seed spoke JSON only, so no GA client could talk to it. curl's -d says form for JSON, beacons say text."""
    response, records = _process(make_request(method, "/collect", body, query=query, headers=headers))
    assert (response.status, response.body) == (200, GIF)
    assert records[0]["request"]["body"] == {"t": "event", "cid": "c1", "ev": "1.50", "tid": "UA-1-1"}
    assert records[0]["request"]["method"] == method
    assert response.headers["X-Event-Id"] == records[0]["event_id"]


@pytest.mark.parametrize(
    ("request_of", "status", "reason"),
    [
        ({"body": ""}, 400, "empty_hit"),
        ({"body": "[]"}, 400, "not_an_object"),
        ({"body": "{"}, 400, "malformed_json"),
        ({"body": "cid=1"}, 400, "missing_hit_type"),
        ({"body": "t=event"}, 400, "missing_client_id"),
        ({"body": "x" * 8193}, 413, "too_large"),
        ({"method": "GET", "query": "t=event&cid=1&dt=" + "x" * 8000}, 413, "too_large"),
        ({"body": gzip.compress(b"x" * 1_000_000), "headers": {"content-encoding": "gzip"}}, 413, "too_large"),
        ({"body": "no gzip", "headers": {"content-encoding": "gzip"}}, 400, "malformed_gzip"),
        ({"body": gzip.compress(FORM.encode())[:-9], "headers": {"content-encoding": "gzip"}}, 400, "malformed_gzip"),
        ({"body": FORM, "headers": {"content-encoding": "br"}}, 415, "unknown_encoding"),
        ({"method": "PUT", "body": FORM}, 405, "method_not_allowed"),
        ({"method": "GET", "path": "/batch", "query": FORM}, 405, "method_not_allowed"),
        ({"path": "/batch", "body": "\n \n"}, 400, "empty_batch"),
        ({"path": "/batch", "body": "\n".join([FORM] * 21)}, 413, "too_many_hits"),
        ({"path": "/batch", "body": "\n".join([FORM + "&dt=" + "x" * 900] * 19)}, 413, "too_large"),
    ],
)
def test_a_refusal_is_explained_and_recorded(
    make_request: Any, request_of: dict[str, Any], status: int, reason: str
) -> None:
    """A refused hit is counted and can be replayed once the rule is fixed; the client learns what was wrong."""
    response, records = _process(make_request(**{"method": "POST", **request_of}))
    assert response.status == status
    answer = json.loads(response.body)
    assert answer["error"] == reason and answer["detail"]
    assert len(records) == 1
    assert records[0]["rejected"]["reason"] == reason
    assert records[0]["response"]["statusCode"] == status
    assert records[0]["request"]["body"] is None
    assert len(records[0]["rejected"]["payload"]) <= 65_536


def test_the_payload_of_a_refused_hit_can_be_replayed(make_request: Any) -> None:
    """What is kept of a hit whose tracking id was not on the list is the hit, letter by letter."""
    settings = Settings(tracking_ids=frozenset({"UA-2-2"}))
    response, records = _process(make_request(body=HIT), settings)
    assert response.status == 403
    assert records[0]["rejected"]["payload"] == HIT
    assert _process(make_request(body=records[0]["rejected"]["payload"]))[0].status == 200


def test_each_line_of_a_batch_has_its_own_outcome(make_request: Any) -> None:
    """One bad line once cost a whole batch elsewhere; here its neighbours are kept and it is told apart."""
    lines = [HIT, "{broken", "", FORM, "t=event", "t=event&cid=1&dt=" + "x" * 8192]
    response, records = _process(make_request(path="/batch", body="\r\n".join(lines)))
    answer = json.loads(response.body)
    assert response.status == 200
    assert (answer["accepted"], answer["refused"]) == (2, 3)
    assert [line["status"] for line in answer["hits"]] == [200, 400, 200, 400, 413]
    assert [line["line"] for line in answer["hits"]] == [1, 2, 3, 4, 5]
    assert [record.get("rejected", {}).get("reason") for record in records] == [
        None, "malformed_json", None, "missing_client_id", "too_large",
    ]  # fmt: skip
    assert [line.get("event_id") for line in answer["hits"]] == [
        records[0]["event_id"],
        None,
        records[2]["event_id"],
        None,
        None,
    ]


def test_a_batch_without_a_good_line_is_a_bad_request(make_request: Any) -> None:
    """A client that looks at nothing but the status must not take this for success."""
    response, records = _process(make_request(path="/batch", body="x\ny"))
    assert response.status == 400
    assert len(records) == 2


def test_what_the_stream_does_not_take_is_not_acknowledged(make_request: Any) -> None:
    """Undelivered lines turn the whole answer into 503, so that a client which looks at the status sends again."""
    outcome = process_request(make_request(path="/batch", body=f"{FORM}\n{FORM}\nx"), Settings(), 1, 2)
    response = outcome.answer({1})
    answer = json.loads(response.body)
    assert response.status == 503 and response.headers["Retry-After"] == "5"
    assert [line["status"] for line in answer["hits"]] == [200, 503, 400]
    assert (answer["accepted"], answer["refused"]) == (1, 1)
    for body in (FORM, "a hit refused"):
        single = process_request(make_request(body=body), Settings(), 1, 2).answer({0})
        assert single.status == 503 and single.headers["Retry-After"] == "5"


def test_beacons_of_other_origins_get_their_origin_echoed(make_request: Any) -> None:
    """Beacons carry credentials, for which browsers do not accept `*`; errors must be readable too."""
    for body in (FORM, "t=event"):
        response, _ = _process(make_request(body=body, headers={"origin": "https://shop.example"}))
        assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert response.headers["Vary"] == "Origin"


def test_preflights_are_answered_for_allowed_origins_only(make_request: Any) -> None:
    """A page that may not send learns it before it sends."""
    settings = Settings(allowed_origins=frozenset({"https://shop.example"}))
    good, records = _process(make_request("OPTIONS", headers={"origin": "https://Shop.example"}), settings)
    assert good.status == 204 and good.headers["Access-Control-Allow-Headers"].startswith(
        "content-type, content-encoding"
    )
    assert records == []
    bad, _ = _process(make_request("OPTIONS", headers={"origin": "https://other.example"}), settings)
    assert "Access-Control-Allow-Origin" not in bad.headers


def test_hits_of_other_origins_are_refused_where_there_is_a_list(make_request: Any) -> None:
    """The list binds browsers; images and servers send no origin and are taken."""
    settings = Settings(allowed_origins=frozenset({"https://shop.example"}))
    for origin, status in (("https://shop.example", 200), ("https://other.example", 403), ("null", 403), (None, 200)):
        headers = {} if origin is None else {"origin": origin}
        assert _process(make_request(body=FORM, headers=headers), settings)[0].status == status


def test_an_origin_cannot_smuggle_a_header(make_request: Any) -> None:
    """An echoed value with a line break would split the answer."""
    response, _ = _process(make_request(body=FORM, headers={"origin": "https://a\r\nSet-Cookie: x"}))
    assert response.status == 200
    assert "Access-Control-Allow-Origin" not in response.headers


def test_visitors_who_ask_not_to_be_tracked_are_counted_only(make_request: Any) -> None:
    """Honoured, DNT and GPC leave a record with a reason and nothing of the visitor; by default they change nothing."""
    for name in ("dnt", "sec-gpc"):
        headers = {name: "1", "user-agent": "Mozilla/5.0", "referer": "https://shop.example/secret"}
        request = make_request(body=HIT, headers=headers)
        response, records = _process(request, Settings(privacy_signals=PrivacySignals.HONOUR))
        assert (response.status, response.body) == (204, b"")
        assert records[0]["rejected"] == {
            "reason": "do_not_track",
            "detail": "the browser asked not to be tracked",
            "payload": None,
        }
        assert records[0]["request"]["headers"] == {}
        assert set(records[0]["context"].values()) == {None}
        assert _process(request)[0].status == 200


def test_addresses_are_cut_before_they_are_stored(make_request: Any) -> None:
    """Default, full with and without aip, drop; a refused request never keeps a whole address."""
    cases = [
        (IpMode.TRUNCATE, FORM, "203.0.113.0"),
        (IpMode.FULL, FORM, "203.0.113.77"),
        (IpMode.FULL, FORM + "&aip=0", "203.0.113.0"),
        (IpMode.FULL, FORM + "&aip", "203.0.113.0"),
        (IpMode.FULL, "t=event", "203.0.113.0"),
        (IpMode.DROP, FORM, None),
    ]
    for mode, body, stored in cases:
        _, records = _process(make_request(body=body), Settings(ip_mode=mode))
        assert records[0]["context"]["user_ip"] == stored, (mode, body)


def test_only_listed_headers_are_stored(make_request: Any) -> None:
    """Cookies and credentials never reach disk, and a header cannot make a record longer than a stream takes."""
    headers = {
        "cookie": "session=1",
        "authorization": "Bearer x",
        "x-forwarded-for": "1.2.3.4",
        "user-agent": "U" * 9000,
    }
    _, records = _process(make_request(body=FORM, headers=headers))
    assert records[0]["request"]["headers"] == {"user-agent": "U" * 2048}


def test_a_path_that_takes_no_hits_is_answered_and_records_nothing(make_request: Any) -> None:
    """Health and robots answer without a record; what is unknown is 404 and says where hits go."""
    assert _process(make_request("GET", "/health"))[0].status == 200
    assert b"Disallow: /" in _process(make_request("GET", "/robots.txt"))[0].body
    response, records = _process(make_request("POST", "/nowhere", HIT))
    assert response.status == 404 and b"/collect" in response.body
    assert records == []
    assert _process(make_request("POST", "/collect/", HIT))[0].status == 200


def test_a_defect_of_ours_keeps_the_hit(make_request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the handler ever fail on a hit, it is refused with 500 and kept for a replay, and its neighbours pass."""
    from collector import intake

    real = intake.build_record

    def fails_on_poison(hit: Any, *arguments: Any, **times: Any) -> Any:
        if "poison" in hit:
            raise ZeroDivisionError
        return real(hit, *arguments, **times)

    monkeypatch.setattr(intake, "build_record", fails_on_poison)
    response, records = _process(make_request(path="/batch", body=f"{FORM}\n{FORM}&poison=1\n{FORM}"))
    assert [line["status"] for line in json.loads(response.body)["hits"]] == [200, 500, 200]
    assert records[1]["rejected"] == {
        "reason": "internal_error",
        "detail": "the collector failed on this hit; it is kept to be replayed",
        "payload": FORM + "&poison=1",
    }
