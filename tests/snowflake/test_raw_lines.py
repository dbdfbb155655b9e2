"""One line, two loaders: RAW.LOGS holds the same values whether COPY on Snowflake or the embedded warehouse read it.

The pipe of infra/ runs the same SELECT as this COPY, read from the same file (tests/infra/test_infra_raw_tables.py).
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

DAY, AFTER = date(2026, 3, 1), date(2026, 3, 2)
COLUMNS = (
    "service_id, request_id, request_timestamp, response_id, response_timestamp, client_id, log_id, log_filename, "
    "log_file_row_number, event_id, event_at, event_date, arrival_date, tracking_id, user_id"
)


def line(**changes: Any) -> dict[str, Any]:
    """An archive record with some of its parts changed; None removes a key."""
    record: dict[str, Any] = {
        "schema_version": 1,
        "event_id": "0b0f6f0e-0000-4000-8000-000000000001",
        "service": {"id": "api.collect"},
        "context": {"client_id": "c-1", "user_id": None, "tracking_id": "UA-1-1"},
        "request": {"id": "z-1", "timestamp": 1772323200000, "body": {"t": "pageview", "cid": "c-1", "tid": "UA-1-1"}},
        "response": {"id": "z-1", "timestamp": 1772323200004},
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = record
        for parent in parents:
            target = target[parent]
        target[last] = value
        if value is None:
            del target[last]
    return record


LINES = [
    line(),
    line(request__body__qt="1500"),
    line(request__body__qt="99999999999"),
    line(request__body__qt="9" * 50),
    line(request__body__qt="12.9"),
    line(request__body__qt="-5"),
    line(request__body__qt="soon"),
    line(request__body__qt=""),
    line(request__timestamp=None),
    line(request__timestamp=-1),
    line(request__timestamp=99999999999999),
    line(request__timestamp=1672531200000),  # years before its arrival
    # the first and last date that an event may have beside its arrival on 2026-03-01, and one day further off
    *(line(request__timestamp=day) for day in (1737763200000, 1737676800000, 1772409600000, 1772496000000)),
    line(event_id=None, context__tracking_id=None),  # as collectors before version 0.1 wrote it
    line(event_id="  "),
    line(context__client_id=" ", context__user_id="u-1", request__body__uid="u-2"),
    line(request__body__uid="u-2", request__id=None),
    line(request__body=None, rejected={"reason": "missing_client_id"}),
    {},
]


def test_copy_and_embedded_loader_give_equal_rows(make_bench) -> None:
    """Queue times, times and ids at and over their bounds, records of collectors before version 0.1 and an empty one: the same row on both, each once."""
    benches = make_bench("snowflake"), make_bench("duckdb")
    raw = []
    for bench in benches:
        bench.deliver(
            [json.dumps(one).encode() + b"\n" for one in LINES], arrived=datetime(2026, 3, 1, 0, 5, tzinfo=UTC)
        )
        bench.warehouse.load(bench.archive, DAY, AFTER)
        rows = bench.rows(f"select {COLUMNS} from raw.logs order by log_file_row_number")
        raw.append([tuple(str(value) if name == "log_id" else value for name, value in zip(COLUMNS.split(", "), row, strict=True)) for row in rows])  # fmt: skip
    by_copy, embedded = raw
    assert len(by_copy) == len(embedded) == len(LINES)
    for number, (ours, theirs) in enumerate(zip(by_copy, embedded, strict=True), 1):
        assert ours == theirs, f"line {number}: {LINES[number - 1]}"
