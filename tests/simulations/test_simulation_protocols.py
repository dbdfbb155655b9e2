"""Simulated traffic by the clients of GA4 and Segment: what the collector makes of it is what v1 would have said."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from collector.contract import find_parameter
from simulations.clients import of_hits, of_visits
from simulations.config import TrafficConfig
from simulations.faults import ACCEPTED, deliveries
from simulations.generate import plan_day
from simulations.history import write_day
from simulations.lines import Lines
from simulations.plan import KINDS
from simulations.protocols import PROTOCOLS, read_shares
from simulations.truth import TruthError, read

DAY = date(2026, 2, 14)
CONFIG = TrafficConfig(
    seed=3, hits_per_day=6000, client_retries=0.05, queued=0.05, skewed_queue_times=0.02, marathon_bots=1.0
)
# What a hit by another protocol need not say: nobody counts it.
UNSAID = {"v", "ni", "vp", "de", "sd"}
# The kinds of hits that go by each protocol.
SAID = {
    "ga4": {"page", "screen", "detail_event", "click", "add", "remove", "purchase", "refund", "event", "promotion_click", "exception"},
}  # fmt: skip
SAID["ga4_mp"] = SAID["ga4"]
SAID["segment"] = SAID["ga4"] - {"exception"} | {"checkout_option"}


def _by_v1_and(protocol: str) -> dict[str, tuple[str, dict[str, Any], dict[str, Any]]]:
    """By event id: the kind of a hit, its record by v1 and by the protocol."""
    plan = plan_day(DAY, replace(CONFIG, protocols=((protocol, 1.0),)))
    lines, found = Lines(plan), {}
    for delivery in deliveries(plan):
        rows = delivery.rows[delivery.kinds == ACCEPTED]
        only = replace(delivery, rows=rows, kinds=delivery.kinds[delivery.kinds == ACCEPTED])
        both = zip(rows.tolist(), lines.accepted(rows), lines.of(only).decode().splitlines(), strict=True)
        for row, by_v1, other in both:
            record = json.loads(other)
            found[record["event_id"]] = (KINDS[plan.hits.kind[row]], json.loads(by_v1), record)
    return found


def _value(name: str, value: str) -> Any:
    """A number's value; a purchase's id keeps its blanks in every protocol."""
    is_number = name in ("tr", "tt", "ts") or re.fullmatch(r"pr\d+(pr|qt|ps)", name)
    return Decimal(value) if is_number else value


@pytest.mark.parametrize("protocol", PROTOCOLS[1:])
def test_a_hit_is_the_same_by_every_protocol(protocol: str) -> None:
    """All that a figure is made of, times and retries included, comes back from the collector's translation; what would not goes
    by v1."""
    found = _by_v1_and(protocol)
    kinds: set[str] = set()
    # A retry is told by z: whoever shared one shares one.
    zs: dict[str, set[str]] = {}
    for kind, by_v1, record in found.values():
        body = record["request"]["body"]
        zs.setdefault(by_v1["request"]["body"]["z"], set()).add(body["z"])
        if record == by_v1:
            continue
        kinds.add(kind)
        assert record["request"]["protocol"] == protocol and record["request"]["original"]
        assert record["context"] == by_v1["context"]
        assert record["request"]["timestamp"] == by_v1["request"]["timestamp"]
        assert record["response"]["timestamp"] == by_v1["response"]["timestamp"]
        assert "invalid_parameters" not in record
        expected = {name: value for name, value in by_v1["request"]["body"].items() if name not in UNSAID | {"z"}}
        assert int(body.pop("qt", "0")) == int(expected.pop("qt", "0"))
        if "pa" in expected or "promoa" in expected:  # a shop's action has each protocol's name
            del expected["ea"]
            if protocol == "segment":
                del expected["ec"]
        said = {name: _value(name, body[name]) for name in expected}
        assert said == {name: _value(name, value) for name, value in expected.items()}, kind
        more = {name for name in body if find_parameter(name)} - expected.keys() - {"v", "z", "ea", "ni", "ua", "uip"}
        assert not more, "nothing that v1 would not have said"
    assert kinds == SAID[protocol]
    assert all(len(other) == 1 for other in zs.values()) and len({next(iter(other)) for other in zs.values()}) == len(
        zs
    )
    retried = Counter(by_v1["request"]["body"]["z"] for _, by_v1, record in found.values() if record != by_v1)
    assert max(retried.values()) > 1, "this traffic retries nothing"


def test_shares_are_of_visits() -> None:
    """A visitor has one client; who has which is drawn beside the traffic, which stays as it is."""
    shares = read_shares("v1=0.6, ga4=0.2,ga4mp=0.1,segment=0.1")
    plan, plain = plan_day(DAY, replace(CONFIG, protocols=shares)), plan_day(DAY, CONFIG)
    counts = Counter(PROTOCOLS[number] for number in of_visits(plan).tolist())
    total = sum(counts.values())
    assert {name: counts[name] / total for name in PROTOCOLS} == pytest.approx(dict(shares), abs=0.04)
    assert (plan.hits.received == plain.hits.received).all() and plan.orders == plain.orders
    assert set(of_hits(plain).tolist()) == {0}


def test_the_truth_does_not_depend_on_the_protocols(tmp_path: Path) -> None:
    """Expected figures are counted from the plan: with any shares the same, the configuration's name aside."""
    config = TrafficConfig(hits_per_day=800)
    written = []
    for name, protocols in (("v1", ""), ("mixed", "v1=1,ga4=1,ga4_mp=1,segment=1")):
        write_day(tmp_path / name / "archive", DAY, replace(config, protocols=read_shares(protocols)))
        written.append(read(tmp_path / name / "truth" / f"{DAY}.json"))
    plain, mixed = written
    assert mixed["config"].pop("protocols") == {"v1": 1.0, "ga4": 1.0, "ga4_mp": 1.0, "segment": 1.0}
    assert mixed == plain, "and a date of before there were protocols is one of v1 alone"


def test_other_shares_for_a_written_date_are_refused(tmp_path: Path) -> None:
    """Objects of both would lie side by side, and every hit count twice."""
    config = TrafficConfig(hits_per_day=100)
    write_day(tmp_path / "archive", DAY, config)
    write_day(tmp_path / "archive", DAY, replace(config, protocols=read_shares("v1=3")))
    with pytest.raises(TruthError, match="another protocols"):
        write_day(tmp_path / "archive", DAY, replace(config, protocols=read_shares("ga4=1")))
    shares = read_shares("segment=2,ga4=1")
    write_day(tmp_path / "archive", DAY + timedelta(days=1), replace(config, protocols=shares))
    again = replace(config, protocols=read_shares("ga4=1,segment=2"))
    write_day(tmp_path / "archive", DAY + timedelta(days=1), again)


@pytest.mark.parametrize("text", ["ga5=1", "v1", "ga4=nan", "ga4=inf", "ga4=-0.1", "ga4=0"])
def test_shares_are_checked(text: str) -> None:
    """A name alone is all of it; nothing else is guessed."""
    if text == "v1":
        assert read_shares(text) == ()
        return
    with pytest.raises(ValueError, match=r"ga|0"):
        read_shares(text)
