"""What a server shows of its last hits under /live: to tests that ask, to this machine's user, and to nobody else."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from collector.live.door import admit
from collector.live.recent import MAX_BYTES, MAX_HITS, Recent
from collector.local_process import CollectorProcess, running_collector
from collector.outcomes import ACCEPTED, HitOutcome, Rejection
from collector.web import Request

HIT = "t=event&cid=c1&tid=UA-1-1&ec=shop&ea=add"
JSON = {"Content-Type": "application/json"}
ON = {"COLLECTOR_LIVE": "yes"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with running_collector(tmp_path_factory.mktemp("live"), environment=ON) as collector:
        yield collector


def _send(
    url: str, method: str, target: str, body: str = "", headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPResponse, Any]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    connection.request(method, target, body.encode(), headers or {})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    is_json = response.headers.get("Content-Type") == "application/json"
    return response, json.loads(content) if is_json and content else content


def _reset(url: str) -> Any:
    return _send(url, "POST", "/live/reset", "{}", JSON)[1]


def _hits(url: str, query: str = "") -> list[dict[str, Any]]:
    answer: dict[str, Any] = _send(url, "GET", f"/live/hits?{query}")[1]
    return answer["hits"]


def test_each_protocol_and_each_refusal_shows_once_it_is_answered(
    tmp_path: Path, archived: Callable[[Path], list[dict[str, Any]]]
) -> None:
    """A test suite sends, waits for its answer and asks. What is shown is the archive's own record; what left none shows, too: a slip in
    a path is what one looks for longest."""
    event = {"client_id": "c2", "events": [{"name": "purchase", "params": {"transaction_id": "T1"}}]}
    message = {"anonymousId": "c3", "event": "Order Completed", "writeKey": "wk", "properties": {}}
    with running_collector(tmp_path, environment=ON) as collector:
        for target, body in (
            ("/collect", HIT),
            ("/batch", f"{HIT}\nt=pageview\n"),
            ("/mp/collect?measurement_id=G-1&api_secret=x", json.dumps(event)),
            ("/v1/track", json.dumps(message)),
            ("/colect", HIT),
        ):
            _send(collector.url, "POST", target, body)
        with socket.create_connection(urlsplit(collector.url).netloc.split(":")) as connection:  # type: ignore[arg-type]
            connection.sendall(b"POST /collect HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nBroken\r\n\r\nt=1")
            assert b"400" in connection.recv(4096)
        shown = _hits(collector.url)
        counts = _send(collector.url, "GET", "/live/counts")[1]
        page = _send(collector.url, "GET", "/live")[0]
    columns = ("verdict", "reason", "protocol", "event", "tracking_id", "client_id", "path")
    assert [tuple(hit[name] for name in columns) for hit in reversed(shown)] == [
        ("accepted", "", "v1", "add", "UA-1-1", "c1", "/collect"),
        ("accepted", "", "v1", "add", "UA-1-1", "c1", "/batch"),
        ("rejected", "missing_client_id", "v1", None, None, None, "/batch"),
        ("accepted", "", "ga4_mp", "purchase", "G-1", "c2", "/mp/collect"),
        ("accepted", "", "segment", "Order Completed", "wk", "c3", "/v1/track"),
        ("rejected", "not_found", None, None, None, None, "/colect"),
        ("rejected", "malformed_request", "v1", None, None, None, "/collect"),
    ]
    assert (counts["accepted"], counts["rejected"], counts["kept"]) == (4, 3, 7)
    assert counts["reasons"] == {"missing_client_id": 1, "not_found": 1, "malformed_request": 1}
    assert counts["connections"] == {"malformed_request": 1}
    by_id = {record["event_id"]: record for record in archived(tmp_path)}
    assert by_id == {hit["event_id"]: hit["record"] for hit in shown if hit["record"]}
    assert page.status == 200 and "script-src 'sha256-" in page.headers["Content-Security-Policy"]


def test_hits_are_chosen_by_query_and_forgotten_by_reset(served: CollectorProcess) -> None:
    """What a suite asserts on is its own hits; a filter with a slip in its name would choose everything."""
    assert _reset(served.url)["kept"] == 0
    for n in range(4):
        _send(served.url, "POST", "/collect", f"{HIT}&z={n}" if n % 2 else f"t=pageview&cid=c{n}&tid=UA-2-2")
    _send(served.url, "POST", "/collect", "t=pageview")
    assert len(_hits(served.url)) == 5
    assert [hit["record"]["request"]["body"]["z"] for hit in _hits(served.url, "event=add")] == ["3", "1"]
    assert [hit["client_id"] for hit in _hits(served.url, "tracking_id=UA-2-2&hit_type=pageview")] == ["c2", "c0"]
    assert [hit["status"] for hit in _hits(served.url, "verdict=rejected&reason=missing_client_id")] == [400]
    newest = _hits(served.url, "limit=1")[0]
    assert newest["verdict"] == "rejected"
    assert newest in _hits(served.url, f"since={newest['received_at']}")
    assert _hits(served.url, f"since={newest['received_at'] + 1}") == []
    for query, said in (("evnt=add", "not known: 'evnt'"), ("since=now", "since has to be"), ("limit=-1", "limit has")):
        response, content = _send(served.url, "GET", f"/live/hits?{query}")
        assert response.status == 400 and said in content["detail"]
    counts = _reset(served.url)
    assert (counts["accepted"], counts["rejected"], counts["reasons"], _hits(served.url)) == (0, 0, {}, [])


def test_a_hit_with_numbers_beyond_any_can_be_looked_at(served: CollectorProcess) -> None:
    """One hit must not take the view of all others."""
    _reset(served.url)
    message = '{"anonymousId":"a","event":"e","writeKey":"w","properties":{"big":1e999,"long":%s,"deep":%s}}'
    _send(served.url, "POST", "/v1/track", message % ("9" * 6000, "[" * 20 + "]" * 20), JSON)
    _send(served.url, "POST", "/collect", f'{{"t":"event","cid":"c","x":{"[" * 5000}', JSON)
    assert {hit["verdict"] for hit in _hits(served.url)} == {"accepted", "rejected"}


@pytest.mark.parametrize(
    ("method", "target", "headers", "status"),
    [
        ("GET", "/live", {"Host": "rebound.example:8080"}, 403),
        ("GET", "/live/hits", {"Host": "127.0.0.1.rebound.example"}, 403),
        ("GET", "/live/hits", {"Host": ""}, 403),
        ("GET", "/live/hits", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", "/live/hits", {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 403),
        ("GET", "/live", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403),
        ("GET", "/live", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200),
        ("GET", "/live/hits", {"Origin": "http://localhost:3000"}, 403),
        ("GET", "/live/counts", {"X-Forwarded-For": "203.0.113.9"}, 403),
        ("POST", "/live/reset", {"Content-Type": "text/plain"}, 415),
        ("POST", "/live/reset", {}, 415),
        ("POST", "/live/reset", {**JSON, "Origin": "null"}, 403),
        ("GET", "/live/reset", {}, 405),
        ("POST", "/live/hits", JSON, 405),
        ("OPTIONS", "/live/reset", {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}, 403),
    ],
)  # fmt: skip
def test_strangers_learn_and_change_nothing(
    served: CollectorProcess, method: str, target: str, headers: dict[str, str], status: int
) -> None:
    """Any page that is open in a browser here can send to 127.0.0.1, also under a name of its own that it rebinds to it; and a proxy on
    this machine speaks for others."""
    _reset(served.url)
    _send(served.url, "POST", "/collect", HIT)
    response, content = _send(served.url, method, target, headers=headers)
    assert response.status == status
    assert not [name for name in response.headers if name.lower().startswith("access-control")]
    if status != 200:
        assert set(content) == {"error", "detail"}
    assert _send(served.url, "GET", "/live/counts")[1]["accepted"] == 1


def test_the_example_of_the_page_holds(served: CollectorProcess) -> None:
    """Whoever copies it into a suite of his own should see it pass."""
    page = (Path(__file__).parents[2] / "docs" / "collector.md").read_text(encoding="utf-8")
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "/live/" in block]
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102  (our own page)
    names["test_the_checkout_sends_its_purchase"](served.url)


@pytest.mark.parametrize("address", ["203.0.113.9", "10.0.0.1", "::ffff:10.0.0.1", "nonsense", None])
def test_an_address_elsewhere_is_a_stranger_whatever_it_calls_us(address: str | None) -> None:
    """Host is the client's to choose."""
    request = Request("GET", "/live", "", {"host": "127.0.0.1"}, b"", "127.0.0.1", address)
    with pytest.raises(Rejection, match="on this machine"):
        admit(request, [], is_page=True)
    for own in ("127.0.0.1", "127.8.8.8", "::1"):
        admit(request._replace(address=own), [], is_page=True)


def test_it_is_off_unless_it_is_asked_for(tmp_path: Path) -> None:
    """A collector behind a proxy or in a container shows nothing by accident."""
    with running_collector(tmp_path, environment={"COLLECTOR_LIVE": ""}) as collector:
        assert [_send(collector.url, "GET", path)[0].status for path in ("/live", "/live/hits")] == [404, 404]


def test_several_processes_show_what_all_of_them_take(tmp_path: Path) -> None:
    """Each has the hits of its own connections: a suite that asked one of two would miss half of its hits, and a reset forget half."""
    with running_collector(tmp_path, workers=2, environment=ON) as collector:
        url = collector.url
        while len({hit["id"].partition("-")[0] for hit in _hits(url)}) < 2:
            with ThreadPoolExecutor(8) as threads:
                list(threads.map(lambda n: _send(url, "POST", "/collect", f"{HIT}&z={n}"), range(20)))
        hits = _hits(url)
        counts = _send(url, "GET", "/live/counts")[1]
        assert counts["workers"] == 2 and counts["accepted"] == len(hits) == len({hit["event_id"] for hit in hits})
        assert [hit["received_at"] for hit in hits] == sorted((hit["received_at"] for hit in hits), reverse=True)
        assert _reset(url)["kept"] == 0
        assert all(_send(url, "GET", "/live/counts")[1]["accepted"] == 0 for _ in range(8))


def test_memory_is_bounded_and_what_was_not_stored_was_not_accepted() -> None:
    """Hits come by the million, and some are long; a hit that was answered with 503 is sent again and is not to be counted as there."""
    recent = Recent()
    record = json.dumps({"request": {"body": {"t": "event", "ea": "x"}}, "context": {}}).encode()
    recent.note(1, [HitOutcome(record, f"{n}", 200, ACCEPTED) for n in range(MAX_HITS + 7)], stored=True)
    recent.note(2, [HitOutcome(record, "lost", 200, ACCEPTED)], stored=False)
    hits = recent.hits({}, 0, 10_000)
    assert len(hits) == MAX_HITS and hits[-1]["event_id"] == "8"
    assert (hits[0]["verdict"], hits[0]["reason"], hits[0]["status"]) == ("rejected", "stream_unavailable", 503)
    counts = recent.counts()
    assert (counts["accepted"], counts["rejected"]) == (MAX_HITS + 7, 1)
    long = record[:-1] + b' , "pad": "' + b"x" * 500_000 + b'"}'
    recent.note(3, [HitOutcome(long, f"long{n}", 200, ACCEPTED) for n in range(40)], stored=True)
    kept = recent.hits({}, 0, 10_000)
    assert len(kept) == MAX_BYTES // len(long) and kept[0]["event_id"] == "long39"
