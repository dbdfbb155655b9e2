"""The archive that mutations are tried on: two simulated dates with every fault, and dates of odd hits that nobody simulated.

The odd hits sit on the edges of the rules: half an hour and a day to the millisecond, thirty days and thirty-one, midnight, an
hour with two currencies, bots that buy, orders without number, currency or amount.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from simulations.config import TrafficConfig
from simulations.history import write_day

FIRST, LAST = date(2026, 3, 1), date(2026, 4, 2)
"""The event dates that are replayed, [FIRST, LAST): a lookback of thirty days and the date after it."""

SIMULATED = (date(2026, 3, 31), date(2026, 4, 1))
_SHAPE = TrafficConfig(
    hits_per_day=2500, objects_per_hour=1, marathon_bots=1.0, outages=0.0, late_objects=0.0, queued=0.03, client_retries=0.02,
    duplicate_deliveries=0.02, repeat_purchases=0.6, session_controls=0.05, malformed_lines=0.002, rejected=0.005,
)  # fmt: skip

_EUR = {"t": "event", "cu": "EUR"}
_SHIRT, _SHOES = {"pr1id": "SHIRT", "pr1pr": "20.05", "pr1qt": "2"}, {"pr2id": "SHOES", "pr2pr": "60", "pr2qt": "12"}


def _order(number: str, amount: str, **more: str) -> dict[str, str]:
    return {**_EUR, "pa": "purchase", "ti": number, "tr": amount, "tt": "1.5", "ts": "4.95", **more}


# (moment, parameters); the client is alice and the property UA-1-1 where nothing else is said.
_HITS: tuple[tuple[str, dict[str, str]], ...] = (
    ("03-01 10:00", {"uid": "u1", "dl": "https://shop.example/?utm_source=x"}),
    ("03-01 10:05", {**_EUR, "pa": "detail", **_SHIRT, **_SHOES}),
    ("03-01 10:06", {**_EUR, "pa": "add", **_SHIRT}),
    ("03-01 10:07", {**_EUR, "pa": "add", **_SHIRT}),
    ("03-01 10:08", {**_EUR, "pa": "add", "pr1nm": "no id", "pr200id": "LAST"}),
    ("03-01 10:09", {**_EUR, "pa": "remove", **_SHIRT}),
    ("03-01 10:10", {**_EUR, "pa": "click", **_SHOES, "uid": "u1"}),
    ("03-01 10:20", _order("A1", "100.123456789", **_SHIRT, **_SHOES)),
    ("03-01 10:30", _order("A1", "100.123456789", **_SHIRT, **_SHOES)),
    ("03-01 11:20", {**_EUR, "pa": "refund", "ti": "A1", "tr": "30.25"}),
    ("03-01 10:40", _order("S1", "70", cid="sam")),
    ("03-01 18:00", _order("R3", "30")),
    ("03-01 18:05", {"t": "event", "pa": "refund", "ti": "R3"}),
    ("03-01 19:00", {"t": "transaction", "ti": "R2", "tr": "-30.5", "cu": "EUR"}),
    ("03-01 15:00", _order("A2", "10")),
    ("03-01 16:00", _order("A3", "20")),
    # A whole refund without an amount or a currency, and once more.
    ("03-01 16:10", {"t": "event", "pa": "refund", "ti": "A3"}),
    ("03-01 16:20", {"t": "event", "pa": "refund", "ti": "A3"}),
    ("03-01 17:00", _order("A1", "7", tid="UA-2-1")),
    # Exactly half an hour, and a millisecond less.
    ("03-01 10:00:00.000", {"cid": "bob"}),
    ("03-01 10:29:59.999", {"cid": "bob"}),
    ("03-01 10:59:59.999", {"cid": "bob", "t": "screenview", "cd": "home"}),
    # Half a minute more than half an hour.
    ("03-01 12:00", {"cid": "bob"}),
    ("03-01 12:30:30", {"cid": "bob"}),
    # Over midnight, with an order after it.
    ("03-01 23:45", {"cid": "carol"}),
    ("03-02 00:10", {"cid": "carol"}),
    ("03-02 00:12", _order("C1", "0.123456789", cid="carol", cu="USD")),
    ("03-01 23:59:59.999", {"cid": "edge"}),
    ("03-02 00:00:00.000", {"cid": "edge 2"}),
    ("03-02 00:30", {"cid": "queued", "qt": "3600000"}),
    # Who has no client id, and who has no property.
    ("03-01 09:00", {"cid": "", "uid": "u9"}),
    ("03-01 09:01", {"tid": ""}),
    # The same client at two properties, within one hour.
    ("03-01 09:30", {"cid": "grace"}),
    ("03-01 09:31", {"cid": "grace", "tid": "UA-2-1"}),
    # Sent again: within a day, after exactly a day, and after a millisecond more.
    ("03-01 12:00", {"cid": "frank", "z": "77"}),
    ("03-02 11:30", {"cid": "frank", "z": "77"}),
    ("03-01 13:00", {"cid": "frank", "z": "78"}),
    ("03-02 13:00", {"cid": "frank", "z": "78"}),
    ("03-01 14:00", {"cid": "frank", "z": "79"}),
    ("03-02 14:00:00.001", {"cid": "frank", "z": "79"}),
    ("03-01 12:01", {"cid": "gina", "z": "77"}),
    ("03-02 12:01:30", {"cid": "gina", "z": "77"}),
    # The same name under which something else is sent.
    ("03-02 14:30", {"cid": "frank", "z": "80"}),
    ("03-02 14:31", {"cid": "frank", "z": "80", "dl": "https://shop.example/other"}),
    # Two currencies in an hour; no number, no currency, no amount.
    ("03-02 10:00", _order("H1", "50", cid="henry", tid="UA-2-1")),
    ("03-02 10:05", _order("H2", "60", cid="henry", tid="UA-2-1", cu="USD")),
    ("03-02 11:00", {"t": "event", "pa": "purchase", "tr": "5", "cid": "ivy"}),
    ("03-02 11:05", {"t": "event", "pa": "purchase", "tr": "0", "cu": "EUR", "cid": "ivy", "ti": "I0"}),
    ("03-02 12:00", {"t": "transaction", "ti": "T1", "tr": "33", "tt": "3", "ts": "2", "cu": "EUR", "cid": "ivy"}),
    # Sessions that their client begins and ends, and others within the half hour that go on.
    ("03-02 15:00", {"cid": "jack"}),
    ("03-02 15:01", {"cid": "jack", "sc": "start"}),
    ("03-02 15:02", {"cid": "jack", "sc": "end"}),
    ("03-02 15:03", {"cid": "jack"}),
    ("03-02 15:04", {"t": "event", "il1pi1id": "SHOES", "il1nm": "list", "promo1id": "P"}),
    # Thirty days later, to the millisecond, and thirty-one.
    ("03-31 15:00:00.000", _order("A2", "10")),
    ("03-31 16:00:00.001", _order("A3", "20")),
    ("03-31 17:00", {"uid": "u1"}),
    ("04-01 17:00", {"cid": "bob"}),
    ("04-01 23:50", {"cid": "late"}),
    ("04-02 00:05", {"cid": "late"}),
)  # fmt: skip
_BOTS_HITS: tuple[tuple[str, dict[str, str]], ...] = (
    ("03-01 10:15", {"cid": "robot", "uid": "u-robot"}),
    ("03-01 10:16", _order("B1", "999", cid="robot", **_SHIRT)),
    ("03-01 10:17", {**_EUR, "cid": "robot", "pa": "refund", "ti": "B0", "tr": "999"}),
    # A bot opens the thank-you page first; the order counts all the same.
    ("03-01 10:18", _order("S1", "70", cid="robot")),
    # Once a bot and once not, in one session.
    ("03-01 18:00", {"cid": "half"}),
)


def fill(bench: Any, record: Callable[..., dict[str, Any]], at: Callable[..., Any], robot: str) -> None:
    """Write it all into the archive of `bench`, truth beside it."""
    for day in SIMULATED:
        write_day(bench.archive.root, day, _SHAPE, bench.root / "truth")
    made = [record(at(f"2026-{moment}"), **parameters) for moment, parameters in _HITS]
    made += [record(at(f"2026-{moment}"), agent=robot, **parameters) for moment, parameters in _BOTS_HITS]
    made.append(record(at("2026-03-01 18:01"), cid="half"))
    by_day: dict[date, list[dict[str, Any]]] = {}
    for one in made:
        by_day.setdefault(date(1970, 1, 1) + timedelta(days=one["request"]["timestamp"] // 86_400_000), []).append(one)
    for records in by_day.values():
        records.sort(key=lambda one: one["request"]["timestamp"])
        # One record twice, and lines that are no record.
        bench.deliver([*records, records[0], b"no json\n", b'{"service": {"id": "other"}}\n'])
