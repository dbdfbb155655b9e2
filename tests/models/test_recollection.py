"""Recollection: what the collector once translated or refused wrongly becomes, by corrections alone, the history that was always right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from isal import igzip

from collector import intake
from collector.contract import HitError
from collector.intake import process_request
from collector.outcomes import Rejection
from collector.protocols import ga4_events, segment
from collector.revisions import ids_of
from collector.settings import Settings
from collector.web import Request
from ingestion_platform.assets.checks import reconciliation
from ingestion_platform.dates import ONE_DAY, Window, today
from ingestion_platform.recollection import (
    REACH_DAYS,
    UNCHANGED,
    RecollectionError,
    Wanted,
    recollect,
)

BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)
RULES = Settings(tracking_ids=frozenset({"UA-1-1", "G-1", "shop"}))
PRODUCT = {"product_id": "SKU1", "price": 12.5, "quantity": 1}
ORDER = {"order_id": "T3", "total": "12.50", "currency": "EUR", "products": [PRODUCT]}


def post(path: str, body: str | dict[str, Any], query: str = "", **headers: str) -> Request:
    text = body if isinstance(body, str) else json.dumps(body)
    return Request("POST", path, query, {"user-agent": BROWSER, **headers}, text.encode(), "h", "203.0.113.77")


SENT = [
    post("/collect", "v=1&t=pageview&tid=UA-1-1&cid=alice&dl=https%3A%2F%2Fshop.example%2F"),
    post("/collect", {"t": "event", "tid": "UA-1-1", "cid": "strict-1", "ec": "shop", "ea": "add", "pa": "add", "pr1id": "A"}),
    post("/batch", "t=pageview&tid=UA-1-1&cid=strict-2&z=1\nt=pageview&tid=UA-1-1&cid=bob&z=2\ntid=UA-1-1&cid=bob"),
    post("/collect", {"t": " ", "tid": "UA-1-1", "cid": "lax"}),
    post("/collect", "t=pageview&tid=UA-9&cid=spam"),
    post("/g/collect", "en=page_view&_s=1\nen=purchase&_s=2&ep.transaction_id=T1&epn.value=12.50&pr1=idSKU1~pr12.50~qt1", "v=2&tid=G-1&sid=77&_p=5", cookie="_ga=GA1.1.555.666"),
    post("/mp/collect", {"client_id": "carol", "events": [{"name": "purchase", "params": {"transaction_id": "T2", "value": 7, "currency": "EUR"}}, {"name": ""}]}, "measurement_id=G-1&api_secret=s"),
    post("/v1/batch", {"batch": [{"type": "page", "anonymousId": "dave", "messageId": "m1", "writeKey": "shop"}, {"type": "track", "event": "Order Completed", "anonymousId": "dave", "messageId": "m2", "properties": ORDER}]}, authorization="Basic c2hvcDo="),
    post("/v1/track", {"event": "Order Refunded", "anonymousId": "erin", "messageId": "m3", "properties": {"order_id": "T3"}}, authorization="Basic c2hvcDo="),
]  # fmt: skip


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Brings the rules of an older collector: purchases of GA4 were plain events, some visitors were refused and batches of Segment were,
    and a blank was a hit type."""

    def strict(hit: dict[str, Any]) -> None:
        if hit["cid"].startswith("strict"):
            raise HitError("missing_client_id", "an odd one")

    def unreadable(request: Request, limit: int, **how: bool) -> Any:
        if b"batch" in request.body:
            raise Rejection(400, "malformed_json", "we could not read it")
        return read_object(request, limit, **how)

    read_object = segment.read_object

    def begin() -> None:
        monkeypatch.setattr(intake, "require_hit", strict)
        monkeypatch.setattr(segment, "read_object", unreadable)
        monkeypatch.delitem(ga4_events.EVENTS, "purchase")

    return begin


def records(day: date) -> Iterator[dict[str, Any]]:
    """What the collector writes of all that was sent. Ids are minted at random; here they follow from the request."""
    for number, request in enumerate(SENT):
        now = int(datetime(day.year, day.month, day.day, 10, number, tzinfo=UTC).timestamp() * 1000)
        ids = ids_of(f"request-{number}")
        for line in process_request(request, RULES, now, now + 1).records:
            made = json.loads(line)
            minted, made["event_id"] = made["event_id"], next(ids)
            if made["request"]["id"] == minted:
                made["request"]["id"] = made["response"]["id"] = made["event_id"]
            yield made


def rows_of(bench: Any, day: date) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every mart, but for the line of the archive that it comes from, the copy of it in quarantine, and what does not count."""
    without = {"log_id", "log_filename", "arrival_date", "payload"}
    found = {}
    for model in bench.snapshot(day, day + ONE_DAY):
        columns = [row[0] for row in bench.rows(f"describe {model}") if row[0] not in without]
        found[model] = bench.rows(f"select {', '.join(columns)} from {model} order by all")
    del found["events.duplicates"]
    return found


def test_mended_rules_come_to_count_for_the_past(
    make_bench: Any, older: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong translations become right ones, refusals become hits and a hit a refusal, a batch that was refused whole all of its events;
    and then every mart is that of a history with the right rules. A second run finds nothing to do."""
    day = today() - timedelta(days=5)
    window = Window(day, day + ONE_DAY)
    right = make_bench()
    right.deliver(list(records(day)))
    right.build(*window)
    expected = rows_of(right, day)
    assert len(expected["events.purchases"]) == 3 and len(expected["events.quarantine"]) == 4

    bench = make_bench()
    with monkeypatch.context():
        older()
        bench.deliver(list(records(day)))
        monkeypatch.undo()
    bench.build(*window)
    wrong = rows_of(bench, day)
    assert not wrong["events.purchases"] and wrong["events.quarantine"] != expected["events.quarantine"]

    dry = recollect(bench.archive, RULES, window, dry=True)
    assert dry.corrected and not dry.objects
    made = recollect(bench.archive, RULES, window)
    assert made.counts == dry.counts and len(made.objects) == 1
    assert made.counts == {
        UNCHANGED: 5, "left as they are": 1, "a hit, now refused": 2, "a hit, otherwise": 2, "refused, now a hit": 3,
        "further events of a refused request": 1,
    }  # fmt: skip
    again = recollect(bench.archive, RULES, window)
    assert not again.corrected and not again.objects

    bench.load(day, today() + ONE_DAY)
    stale = bench.warehouse.stale_dates(["logs"], day - 9 * ONE_DAY, today() + ONE_DAY, day - 9 * ONE_DAY)
    assert day in stale
    bench.build(*window)
    found = rows_of(bench, day)
    for model, rows in expected.items():
        assert found[model] == rows, model
    assert bench.rows("select duplicate_kind, count(*) from events.duplicates group by all") == [("superseded", 7)]
    assert all(one.passed for one in reconciliation(bench.warehouse, window, date(2020, 1, 1)))


def test_a_rule_may_be_mended_more_than_once(
    make_bench: Any, older: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was corrected wrongly is corrected again, by a higher revision, and what was right at first comes back."""
    day = today() - timedelta(days=5)
    window = Window(day, day + ONE_DAY)
    bench = make_bench()
    bench.deliver(list(records(day)))
    with monkeypatch.context():
        older()
        assert recollect(bench.archive, RULES, window).corrected == 9
        monkeypatch.undo()
    assert (
        recollect(bench.archive, RULES, window, Wanted(reasons=["missing_client_id"])).counts["refused, now a hit"] == 2
    )
    assert recollect(bench.archive, RULES, window).corrected == 7
    assert recollect(bench.archive, RULES, window).corrected == 0
    bench.load(day, today() + ONE_DAY)
    bench.build(*window)
    right = make_bench()
    right.deliver(list(records(day)))
    right.build(*window)
    assert rows_of(bench, day) == rows_of(right, day)


def test_only_what_is_asked_for_is_judged_again(make_bench: Any, older: Callable[[], None], monkeypatch: Any) -> None:
    """By protocol and by reason; what a setting refused is left until its reason is named, and then today's setting counts."""
    day = today() - timedelta(days=5)
    window = Window(day, day + ONE_DAY)
    bench = make_bench()
    with monkeypatch.context():
        older()
        bench.deliver(list(records(day)))
        monkeypatch.undo()

    def kinds(rules: Settings = RULES, **wanted: Any) -> dict[str, int]:
        return dict(recollect(bench.archive, rules, window, Wanted(**wanted), dry=True).counts)

    assert kinds(protocols=["ga4_mp"]) == {UNCHANGED: 1, "a hit, otherwise": 1}
    assert kinds(protocols=["measurement_protocol_v1"], reasons=["missing_client_id"]) == {"refused, now a hit": 2}
    assert kinds(reasons=["tracking_id_not_allowed"]) == {UNCHANGED: 1}
    assert kinds(Settings(), reasons=["tracking_id_not_allowed"]) == {"refused, now a hit": 1}


def test_what_cannot_be_judged_stays(make_bench: Any, record: Any) -> None:
    """Lines that are no records of ours, refusals whose payload was not kept whole, corrections of others: counted, never corrected.
    An object that cannot be read is named and costs no other. What is too old to be corrected is refused."""
    day = today() - timedelta(days=5)
    window = Window(day, day + ONE_DAY)
    bench = make_bench()
    when = datetime(day.year, day.month, day.day, 10, tzinfo=UTC)
    hit = record(when)
    refused = {**hit, "request": {**hit["request"], "body": None}}
    lines: list[Any] = [
        b"no json\n", b"[1]\n", b"{}\n", b'{"event_id": "x", "service": {"id": "api.collect"}}\n',
        {**hit, "revision": 3},
        {**hit, "service": {"id": "other"}},
        {**hit, "request": {**hit["request"], "timestamp": None}},
        {**hit, "request": {**hit["request"], "timestamp": 4_000_000_000_000}},
        {**hit, "request": {**hit["request"], "path": "/gone"}},
        {**refused, "rejected": {"reason": "malformed_json", "detail": "", "payload": None, "payload_size": 9}},
        {**refused, "rejected": {"reason": "missing_client_id", "detail": "", "payload": "t=event&cid=1", "payload_size": 99999}},
        {**refused, "rejected": {"reason": "too_large", "detail": "", "payload": "t=event&cid=1"}},
        {**refused, "rejected": {"reason": "do_not_track", "detail": "", "payload": None}},
    ]  # fmt: skip
    bench.deliver([*lines, hit], arrived=when)
    damaged = bench.deliver([hit], arrived=when)
    bench.archive.put(damaged, igzip.compress(b"x" * 99)[:-9])
    made = recollect(bench.archive, Settings(), window)
    assert made.counts == {UNCHANGED: 1, "left as they are": len(lines)}
    assert not made.objects
    assert damaged in made.unreadable[0]
    long_ago = today() - timedelta(days=REACH_DAYS + 1)
    with pytest.raises(RecollectionError, match="too long ago"):
        recollect(bench.archive, Settings(), Window(long_ago, today()))
