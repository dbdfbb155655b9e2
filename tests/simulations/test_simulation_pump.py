"""The pumper against the real collector, and against a real HTTP server that misbehaves on purpose."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from collector.contract import queue_time_ms
from collector.local_process import running_collector
from simulations.account import Account
from simulations.config import LIVE_TRACKING_PREFIX
from simulations.connection import Target
from simulations.pump import PumpError, pump
from simulations.sources import MAX_SPAN_MS, LiveVisit, ages, generated_visits, source

# What the server does with a request: gives a status and headers, or breaks off.
Answer = tuple[int, dict[str, str]] | None
Script = Callable[[dict[str, Any], int], Answer]
OK: Answer = (200, {})


@contextmanager
def server(script: Script) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An HTTP server that answers each hit as `script(hit, how often its z was seen before)` says, those sent to /batch as a
    collector answers lines; gives its address and the hits it has seen."""
    seen: list[dict[str, Any]] = []
    times: Counter[str] = Counter()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            answers = [
                self.process_request(line) for line in self.rfile.read(int(self.headers["Content-Length"])).splitlines()
            ]
            if None in answers:
                self.close_connection = True
                return
            status, headers = max((answer for answer in answers if answer), key=itemgetter(0))
            body = b"{}"
            if self.path == "/batch":
                lines = [{"line": number, "status": answer[0]} for number, answer in enumerate(answers, 1) if answer]
                body = json.dumps({"hits": lines}).encode()
                status = status if status >= 500 else min(answer[0] for answer in answers if answer)
            self.send_response(status)
            for name, value in {"Content-Length": f"{len(body)}", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def process_request(self, line: bytes) -> Answer:
            hit = json.loads(line)
            with lock:
                seen.append(hit)
                before = times[hit["z"]]
                times[hit["z"]] += 1
            return script(hit, before)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}/collect", seen
        finally:
            http.shutdown()


def archived(data: Path) -> list[dict[str, Any]]:
    """All records that a collector has delivered."""
    paths = sorted((data / "archive").rglob("*.gz"))
    return [json.loads(line) for path in paths for line in gzip.decompress(path.read_bytes()).splitlines()]


@pytest.mark.parametrize("status", [301, 404, 405])
def test_an_address_without_a_collector_ends_the_pump_at_once(status: int) -> None:
    """A path mistyped in COLLECT_URL was told 5,000 times over that it is not there, and counted as 5,000 refused hits."""
    said = f"answers {status}: no collector takes hits there. Fix COLLECT_URL"
    with server(lambda hit, before: (status, {})) as (url, seen), pytest.raises(PumpError, match=said):
        pump(generated_visits(2_000, run=1), url, 2_000, concurrency=8)
    assert len(seen) <= 8


def test_a_collector_that_goes_away_for_another_server_stops_the_pump() -> None:
    """What was accepted before is told; the rest is not sent to a server that does not take hits."""
    with server(lambda hit, before: OK if len(seen) < 100 else (404, {})) as (url, seen):
        account = pump(generated_visits(2_000, run=1), url, 2_000, concurrency=8)
    assert account.gave_up
    assert account.exit_code() == 1
    assert 80 < account.accepted < 100
    assert account.sent < 120


def test_every_hit_arrives_once_with_the_gaps_of_its_visit(tmp_path: Path) -> None:
    """All gaps used to collapse to "now", so that the 30-minute rule was never exercised, and losses were invisible."""
    visits = list(generated_visits(3_000, run=77))
    with running_collector(tmp_path) as collector:
        account = pump(visits, f"{collector.url}/collect", 3_000, concurrency=16)
    assert (account.sent, account.accepted, account.failed, account.exit_code()) == (3_000, 3_000, 0, 0)
    records = archived(tmp_path)
    bodies = {record["request"]["body"]["z"]: record for record in records}
    assert len(records) == len(bodies) == 3_000

    long_pauses = 0
    for visit in visits:
        sent = [(hit, json.loads(hit.body)) for hit in visit]
        if not all(body["z"] in bodies for _, body in sent):
            continue  # the visit that the limit cut
        at = []
        for hit, body in sent:
            record = bodies[body["z"]]
            kept = record["request"]["body"]
            assert {name: value for name, value in kept.items() if name != "qt"} == body
            assert kept["tid"].startswith(LIVE_TRACKING_PREFIX)
            assert record["context"]["user_agent"] == hit.user_agent
            at.append(record["request"]["timestamp"] - queue_time_ms(kept) + hit.age_ms)
        assert max(at) - min(at) < 1_000, "the collector's clock and ours give the visit one end"
        gaps = [before.age_ms - after.age_ms for before, after in pairwise(visit)]
        long_pauses += sum(gap >= 30 * 60_000 for gap in gaps)
    assert long_pauses > 3


def test_runs_differ_in_ids_and_in_nothing_else() -> None:
    """Each run sends the same features under new ids; `hash()` used to give other browsers at every run."""

    def features(run: int) -> tuple[list[Any], set[str]]:
        rest: list[Any] = []
        ids: set[str] = set()
        for visit in generated_visits(4_000, run):
            for hit in visit:
                body = json.loads(hit.body)
                own = ("cid", "z", "ti") if body.get("pa") == "purchase" else ("cid", "z")
                ids.update(body.pop(name) for name in own if name in body)
                rest.append((hit.user_agent, hit.age_ms, body))
        return rest, ids

    (first, first_ids), (second, second_ids) = features(1), features(2)
    assert first == second
    assert not first_ids & second_ids


def test_ages_are_gaps_and_stay_within_the_queue_times_limit() -> None:
    """A longer `qt` than four hours would be clamped by the collector; retries need some of them."""
    assert ages([1_000, 4_000, 61_000]) == [60_000, 57_000, 0]
    day = 24 * 3_600_000
    assert ages([0, day // 2, day]) == [MAX_SPAN_MS, MAX_SPAN_MS // 2, 0]


def test_unavailable_and_broken_answers_are_tried_again_under_the_same_z() -> None:
    """A retry has to be recognisable (same `z`) and keep the time of its event (the queue time grows)."""

    def script(hit: dict[str, Any], before: int) -> Answer:
        if before == 0 and hit["z"] < "8":
            return (503, {"Retry-After": "0"})
        if before == 0 and hit["z"] < "a":
            return None
        return OK

    with server(script) as (url, seen):
        account = pump(generated_visits(200, run=5), url, 200, concurrency=8)
    assert (account.sent, account.accepted, account.exit_code()) == (200, 200, 0)
    copies: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for hit in seen:
        copies[hit["z"]].append(hit)
    assert len(copies) == 200
    retried = [hits for hits in copies.values() if len(hits) == 2]
    assert len(retried) == account.retries > 80
    for first, second in retried:
        assert int(second.pop("qt")) > int(first.pop("qt"))
        assert first == second


def test_batches_arrive_as_single_hits_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To /batch the same hits go, many a request, and each keeps its browser, its visitor and its time."""
    requests: list[str] = []
    original = Target.request
    monkeypatch.setattr(Target, "request", lambda self, *said: requests.append(said[1]) or original(self, *said))
    visits = list(generated_visits(3_000, run=78))
    with running_collector(tmp_path) as collector:
        account = pump(visits, f"{collector.url}/batch", 3_000, concurrency=4)
    assert (account.sent, account.accepted, account.exit_code()) == (3_000, 3_000, 0)
    kept = {record["request"]["body"]["z"]: record for record in archived(tmp_path)}
    assert len(kept) == 3_000
    for hit in [hit for visit in visits for hit in visit][:3_000]:
        sent = json.loads(hit.body)
        record = kept[sent["z"]]
        body = record["request"]["body"]
        assert {name: value for name, value in body.items() if name != "qt"} == sent | {"ua": hit.user_agent}
        assert abs(int(body["qt"]) - hit.age_ms) < 60_000
    assert 3_000 / 20 <= len(requests) < 3_000 / 10


def test_of_a_batch_only_what_was_not_taken_is_sent_again() -> None:
    """Each line has its own fate: accepted lines are not sent twice, refused ones not again, unavailable ones until they are taken."""

    def script(hit: dict[str, Any], before: int) -> Answer:
        if hit["z"] < "4":
            return (400, {})
        return (503, {"Retry-After": "0"}) if hit["z"] < "8" and before == 0 else OK

    with server(script) as (url, seen):
        account = pump(generated_visits(300, run=6), url.replace("collect", "batch"), 300, concurrency=4)
    times = Counter(hit["z"] for hit in seen)
    assert len(times) == 300
    assert all(count == (2 if "4" <= z < "8" else 1) for z, count in times.items())
    refused = sum(z < "4" for z in times)
    assert (account.accepted, account.refused, account.failed) == (300 - refused, refused, 0)
    assert account.retries == sum(count - 1 for count in times.values()) > 20
    assert account.reasons == Counter({"400": refused})


def test_a_batch_whose_connection_broke_is_sent_again_whole() -> None:
    """No answer tells nothing of any line: all go again, under the same `z`."""
    broken: list[bool] = []

    def script(hit: dict[str, Any], before: int) -> Answer:
        if before == 0 and len(broken) < 3:
            broken.append(True)
            return None
        return OK

    with server(script) as (url, seen):
        account = pump(generated_visits(100, run=7), url.replace("collect", "batch"), 100, concurrency=1)
    assert (account.accepted, account.exit_code()) == (100, 0)
    assert len(seen) == 100 + account.retries > 100


def test_refused_hits_are_a_loss_unless_expected() -> None:
    """Statuses used not to be looked at: a collector that refused everything looked like success."""

    def script(hit: dict[str, Any], before: int) -> Answer:
        return (400, {}) if hit["z"] < "4" else OK

    with server(script) as (url, seen):
        account = pump(generated_visits(300, run=6), url, 300, concurrency=8)
    refused = sum(hit["z"] < "4" for hit in seen)
    assert len(seen) == 300 and account.refused == refused > 20
    assert account.exit_code() == 1
    assert account.exit_code(expect_refused=refused) == 0
    assert account.reasons == Counter({"400 {}": refused})


def test_hits_without_an_answer_are_failures() -> None:
    """A hit is lost when all attempts have gone without an answer, and the account says so."""

    def script(hit: dict[str, Any], before: int) -> Answer:
        if hit["z"] < "2":
            time.sleep(1.0)
        return OK

    with server(script) as (url, _):
        account = pump(generated_visits(60, run=8), url, 60, concurrency=60, attempts=2, timeout=0.3)
    assert account.failed > 0
    assert account.accepted + account.failed == 60
    assert account.exit_code() == 1
    assert any("no answer" in reason for reason in account.reasons)


def test_a_dead_collector_ends_the_run() -> None:
    """Each of a million hits used to be tried in vain; now the run gives up and what was sent is accounted for."""
    with server(lambda hit, before: (500, {})) as (url, _):
        account = pump(generated_visits(5_000, run=9), url, 5_000, concurrency=8, attempts=1)
    assert account.gave_up and account.exit_code() == 1
    assert 8 <= account.failed == account.sent < 50


def test_the_rate_is_kept() -> None:
    """A rate limit protects a collector that others use."""
    with server(lambda hit, before: OK) as (url, _):
        account = pump(generated_visits(100, run=10), url, 100, rate=100, concurrency=8)
    assert account.accepted == 100
    assert 0.95 <= account.seconds < 3


def test_nobody_listening_is_one_line_that_says_what_to_do() -> None:
    """The first thing a newcomer forgets is to start the collector."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    visits: Iterator[LiveVisit] = source(None, 10)[1]
    with pytest.raises(PumpError, match="make collect") as error:
        pump(visits, f"http://127.0.0.1:{port}/collect", 10)
    assert "\n" not in str(error.value)


def test_an_account_is_lossless_only_when_everything_was_accepted() -> None:
    """The exit code is what scripts look at."""
    assert Account(sent=5, accepted=5).exit_code() == 0
    assert Account(sent=5, accepted=4).exit_code() == 1
    assert Account(sent=5, accepted=4, refused=1).exit_code() == 1
    assert Account(sent=5, accepted=5, gave_up=True).exit_code() == 1
