"""Both warehouses give equal rows for every model on the same archive. Compared both ways, multiplicities included."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ingestion_platform.assets.bodies import bodies
from ingestion_platform.assets.identities import IDENTITIES, partition_results
from ingestion_platform.dashboard.figures import figures
from ingestion_platform.dates import Window
from simulations.config import TrafficConfig
from simulations.history import write_day

FIRST, DAYS = date(2026, 3, 1), 2
MODELS = (
    "events.logs", "events.pageviews", "events.events", "events.duplicates", "events.quarantine", "events.sessions",
    "events.product_actions", "events.purchases", "events.impressions", "events.promotions", "events.daily_visitors",
    "events_live.logs_live", "events_live.pageviews_live", "events_live.events_live", "events_live.product_actions_live",
    "events_live.purchases_live", "stats.overview_1h", "stats.overview_1d", "stats.revenue_1h", "stats.revenue_1d",
)  # fmt: skip


def differences(export, one, other, start: date, end: date) -> dict[str, list]:
    """For each model, rows that only one warehouse has, of either side the first three."""
    found = {}
    for model in MODELS:
        mine, its = export(one, model, start, end), export(other, model, start, end)
        if mine != its:
            found[model] = [list((mine - its).elements())[:3], list((its - mine).elements())[:3]]
    return found


def move(folder: Path, archive) -> None:
    """The objects of a folder archive, put into another archive under the same keys."""
    for path in sorted(folder.rglob("*.gz")):
        archive.put(path.relative_to(folder).as_posix(), path.read_bytes())


def odd_records(rng: random.Random, record) -> list:
    """Visits that the simulator does not make: odd numbers, names, times and addresses, each at random."""
    choices = {
        "t": ("pageview", "event", "transaction", "PageView", "item"),
        "tid": ("UA-1-1", "UA-1-1", "(all)", "\tUA-1-1 ", ""),
        "cid": ("alice", "bob", "C\u00e9line", " alice ", "\nalice\u000b", "\u00a0alice"),
        "uid": ("u1", "u|2", "u3", "u4", ""),
        "uip": tuple(f"192.0.2.{n}" for n in range(13)),
        "z": ("1", "2"),
        "qt": ("0", "1500.7", "soon", "-5", "99999999999", "86400000"),
        "sc": ("start", "end", "START"),
        "pa": ("purchase", "refund", "refund", "detail", "add", "click"),
        "ti": ("T1", "T1\r", "t1 ", ""),
        "tr": ("10.01", ".5", "12.", "-3", "+4", "1e5", "1.5E-3", "-2e+3x", "1,000.00", "\u0663", "abc", "9" * 15, "9" * 16, "0" * 20 + "7",
               "0.0000000005", "-0.00000000049", "1" * 30 + "e-25", "1e99999999999"),
        "tt": ("1e-3", "x"),
        "cu": ("EUR", "usd", ""),
        "dl": ("https://shop.example/a?utm_source=x&utm_medium=cpc", "https://shop.example/?utm_source=", "/no/host", "app://",
               "HTTPS://Shop.Example/?GCLID=no&gclid=yes", "https://shop.example/?a=1&msclkid=m%2B1#x", "https://shop.example/?utm_campaign=Caf%C3%A9+%26+Bar%zz%E2%82"),
        "dr": ("https://www.google.com/search", "https://shop.example/", "mailto:someone", "https://t.co/x", "https://m.facebook.com/",
               "HTTPS://WWW.GOOGLE.CO.UK/", "https://mail.google.com/", "https://google.evil.example/", "android-app://com.google.android.gm/"),
        "dclid": ("d",), "wbraid": ("w", " "),
        "ua": ("python-requests/2.31.0", "\tcurl/8.5 "),
        "ev": ("7", "7.0", "7.5", "x", "1e2", "+3", "9223372036854775808"),
        "ni": ("1", "true", "0"),
        "pr1id": ("A", " B ", " "), "pr1qt": ("2", "2.0", "many", "9e3", "99999"), "pr1pr": ("3.50", "free", "1e1"), "pr1cd2": ("red", "gr\"n", "\t"),
        "pr9id": ("C", ""), "pr200nm": ("last",), "pr201nm": ("beyond",), "PR1ID": ("odd",), "il1pi2id": ("D", "\n"), "il1nm": ("list\t",), "il2pi1cm3": ("4",),
        "promo1id": ("P", " "), "promo2nm": ("N",), "promoa": ("click",),
        "_en": ("page_view", "Order Completed", " \t"), "_sid": ("1700000000", "0"), "_et": ("1500", "1.5", "-1", "1e3", "long"),
    }  # fmt: skip
    made = []
    for _ in range(120):
        when = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(milliseconds=rng.randrange(2 * 86_400_000))
        names = [name for name in choices if rng.random() < 0.3]
        made.append(record(when, **{name: rng.choice(choices[name]) for name in names}))
        protocol = rng.choice(("ga4", "ga4_mp", "segment", " ", None, 7, True))
        if protocol is not None:
            made[-1]["request"]["protocol"] = protocol
    return sorted(made, key=lambda one: one["request"]["timestamp"])


def twice(made: dict) -> bytes:
    """A record in which the body has names twice, the last of which count: no JSON that our own encoder writes."""
    text = json.dumps({**made, "event_id": made["event_id"][::-1]}, ensure_ascii=False)
    again = '"body": {"pr1id": "first", "tr": "1", "?": "1", "?": "2", "pr7id": "S", "il1pi1id": "I", "promo3id": "P", '
    return (
        text.replace('"body": {', again, 1).replace('}}, "response', ', "pr1id": "last", "tr": "2"}}, "response', 1)
        + "\n"
    ).encode()


@pytest.mark.timeout(900)
def test_both_warehouses_give_equal_rows(make_bench, export, record, tmp_path) -> None:
    """Everything that the simulator plants (retries, late and broken lines, sessions over midnight, bots, all kinds of hits) and odd
    hits at random, built date by date on Snowflake and in one run on DuckDB; live views over dates built and not built."""
    config = TrafficConfig(hits_per_day=250)
    for offset in range(DAYS):
        write_day(tmp_path / "archive", FIRST + timedelta(days=offset), config, tmp_path / "truth")
    snowflake, duckdb = make_bench("snowflake"), make_bench("duckdb")
    duckdb.archive = snowflake.archive
    move(tmp_path / "archive", snowflake.archive)
    odd = odd_records(random.Random(11), record)
    for day in range(1, DAYS + 1):
        some = [one for one in odd if datetime.fromtimestamp(one["request"]["timestamp"] / 1000, UTC).day == day]
        revised = [
            {**other, "event_id": one["event_id"], "request": {**other["request"], "timestamp": one["request"]["timestamp"]}, "revision": revision}
            for one, other, revision in zip(some[::9], some[3::9], (1, 2, 3) * 9, strict=False)
        ]  # fmt: skip
        revised[0] |= {"rejected": {"reason": "wrong", "detail": "", "payload": "t"}}
        snowflake.deliver(
            [
                *some,
                *revised,
                some[0],
                twice(some[1]),
                b'["no", "record"]\n',
                b"{}\n",
                b'{"service": {"id": "other"}}\n',
            ],
            arrived=datetime(2026, 3, day, 23, 59, tzinfo=UTC),
        )
    start, end = FIRST - timedelta(days=1), FIRST + timedelta(days=DAYS + 1)
    built = end - timedelta(days=2)
    duckdb.build(start, built)
    duckdb.publish_live_views()
    for day in (FIRST, start):
        snowflake.build(day, day + timedelta(days=1))
    snowflake.dbt("build", start, built, "--exclude-resource-type", "unit_test")
    assert sum(export(snowflake, "events.logs", start, end).values()) > 300
    assert sum(export(snowflake, "events_live.logs_live", start, end).values()) > 600
    found = differences(export, snowflake, duckdb, start, end)
    assert not found, "\n".join(
        f"{model}: only Snowflake {mine}, only DuckDB {its}" for model, (mine, its) in found.items()
    )
    # Publications are each warehouse's own; all else that a dashboard shows is the same on both, in the same order.
    pages = [figures(bench.warehouse) for bench in (duckdb, snowflake)]
    for window, tables in pages:
        assert window is not None and len(tables.pop("versions")) > 0
        assert min(map(len, tables.values())) > 0
    assert pages[0] == pages[1]
    # And on both, what the marts and statistics say of each other holds for odd hits, too: a false alarm would stop a date.
    for bench in (duckdb, snowflake):
        checked = [partition_results(bench.warehouse, identity, Window(start, built)) for identity in IDENTITIES]
        checked.append(bodies(bench.warehouse, Window(start, built)))
        assert [one.description for made in checked for one in made if not one.passed] == []
