"""The pumper as clients of GA4 and Segment, against the real collector."""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from collector.contract import queue_time_ms
from collector.intake import process_request
from collector.local_process import running_collector
from collector.settings import Settings
from collector.web import Request
from simulations.clients import GTAG
from simulations.connection import Target
from simulations.protocols import PROTOCOLS, read_shares
from simulations.pump import pump
from simulations.sending import Pumped, request_of, timed
from simulations.sources import LiveHit, generated_visits

HITS = 1_500
SHARES = read_shares("v1=1,ga4=1,ga4_mp=1,segment=1")


def _archived(data: Path) -> list[dict[str, Any]]:
    paths = sorted((data / "archive").rglob("*.gz"))
    return [json.loads(line) for path in paths for line in gzip.decompress(path.read_bytes()).splitlines()]


@pytest.mark.parametrize("path", ["/collect", "/batch"])
def test_every_hit_arrives_by_its_visits_protocol(tmp_path: Path, path: str) -> None:
    """All are taken and accounted for, each under the collector's name of its protocol, with the gaps of its visit; one by gtag
    happens when it is sent."""
    visits = list(generated_visits(HITS, 7, SHARES))
    with running_collector(tmp_path) as collector:
        account = pump(visits, f"{collector.url}{path}", HITS, concurrency=16)
    assert (account.sent, account.accepted, account.exit_code()) == (HITS, HITS, 0), account
    records = _archived(tmp_path)
    assert [record["rejected"] for record in records if "rejected" in record] == []
    by_client: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        by_client[record["context"]["client_id"]].append(record)
    sent: dict[str, list[LiveHit]] = defaultdict(list)
    for hit in [hit for visit in visits for hit in visit][:HITS]:
        sent[json.loads(hit.body)["cid"]].append(hit)
    counted: Counter[str] = Counter()
    for client, hits in sent.items():
        found = by_client[client]
        assert {record["context"]["user_agent"] for record in found} == {hit.user_agent for hit in hits}
        protocols = Counter(PROTOCOLS[hit.protocol] for hit in hits)
        assert Counter(record["request"].get("protocol", "v1") for record in found) == protocols
        counted += protocols
        waited = sorted(queue_time_ms(record["request"]["body"]) for record in found)
        late = [held - age for held, age in zip(waited, sorted(hit.age_ms for hit in hits), strict=True)]
        # A little of it is the way from here to there, or two clocks: GA4's Measurement Protocol says when, not how long ago.
        assert max(map(abs, late)) < 60_000
    assert all(hit.age_ms == 0 for visit in visits if any(hit.protocol == GTAG for hit in visit) for hit in visit)
    assert all(counted[name] > 100 for name in PROTOCOLS), counted


@pytest.mark.parametrize("protocol", ["ga4", "ga4_mp", "segment"])
def test_what_is_sent_again_is_told_as_the_same(protocol: str) -> None:
    """The collector may have had the first copy: both have one z, and the time that the hit happened at."""
    target = Target(urlsplit("http://collect.example:8080/some/collect"))
    (hit,) = [hit for hit in timed(generated_visits(2_000, 7, ((protocol, 1.0),))) if hit.protocol][-1:]
    copies = [_taken(hit, target), _taken(hit, target, time.sleep(0.02))]
    assert copies[0]["body"]["z"] == copies[1]["body"]["z"]
    if protocol != "ga4":
        first, second = (copy["timestamp"] - queue_time_ms(copy["body"]) for copy in copies)
        assert abs(first - second) <= 1


def _taken(hit: Pumped, target: Target, _: None = None) -> dict[str, Any]:
    head, _, body = request_of([hit], target).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    path, _, query = first.split(" ")[1].removeprefix("/some").partition("?")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    now = time.time_ns() // 1_000_000
    (record,) = process_request(Request("POST", path, query, headers, body, "h", None), Settings(), now, now).records
    taken: dict[str, Any] = json.loads(record)["request"]
    assert taken["protocol"], "accepted"
    return taken
