"""No sale is lost and none is counted twice: which purchase counts, and what a refund gives back."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from ingestion_platform.dates import affected

DAY, NEXT = date(2026, 11, 20), date(2026, 11, 21)
SERVER = "python-requests/2.31.0"
D = Decimal


def order(ti: str | None, tr: str | None, **more: str) -> dict[str, str]:
    return {"pa": "purchase", "cu": "EUR", **({"ti": ti} if ti else {}), **({"tr": tr} if tr else {}), **more}


def refund(ti: str | None, tr: str | None = None, **more: str) -> dict[str, str]:
    return {**order(ti, tr, **more), "pa": "refund"}


def test_which_purchases_count(bench, record, at) -> None:
    """A server's purchase before the browser's, one whose cache buster an earlier pageview had, and ids that differ in case: each sale
    is in purchases once, and in revenue."""
    noon = at("2026-11-20 10:00")
    minutes = timedelta(minutes=1)
    bench.deliver([
        # A bot's purchase is kept and flagged; it must not make the buyer's a repeat, nor count beside it in their session.
        record(noon, tid="bot", cid="srv", agent=SERVER, **order("ORDER-1", "100")),
        record(noon + 2 * minutes, tid="bot", cid="buyer", **order("ORDER-1", "100", pr1id="SKU", pr1qt="1")),
        record(noon, tid="mixed", cid="buyer", agent=SERVER, **order("ORDER-2", "100")),
        record(noon + 2 * minutes, tid="mixed", cid="buyer", **order("ORDER-2", "100")),
        # The same cache buster with another content is no retry; with the same content it is.
        record(noon, tid="z", cid="c", z="7", dp="/checkout"),
        record(noon + minutes, tid="z", cid="c", z="7", **order("Z1", "40")),
        record(noon + 2 * minutes, tid="z", cid="c", z="7", **order("Z1", "40")),
        record(noon + 3 * minutes, tid="z", cid="c", z="8", **order("Z1", "40")),
        record(noon, tid="case", cid="a", **order("aB3x", "10")),
        record(noon + minutes, tid="case", cid="b", **order("Ab3X", "20")),
        record(noon + 2 * minutes, tid="case", cid="c", **order(" aB3x\n", "10")),
    ])  # fmt: skip
    bench.build(DAY, NEXT)
    assert dict(bench.rows("select tracking_id, list(transaction_revenue order by event_at) from events.purchases where not is_bot group by 1")) == {
        "bot": [D(100)], "mixed": [D(100)], "z": [D(40)], "case": [D(10), D(20)]
    }  # fmt: skip
    assert bench.rows("select tracking_id, transactions, transaction_revenue from stats.overview_1d where tracking_id <> '(all)' order by 1") == [
        ("bot", 1, D(100)), ("case", 2, D(30)), ("mixed", 1, D(100)), ("z", 1, D(40))
    ]  # fmt: skip
    assert bench.rows("select count(*) from events.logs where tracking_id = 'z' and document_path = '/checkout'") == [
        (1,)
    ]
    assert bench.rows("select client_id, is_bot, purchases, transaction_revenue from events.sessions where tracking_id in ('bot', 'mixed') order by tracking_id, 1") == [
        ("buyer", False, 1, D(100)), ("srv", True, 0, None), ("buyer", False, 1, D(100))
    ]  # fmt: skip


def test_what_refunds_give_back(bench, record, at) -> None:
    """The hit's own amount whatever its sign, else the purchase's; a whole refund once; a transaction hit that is a refund is no purchase."""
    moment = at("2026-11-20 10:00")
    hits: list[tuple[str, dict[str, str]]] = [
        ("R1", order("R1", "30")), ("R1", refund("R1")),
        ("R2", order("R2", "30")), ("R2", refund("R2", "-30")),
        ("R3", refund("R3", "10", z="1")), ("R3", refund("R3", "10", z="2")),
        # In the purchase's currency where the refund names none, in its own where it does.
        ("R4", order("R4", "5", cu="USD")), ("R4", refund("R4", cu="")),
        ("R5", order("R5", "5", cu="USD")), ("R5", refund("R5", cu="GBP")),
        # Parts of an order may be refunded one by one; without an amount nobody knows how much.
        ("R6", order("R6", "50")), ("R6", refund("R6", "2", pr1id="A")), ("R6", refund("R6", "3", pr1id="B")), ("R6", refund("R6", pr1id="C")),
        # A product all of whose fields are empty is none: this refund is whole.
        ("R7", order("R7", "7")), ("R7", refund("R7", pr1id=" ", pr2nm="")),
        ("R8", refund("R8", "8", t="transaction")),
        ("R9", {"t": "transaction", "ti": "R9", "tr": "-9", "cu": "EUR"}),
        ("R10", refund(None, "4")),
        ("R11", refund("R11", "0")),
    ]  # fmt: skip
    made: list[dict[str, Any]] = []
    for tid, parameters in hits:
        moment += timedelta(minutes=1)
        made.append(record(moment, tid=tid, **parameters))
    bench.deliver(made)
    bench.build(DAY, NEXT)
    found = {
        row[0]: row[1:]
        for row in bench.rows(
            "select tracking_id, max(currency_code) filter (refunds > 0), sum(refunds), sum(refunded_revenue), sum(transactions) "
            "from stats.revenue_1d where tracking_id <> '(all)' group by 1"
        )
    }
    assert found == {
        "R1": ("EUR", 1, D(30), 1), "R2": ("EUR", 1, D(30), 1), "R3": ("EUR", 1, D(10), 0), "R4": ("USD", 1, D(5), 1), "R5": ("GBP", 1, D(5), 1),
        "R6": ("EUR", 3, D(5), 1), "R7": ("EUR", 1, D(7), 1), "R8": ("EUR", 1, D(8), 0), "R9": ("EUR", 1, D(9), 0), "R10": ("EUR", 1, D(4), 0),
        "R11": ("EUR", 1, D(0), 0),
    }  # fmt: skip
    assert bench.rows("select product_action, count(*) from events.product_actions group by 1") == [("refund", 3)]


def test_a_hit_changes_a_refund_of_the_61st_day_after_it(make_bench, record, at) -> None:
    """The longest reach: a purchase makes the next day's a retry, which then makes none a repeat a month later, whose money a refund
    gives back another month later. The platform names that date as affected, and a rebuild of it alone comes out the same."""
    first = at("2026-01-05 10:00")
    refunded = date(2026, 3, 7)
    purchase = order("T1", "30", z="7")
    later = [
        record(first + timedelta(hours=24), **purchase),
        record(first + timedelta(days=31), **{**purchase, "z": "8"}),
        record(first + timedelta(days=61), **refund("T1")),
    ]
    amounts = []
    for records in (later, [record(first, **purchase), *later]):
        bench = make_bench()
        for one in records:
            bench.deliver([one])
        bench.build(refunded, refunded + timedelta(days=1))
        amounts.append(bench.rows("select refund_amount, refund_currency_code from events.logs"))
    assert amounts == [[(None, "EUR")], [(D(30), "EUR")]]
    assert refunded in affected([first.date()])
    assert refunded == max(affected([first.date()]))
