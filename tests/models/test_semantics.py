"""Golden cases of the models' rules: a small input and what the marts must say, in the words of the marts."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import duckdb
import pytest

from ingestion_platform.dates import Window, load_window

DAY, NEXT = date(2026, 1, 10), date(2026, 1, 11)
D = Decimal


@pytest.fixture
def day(bench, record, at):
    """Delivers hits given as (time of day, parameters), builds the date and the next one, and gives the bench."""

    def deliver(*hits, agent: str | None = None):
        bench.deliver(
            [record(at(f"2026-01-10 {time}"), **({"agent": agent} if agent else {}), **p) for time, p in hits]
        )
        bench.build(DAY, NEXT + timedelta(days=1))
        return bench

    return deliver


def test_queue_time_moves_the_event_and_its_partition(day) -> None:
    """A hit held back over midnight belongs to the date on which it happened; unreadable queue times count as none."""
    bench = day(
        ("00:10:00", {"dp": "/queued", "qt": "1200000"}),
        ("12:00:00", {"dp": "/too long", "qt": "99999999999"}),
        ("12:00:01", {"dp": "/decimal", "qt": "1500.9"}),
        ("12:00:02", {"dp": "/negative", "qt": "-5"}),
        ("12:00:03", {"dp": "/garbage", "qt": "soon"}),
    )
    bench.build(DAY - timedelta(days=1), DAY)
    assert bench.rows(
        "select document_path, event_date, event_at, is_queue_time_invalid from events.logs order by received_at"
    ) == [
        ("/queued", date(2026, 1, 9), datetime(2026, 1, 9, 23, 50), False),
        ("/too long", DAY, datetime(2026, 1, 10, 8), True),
        ("/decimal", DAY, datetime(2026, 1, 10, 11, 59, 59, 500000), False),
        ("/negative", DAY, datetime(2026, 1, 10, 12, 0, 2), True),
        ("/garbage", DAY, datetime(2026, 1, 10, 12, 0, 3), True),
    ]


def test_sessions_break_at_gaps_and_controls_and_not_at_midnight(day, record, at) -> None:
    """Thirty minutes make a new session and less does not; sc=start and sc=end break; midnight does not."""
    bench = day(
        ("10:00:00", {"dp": "a"}), ("10:29:59", {"dp": "b"}), ("10:59:59", {"dp": "c"}),
        ("11:00:00", {"dp": "d", "sc": "start"}), ("11:01:00", {"dp": "e", "sc": "end"}), ("11:02:00", {"dp": "f"}),
        ("23:50:00", {"dp": "g"}),
    )  # fmt: skip
    bench.deliver([record(at("2026-01-11 00:10"), dp="h")])
    bench.build(DAY, NEXT + timedelta(days=1))
    paths = bench.rows(
        "select string_agg(document_path, '' order by event_at) from events.logs group by session_id order by min(event_at)"
    )
    assert paths == [("ab",), ("c",), ("de",), ("f",), ("gh",)]
    assert bench.rows("select event_date, hits, duration_ms from events.sessions order by session_started_at")[-1] == (
        DAY,
        2,
        1_200_000,
    )


def test_a_session_that_outlives_its_window_is_whole(make_bench, record, at) -> None:
    """A date's sessions have the next date's hits before those are in logs: built alone, then the next one alone, or both at once."""
    order = {"pa": "purchase", "cu": "EUR", "tr": "10"}
    again = record(at("2026-01-11 00:10"), cid="alice", dp="/thanks", ti="T1", **order)
    visits = {
        "alice": ["2026-01-10 23:50", "2026-01-11 00:25", "2026-01-11 01:30"],
        "bob": ["2026-01-11 00:05"],
        "carol": ["2026-01-10 23:30", "2026-01-11 00:00"],
        "dave": ["2026-01-10 23:30:00.001", "2026-01-11 00:00"],
    }
    hits = [record(at(moment), cid=visitor) for visitor, moments in visits.items() for moment in moments]
    once, apart = make_bench(), make_bench()
    for bench in (once, apart):
        # The order of the fifth is repeated on the eleventh, by a thank-you page that was delivered twice.
        bench.deliver([record(at("2026-01-05 10:00"), cid="alice", ti="T1", **order)])
        bench.deliver([*hits, again, again, record(at("2026-01-11 00:20"), cid="dave", ti="T2", **order)])
    once.build(DAY, NEXT + timedelta(days=1))
    apart.build(DAY, NEXT)
    of_the_day = "select client_id, hits, purchases, transaction_revenue from events.sessions where event_date = '2026-01-10' order by all"
    assert apart.rows(of_the_day) == [("alice", 3, 0, None), ("carol", 1, 0, None), ("dave", 3, 1, Decimal(10))]
    apart.build(NEXT, NEXT + timedelta(days=1))
    assert apart.rows(of_the_day) == once.rows(of_the_day)
    assert apart.snapshot(DAY, NEXT + timedelta(days=1)) == once.snapshot(DAY, NEXT + timedelta(days=1))
    numbers = "select session_hit_number from events.logs where client_id = 'alice' and event_date >= '2026-01-10' order by event_at"
    assert apart.rows(numbers) == [(1,), (2,), (3,), (1,)]


def test_hits_of_one_instant_have_one_order(make_bench, record, at) -> None:
    """Ties are broken by received_at and event id, never by row order: two files in either order give the same sessions."""
    records = [
        record(at("2026-01-10 10:00"), dp=str(n), event_id=f"00000000-0000-4000-8000-00000000000{n}") for n in range(4)
    ]
    entry = []
    for order in (records, records[::-1]):
        bench = make_bench()
        bench.deliver(order)
        bench.build(DAY, NEXT)
        entry.append(bench.rows("select session_id, hits from events.sessions"))
    assert entry[0] == entry[1]
    assert entry[0][0][1] == 4


def test_duplicates_are_counted_by_kind(day, bench, record, at) -> None:
    """A delivery repeated and a client's retry are left out and counted; a day later the same z is a new hit."""
    first = record(at("2026-01-10 10:00"), z="1")
    bench.deliver([first])
    bench.deliver([first, record(at("2026-01-10 10:05"), z="1"), record(at("2026-01-11 10:05:01"), z="1")])
    bench.build(DAY, NEXT + timedelta(days=1))
    assert bench.rows("select event_date, duplicate_kind, count(*) from events.duplicates group by all order by all") == [
        (DAY, "client_retry", 1), (DAY, "duplicate_delivery", 1)
    ]  # fmt: skip
    # The last one comes more than 24 h after the retry: a new hit.
    assert bench.rows("select event_date, count(*) from events.logs group by all order by all") == [(DAY, 1), (NEXT, 1)]


def test_repeated_purchases_are_flagged_and_left_out_of_money(day) -> None:
    """A thank-you page opened again, blanks around its order: the hit stays, the money counts once."""
    purchase = {
        "t": "event",
        "pa": "purchase",
        "tr": "1234567.89",
        "cu": "eur",
        "pr1id": "A",
        "pr1qt": "2",
        "pr1pr": "0",
    }
    bench = day(
        ("10:00:00", {**purchase, "ti": "t-1"}),
        ("10:05:00", {**purchase, "ti": "\t t-1 "}),
        ("10:06:00", {**purchase, "ti": "t-1", "tid": "UA-2-1"}),
        ("10:07:00", purchase),
    )
    assert bench.rows("select count(*), count_if(is_repeat_purchase) from events.logs") == [(4, 1)]
    assert bench.rows("select tracking_id, transaction_id, transaction_revenue, is_missing_transaction_id from events.purchases order by event_at") == [
        ("UA-1-1", "t-1", D("1234567.89"), False), ("UA-2-1", "t-1", D("1234567.89"), False), ("UA-1-1", None, D("1234567.89"), True)
    ]  # fmt: skip
    assert bench.rows("select count(*), sum(product_quantity), max(product_price) from events.product_actions") == [
        (3, 6, D(0))
    ]


def test_money_is_exact_and_by_currency(day) -> None:
    """No binary floats, tax from tt, sums never mix currencies."""
    order = {"t": "event", "pa": "purchase"}
    bench = day(
        ("10:00:00", {**order, "ti": "1", "tr": "2.01", "tt": "0.10", "ts": "1", "cu": "EUR"}),
        ("10:01:00", {**order, "ti": "2", "tr": "0.10", "tt": "0.20", "cu": "EUR"}),
        ("10:02:00", {**order, "ti": "3", "tr": "99.999", "cu": "KWD"}),
        ("10:03:00", {**order, "ti": "4", "tr": "1,50 EUR", "cu": "EUR"}),
        ("10:04:00", {"t": "event", "pa": "refund", "ti": "1", "tr": "2.01", "cu": "EUR"}),
    )
    assert bench.rows(
        "select currency_code, transactions, transaction_revenue, transaction_tax, transaction_shipping, refunds, refunded_revenue "
        "from stats.revenue_1d where tracking_id = '(all)' order by 1"
    ) == [("EUR", 3, D("2.11"), D("0.30"), D(1), 1, D("2.01")), ("KWD", 1, D("99.999"), 0, 0, 0, 0)]
    # Two currencies in a day do not add up: the overview says nothing rather than something wrong.
    assert bench.rows(
        f"select transactions, transaction_revenue from stats.overview_1d where tracking_id = '(all)' and event_date = '{DAY}'"
    ) == [(4, None)]
    assert bench.rows("select purchases, revenue_by_currency from events.sessions") == [
        (4, '{"EUR":"2.110000000","KWD":"99.999000000"}')
    ]


def test_products_of_every_index_and_value(day) -> None:
    """Zero is a value, 200 is an index and 201 is none; custom dimensions are kept; the quick way and the general way agree."""
    bench = day(
        ("10:00:00", {"pa": "detail", "pr1id": "A", "pr1ps": "0", "pr1qt": "0", "pr1pr": "0.00"}),
        ("10:01:00", {"pa": "click", "pr200id": "Z", "pr201id": "beyond", "pr0id": "below"}),
        (
            "10:02:00",
            {
                "pa": "add",
                "pr1id": "A",
                "pr1nm": "Été",
                "pr1cd2": "two",
                "pr1cd1": "one",
                "pr1qt": "2.0",
                "pr2qt": "2.5",
            },
        ),
        ("10:03:00", {"pa": "checkout", **{f"pr{n}id": f"P{n}" for n in range(1, 8)}}),
        ("10:04:00", {"pa": "checkout", **{f"pr{n}id": f"P{n}" for n in range(1, 5)}}),
    )
    rows = bench.rows(
        "select product_action, product_index, product_id, product_position, product_quantity, product_price, product_raw_data "
        "from events.product_actions where product_action <> 'checkout' order by event_at, product_index"
    )
    assert rows == [
        ("detail", 1, "A", 0, 0, D(0), None),
        ("click", 200, "Z", None, None, None, None),
        ("add", 1, "A", None, 2, None, '{"cd1":"one","cd2":"two"}'),
        ("add", 2, None, None, None, None, None),
    ]
    general, quick = bench.rows(
        "select list((product_index, product_id) order by product_index) from events.product_actions where product_action = 'checkout' "
        "group by event_id order by min(event_at)"
    )
    assert general[0][:4] == quick[0]
    assert len(general[0]) == 7


def test_impressions_and_promotions(day) -> None:
    """Lists with their names, products with both indexes, promotions seen unless the hit says clicked."""
    bench = day(
        (
            "10:00:00",
            {
                "il1nm": "Search",
                "il1pi1id": "A",
                "il1pi2id": "B",
                "il2pi1id": "C",
                "il1pi2ps": "0",
                "promo1id": "P",
                "promo1nm": "Sale",
            },
        ),
        ("10:01:00", {"t": "event", "promoa": "click", "promo2id": "Q"}),
    )
    assert bench.rows("select list_index, list_name, product_index, product_id, product_position from events.impressions order by all") == [
        (1, "Search", 1, "A", None), (1, "Search", 2, "B", 0), (2, None, 1, "C", None)
    ]  # fmt: skip
    assert bench.rows("select promotion_index, promotion_action, promotion_id, promotion_name from events.promotions order by all") == [
        (1, "view", "P", "Sale"), (2, "click", "Q", None)
    ]  # fmt: skip


def test_impressions_of_every_index(day) -> None:
    """What one typed pass reads and what only the general way can (a second list, a 13th product, custom dimensions) come out
    alike, names of lists included; 200 is an index, 0 and 201 are none."""
    few = {
        "il1nm": "Search",
        **{f"il1pi{n}{field}": f"{field}{n}" for n in (1, 12) for field in ("id", "nm", "br", "ca", "va")},
    }
    bench = day(
        ("10:00:00", few),
        ("10:01:00", {**few, "il1pi13id": "id13"}),
        ("10:02:00", {**few, "il2pi1nm": "other"}),
        ("10:03:00", {**few, "il1pi1cd2": "two", "il1pi1cm1": "1"}),
        ("10:04:00", {**few, "il1pi0id": "below", "il1pi201id": "beyond", "il0pi1id": "below", "il200pi200pr": "1.50"}),
        ("10:05:00", {"il1nm": "nothing shown"}),
    )  # fmt: skip
    hits = bench.rows(
        "select list((list_index, list_name, product_index, product_id, product_name, product_brand, product_category, product_variant,"
        " product_price, product_raw_data) order by list_index, product_index) from events.impressions group by event_id order by min(event_at)"
    )
    (one, twelve), *others = [hit for (hit,) in hits]
    assert one == (1, "Search", 1, "id1", "nm1", "br1", "ca1", "va1", None, None)
    assert twelve[2:5] == (12, "id12", "nm12")
    assert others == [
        [one, twelve, (1, "Search", 13, "id13", *[None] * 6)],
        [one, twelve, (2, None, 1, None, "other", *[None] * 5)],
        [(*one[:9], '{"cd2":"two","cm1":"1"}'), twelve],
        [one, twelve, (200, None, 200, *[None] * 5, D("1.5"), None)],
    ]


def test_bots_are_kept_and_counted_apart(bench, record, at) -> None:
    """A crawler's hits are in logs, flagged, and in no statistic but its own."""
    robot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    bench.deliver([record(at("2026-01-10 10:00")), record(at("2026-01-10 10:00"), cid="crawler", agent=robot)])
    bench.build(DAY, NEXT)
    assert bench.rows("select client_id, is_bot from events.logs order by 1") == [("alice", False), ("crawler", True)]
    assert bench.rows(
        "select hits, bot_hits, pageviews, count_active_clients, count_new_clients from stats.overview_1d where tracking_id = '(all)'"
    ) == [(1, 1, 1, 1, 1)]
    assert bench.rows("select bot_reason from events.user_agents where is_bot") == [("spider",)]


def test_nothing_unusable_is_lost_in_silence(bench, record, at) -> None:
    """Every line is a hit, or in quarantine with its reason; a bad line does not cost its neighbours."""
    moment = at("2026-01-10 10:00")
    good = record(moment)
    no_type = record(moment, dp="x")
    del no_type["request"]["body"]["t"]
    far = record(at("2026-03-01 10:00"))
    undated = record(moment, dp="y")
    undated["request"]["timestamp"] = "yesterday"
    bench.deliver([b"{broken\n", good, b'\xff\xfe"\n', b"\n", b"[1]\n", no_type, far, undated], arrived=moment)
    bench.build(DAY, NEXT)
    assert bench.rows("select count(*) from events.logs") == [(1,)]
    assert bench.rows("select reason, count(*) from events.quarantine group by 1 order by 1") == [
        ("malformed_json", 2), ("missing_hit_type", 1), ("not_a_record", 1), ("timestamp_out_of_range", 1), ("unreadable_timestamp", 1)
    ]  # fmt: skip
    assert bench.rows("select row_count, bad_lines from raw.load_history") == [(5, 2)]


def test_new_clients_are_those_not_seen_for_thirty_days(bench, record, at) -> None:
    """Seen 30 days ago is known, 31 days ago is new; the same in total and by tracking id; hours add up to the day."""
    bench.deliver(
        [record(at("2025-12-11 10:00"), cid="known"), record(at("2025-12-10 10:00"), cid="forgotten")],
        arrived=at("2025-12-11 10:01"),
    )
    bench.deliver([
        record(at("2026-01-10 10:00"), cid="known", tid="UA-2-1"), record(at("2026-01-10 11:00"), cid="forgotten"),
        record(at("2026-01-10 12:00"), cid="forgotten"),
    ])  # fmt: skip
    bench.build(DAY, NEXT)
    assert bench.rows(
        "select tracking_id, count_active_clients, count_new_clients from stats.overview_1d order by 1"
    ) == [("(all)", 2, 1), ("UA-1-1", 1, 1), ("UA-2-1", 1, 1)]
    assert bench.rows(
        "select count(*), sum(count_new_clients), max(hour(period)) from stats.overview_1h where tracking_id = '(all)'"
    ) == [(24, 1, 23)]


def test_an_empty_day_is_a_day_of_zeros(bench, record, at) -> None:
    """A date without hits, or whose objects were removed by name, has its hours, all of them zero."""
    key = bench.deliver([record(at("2026-01-10 10:00"))])
    bench.build(DAY, NEXT)
    (bench.archive.root / key).unlink()
    bench.warehouse.load(bench.archive, *load_window(Window(DAY, NEXT)), remove=[key])
    bench.build(DAY, NEXT)
    assert bench.rows("select count(*) from events.logs") == [(0,)]
    assert bench.rows("select count(*), sum(hits) from stats.overview_1h") == [(24, 0)]


def test_live_views_show_what_the_marts_lack(bench, record, at) -> None:
    """Empty, then unbuilt, then built and late: every hit once, no purchase twice, whatever the marts hold when the view is read."""
    order = {"t": "event", "pa": "purchase", "ti": "T1", "tr": "5", "cu": "EUR", "pr1id": "A"}

    def live() -> list[tuple]:
        return bench.rows(
            "select (select count(*) from events_live.logs_live), (select count(*) from events_live.purchases_live), "
            "(select count(*) from events_live.product_actions_live), (select count(*) from events_live.live_dates)"
        )[0]

    bench.build(DAY, NEXT)
    bench.publish_live_views()
    assert live() == (0, 0, 0, 0)
    bench.deliver([record(at("2026-01-10 23:59"), **order)], arrived=at("2026-01-11 00:01"))
    bench.load(DAY, NEXT)
    assert live()[:3] == (1, 1, 1)
    bench.build(DAY, NEXT)
    assert live()[:3] == (1, 1, 1)
    # After midnight: the hit of 23:59 arrives again, the order's page is opened again, and another visitor comes.
    bench.deliver(
        [
            record(at("2026-01-10 23:59"), **order),
            record(at("2026-01-11 00:05"), **order),
            record(at("2026-01-11 00:06"), cid="bob"),
        ]
    )
    bench.load(DAY, NEXT)
    assert live()[:3] == (3, 1, 1)
    assert bench.rows("select count(distinct session_id) from events_live.logs_live where client_id = 'alice'") == [
        (1,)
    ]
    bench.build(DAY, NEXT + timedelta(days=1))
    assert live()[:3] == (3, 1, 1)
    assert bench.rows("select count(*) from events.logs") == [(3,)]


def test_a_lake_of_an_earlier_version_is_built_on(make_bench, record, at) -> None:
    """A column that a model gained is null in the files of before, and has its values in those of a replay: marts and live views read both."""
    bench = make_bench(by_dbt=True)
    bench.deliver([record(at("2026-01-10 10:00"), cid="alice")])
    bench.build(DAY, NEXT)
    lake = bench.warehouse.lake
    with lake.catalog.change("as an earlier version left it") as change, duckdb.connect() as connection:
        change.connection.execute("delete from ducklake_column where column_name = 'session_hit_number'")
        file = lake.folder / lake.catalog.snapshot().files["events.logs"][0].path
        connection.execute(f"create table held as from read_parquet('{file}', hive_partitioning = false)")
        connection.execute(f"copy (select * exclude session_hit_number from held) to '{file}' (format parquet)")
    bench.warehouse.path.unlink()
    assert "session_hit_number" not in [row[0] for row in bench.rows("describe events.logs")]
    bench.build(NEXT, NEXT + timedelta(days=1))
    assert bench.rows("select session_hit_number from events.logs") == [(None,)]
    bench.build(DAY, NEXT)
    bench.publish_live_views()
    bench.deliver([record(at("2026-01-10 10:01"), cid="alice")])
    bench.load(DAY, NEXT)
    built = "select client_id, session_hit_number, is_session_start, session_id from {} order by event_at"
    live = bench.rows(built.format("events_live.logs_live"))
    assert [row[:3] for row in live] == [("alice", 1, True), ("alice", 2, False)]
    bench.build(DAY, NEXT)
    assert bench.rows(built.format("events.logs")) == bench.rows(built.format("events_live.logs_live")) == live


def test_channels_and_campaigns_of_a_session(bench, record, at) -> None:
    """The first hit says what brought a session: click ids and campaigns, its own or its page's URL's, else its referrer's host."""
    here = {"dl": "https://shop.example/"}
    arrivals: dict[str, list[dict[str, str]]] = {
        "paid search": [
            {"gclid": "x"}, {"msclkid": "m"}, {"wbraid": " w"}, {"dl": "HTTPS://Shop.Example/?a=1&gbraid=y#z"},
            {"dl": "https://shop.example/?dclid=%20d", "dr": "https://www.google.com/"}, {"cm": "CPC"},
        ],
        "email": [{"dl": "https://shop.example/?utm_medium=e%2Dmail&utm_campaign=Caf%C3%A9+%26+Bar"}],
        "other campaign": [{"dl": "https://shop.example/?utm_source=%E2%82&gclid=&utm_medium=100%25"}],
        "organic search": [{"dr": url, **here} for url in (
            "https://www.google.co.uk/search?q=x", "HTTPS://WWW.GOOGLE.COM/", "http://google.de:443/", "https://de.search.yahoo.com/x",
            "https://yandex.com.tr/", "android-app://com.google.android.googlequicksearchbox/", "https://search.brave.com",
        )],
        "social": [{"dr": url, **here} for url in ("https://t.co/abc", "https://l.Instagram.com/", "https://m.facebook.com/")],
        "referral": [{"dr": url, **here} for url in (
            "https://notgoogle.example/", "https://mail.google.com/mail", "https://google.evil.example/", "https://google.com@evil.example/",
            "android-app://com.google.android.gm/", "https://facebook.com.evil.example/", "https://googlex.com/", "https://t.co.evil.example/",
        )],
        "direct": [{"dr": "HTTPS://user@SHOP.example:443/cart", **here}, {"dr": "mailto:someone"}, {}],
    }  # fmt: skip
    visits = {f"{channel} {n}": one for channel, several in arrivals.items() for n, one in enumerate(several)}
    bench.deliver([record(at("2026-01-10 10:00"), cid=name, **parameters) for name, parameters in visits.items()])
    bench.build(DAY, NEXT)
    assert dict(bench.rows("select client_id, channel from events.sessions")) == {
        name: name.rpartition(" ")[0] for name in visits
    }
    assert bench.rows("select campaign_name from events.sessions where client_id = 'email 0'") == [("Café & Bar",)]
    # Escapes that are no UTF-8 are left as they are; an empty parameter is none.
    assert bench.rows(
        "select campaign_source, campaign_medium, gclid from events.logs where client_id = 'other campaign 0'"
    ) == [("%E2%82", "100%", None)]
    assert bench.rows("select gbraid from events.logs where client_id = 'paid search 3'") == [("y",)]
