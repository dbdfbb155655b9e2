"""No value that a client may send stops a date: it is modelled, flagged or counted, and dbt's own tests pass on it."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

DAY, NEXT = date(2026, 11, 20), date(2026, 11, 21)
D = Decimal


def with_body(made: dict[str, Any], members: str) -> bytes:
    """The record's line with `members` written at the end of its body as they are."""
    return json.dumps(made).replace('}}, "response', f', {members}}}}}, "response', 1).encode() + b"\n"


def as_version_0_1_wrote(made: dict[str, Any], members: str) -> bytes:
    """The collector's own line with `members` at the end of its body: two halves of surrogate pairs became one name there."""
    text = json.dumps(made, separators=(",", ":"))
    assert text.startswith('{"schema_version":1,"event_id":"')
    return text.replace('}},"response', f',{members}}}}},"response', 1).encode() + b"\n"


def test_labels_ids_and_sums_that_must_not_meet(bench, record, at) -> None:
    """A tracking id like the total's label, one event id on two dates (in one session over midnight, too) and sums beyond 64 bits build,
    pass dbt's tests and have their figures."""
    noon, night = at("2026-11-20 10:00"), at("2026-11-20 23:50")
    bench.deliver([
        record(noon), record(noon, tid="(all)", cid="x"), record(noon, tid=" (all)\t", cid="y"), record(noon, tid="", cid="z"),
        record(noon, tid="UA-2", event_id="1"), record(night, tid="UA-3", event_id="2"),
        *(
            record(noon, tid="UA-4", pa=action, ti=f"T{n}", cu="EUR", tr="999999999999999.99", pr1id="A", pr1qt="999999999999999", pr2id="A", pr2qt="9e14")
            for action in ("add", "purchase") for n in range(6_000)
        ),
    ])  # fmt: skip
    bench.deliver(
        [
            record(noon + timedelta(days=1), tid="UA-2", event_id="1"),
            record(night + timedelta(minutes=20), tid="UA-3", event_id="2"),
        ]
    )
    bench.build(DAY, NEXT + timedelta(days=1))
    bench.dbt("test", DAY, NEXT + timedelta(days=1), "--exclude-resource-type", "unit_test")
    overview = (
        "select event_date, hits, count_active_clients from stats.overview_1d where tracking_id = '{}' order by 1"
    )
    assert bench.rows(overview.format("(not set)")) == [(DAY, 3, 3)]
    assert bench.rows(overview.format("UA-2")) == [(DAY, 1, 1), (NEXT, 1, 1)]
    assert bench.rows(overview.format("UA-3")) == [(DAY, 1, 1), (NEXT, 1, 1)]
    assert bench.rows("select tracking_id, event_date, hits from events.sessions where tracking_id in ('UA-2', 'UA-3') order by all") == [
        ("UA-2", DAY, 1), ("UA-2", NEXT, 1), ("UA-3", DAY, 2)
    ]  # fmt: skip
    assert bench.rows(f"select purchased_items, transaction_revenue from stats.overview_1d where event_date = '{DAY}' and tracking_id in ('(all)', 'UA-4')") == 2 * [
        (6_000 * D(10**15 - 1 + 9 * 10**14), 6_000 * D("999999999999999.99"))
    ]  # fmt: skip


def test_of_a_name_that_a_body_gives_twice_the_last_counts(bench, record, at) -> None:
    """Neither the products, impressions and promotions of such a hit vanish, nor does its first value stand."""
    noon = at("2026-11-20 10:00")
    twice = '"?": "1", "?": "2"'
    bench.deliver([
        with_body(record(noon, cid="many", pa="purchase", ti="S1", tr="9", cu="EUR", pr6id="SKU6", pr6pr="9", pr6qt="1"), twice),
        with_body(record(noon, cid="few", pa="purchase", ti="S2", tr="9", cu="EUR", pr1id="SKU1", pr1qt="1"), '"tr": "8", "pr1qt": "2", "pr1id": "SKU2"'),
        with_body(record(noon, cid="shown", il1pi1id="s", il2pi1id="t"), twice),
        with_body(record(noon, cid="promoted", promo1id="p"), f'{twice}, "promo1id": "q"'),
        with_body(record(noon, cid="first", tid="UA-9"), '"cid": "last", "t": "event"'),
        as_version_0_1_wrote(record(noon, cid="old", pa="purchase", ti="S3", tr="9", cu="EUR", pr6id="SKU7", pr1id="SKU6"), '"?":"1","?":"2"'),
        as_version_0_1_wrote(record(noon, cid="older", il1pi1id="u", promo1id="r"), '"?":"1","?":"2"'),
    ], arrived=noon)  # fmt: skip
    bench.build(DAY, NEXT)
    assert bench.rows(
        "select transaction_id, product_id, product_quantity from events.product_actions order by 1, 2"
    ) == [
        ("S1", "SKU6", 1),
        ("S2", "SKU2", 2),
        ("S3", "SKU6", None),
        ("S3", "SKU7", None),
    ]
    assert bench.rows("select transaction_id, transaction_revenue from events.purchases order by 1") == [
        ("S1", D(9)),
        ("S2", D(8)),
        ("S3", D(9)),
    ]
    assert bench.rows("select list_index, product_id from events.impressions order by 1, 2") == [
        (1, "s"),
        (1, "u"),
        (2, "t"),
    ]
    assert bench.rows("select promotion_id from events.promotions order by 1") == [("q",), ("r",)]
    assert bench.rows("select hit_type from events.logs where tracking_id = 'UA-9'") == [("event",)]


def test_numbers_texts_and_empty_rows(bench, record, at) -> None:
    """What is a number, and exactly which; what is none is null and counted. Only ASCII white space is trimmed. Empty rows are none."""
    noon = at("2026-11-20 10:00")
    amounts = {
        "12.5": "12.5", " +7.\t": "7", "-.5e1": "-5", "1E+2": "100", "0.0000000005": "0.000000001", "-0.0000000005": "-0.000000001",
        "0.00000000049": "0", "1" * 30 + "e-25": "11111.111111111", "999999999999999": "999999999999999", "0" * 30 + "3": "3", "1e-99999999999": "0",
        "1e15": None, "1,000.00": None, "1.000,00": None, "1 000": None, "\u0663": None, "\uff15": None, "0x10": None, "1e": None, ".": None,
        "NaN": None, "Infinity": None, "1_000": None, "\u00a05": None, "1e99999999999": None,
    }  # fmt: skip
    hits = [record(noon, pa="detail", cid=f"c{n}", ti=f"{n}", tr=text, pr1pr=text) for n, text in enumerate(amounts)]
    bench.deliver([
        *hits,
        record(noon, cid="\u00a0x\u00a0", dt="\t\v\f \u2003 title\r\n", ti="texts", ev="2.5", pa="add", pr1id=" A\t", pr2id=" ", pr3qt="1.0", pr9nm="\n",
               pr8cd1=" ", pr7cd1=" red ", il1pi1id="", il1nm="empty", il1pi2nm=" N ", il1pi30id=" ", promo1id="\t", promo2id="P "),
    ])  # fmt: skip
    bench.build(DAY, NEXT)
    found = bench.rows(
        "select transaction_revenue, unreadable_numbers from events.logs where ti_number is not null".replace(
            "ti_number", "try_cast(transaction_id as int)"
        )
        + " order by transaction_id::int"
    )
    assert found == [(D(value) if value is not None else None, int(value is None)) for value in amounts.values()]
    assert [
        row[0]
        for row in bench.rows(
            "select product_price from events.product_actions where product_action = 'detail' order by transaction_id::int"
        )
    ] == [row[0] for row in found]
    assert bench.rows("select client_id, document_title, unreadable_numbers, event_value from events.logs where transaction_id = 'texts'") == [
        ("\u00a0x\u00a0", "\u2003 title", 1, None)
    ]  # fmt: skip
    assert bench.rows("select product_index, product_id, product_quantity, product_raw_data from events.product_actions where product_action = 'add' order by 1") == [
        (1, "A", None, None), (3, None, 1, None), (7, None, None, '{"cd1":"red"}')
    ]  # fmt: skip
    assert bench.rows("select product_index, product_name, list_name from events.impressions") == [(2, "N", "empty")]
    assert bench.rows("select promotion_index, promotion_id from events.promotions") == [(2, "P")]


def test_a_session_with_a_new_user_a_hit_costs_what_its_hits_cost(bench, record, at) -> None:
    """The lists that every hit carries are bounded, the exact number is in sessions: lists of all would grow with the square."""
    noon = at("2026-11-20 10:00")
    bench.deliver(
        [
            record(noon + timedelta(milliseconds=100 * n), cid="555", uid=f"user-{n:06d}", uip=f"2001:db8::{n:x}")
            for n in range(15_000)
        ]
    )
    bench.build(DAY, NEXT)
    assert bench.rows("select hits, user_ids, user_ips, user_id from events.sessions") == [
        (15_000, 15_000, 15_000, "user-014999")
    ]
    assert bench.rows("select distinct session_based_user_ids from events.logs") == [
        ("|".join(f"user-{n:06d}" for n in range(10)),)
    ]
    assert bench.rows("select max(len(string_split(session_based_user_ips, '|'))) from events.logs") == [(10,)]
