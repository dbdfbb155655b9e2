"""No line that an archive may hold stops a load, a model, a test or a publication, and each is accounted for.

`FUZZ_LINES=50000 FUZZ_SEED=7 python -m pytest -n 0 tests/models/test_line_fuzz.py` looks for what the fixed budget does not find.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ingestion_platform.assets.checks import reconciliation
from ingestion_platform.dates import Window

DAY = date(2026, 1, 10)
# Hits reach from the day before to the day after, and hold a queue time.
BUILT = Window(DAY - timedelta(days=2), DAY + timedelta(days=2))
LINES = int(os.environ.get("FUZZ_LINES", "2000"))
SEED = int(os.environ.get("FUZZ_SEED", "14"))
_AN_OBJECT = 2_000


@pytest.mark.timeout(60 + LINES // 20)
def test_every_line_is_modelled_or_quarantined_and_stops_nothing(bench: Any, fuzz_lines: Any, tmp_path: Any) -> None:
    """Load, models, dbt's tests and publication go through whatever the lines hold; what the load refuses is what a strict parser refuses;
    the books of lines and of hits balance."""
    day_ms = int(datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC).timestamp() * 1000)
    made = list(fuzz_lines(SEED, LINES, day_ms))
    numbered = {}
    for number, some in enumerate(made[at : at + _AN_OBJECT] for at in range(0, LINES, _AN_OBJECT)):
        arrived = datetime(DAY.year, DAY.month, DAY.day, 12, 0, number % 60, tzinfo=UTC) + timedelta(days=number % 2)
        key = bench.deliver([line + b"\n" for line in some], arrived=arrived)
        numbered |= {(key, at): line for at, line in enumerate((line for line in some if line.strip()), 1)}

    bench.build(*BUILT)

    bad = bench.rows("select log_filename, log_file_row_number from raw.bad_lines")
    rows = bench.rows("select log_filename, log_file_row_number from raw.logs")
    assert sorted([*bad, *rows]) == sorted(numbered), "each line once"
    refused = set(bad)
    assert [line for place, line in numbered.items() if _is_strict(line) == (place in refused)] == []
    assert len(bad) > LINES / 10 and len(rows) > LINES / 3, "both kinds are tried"
    assert bench.rows("select sum(row_count), sum(bad_lines) from raw.load_history") == [(len(rows), len(bad))]
    assert [
        result.description for result in reconciliation(bench.warehouse, BUILT, date(2026, 1, 1)) if not result.passed
    ] == []
    everywhere = bench.rows("select (select count(*) from raw.logs), (select count(*) from raw.bad_lines)")[0]
    modelled = bench.rows(
        "select sum(n) from (select count(*) as n from events.logs union all select count(*) from events.duplicates "
        "union all select count(*) from events.quarantine)"
    )[0][0]
    outside = bench.rows(
        f"select count(*) from raw.logs where event_date < '{BUILT.start}' or event_date >= '{BUILT.end}'"
    )[0][0]
    assert sum(everywhere) == modelled + outside
    _last_counts(bench, numbered)
    bench.dbt("test", *BUILT)
    assert len(bench.warehouse.export(tmp_path / "published", *BUILT)) == 4 * len(BUILT.days)


def _is_strict(line: bytes) -> bool:
    """Whether Python's parser takes the line, minus what it takes beyond RFC 8259 and our bound on nesting."""

    def refuse(name: str) -> Any:
        raise ValueError(name)

    try:
        text = line.decode()
        deep = _nesting(text)
        if deep > 400:
            return False
        value = json.loads(text, parse_constant=refuse, parse_int=str, parse_float=str)
        json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


def _nesting(text: str) -> int:
    """How deep brackets go, character by character."""
    depth = deepest = 0
    inside = escaped = False
    for character in text:
        if inside:
            escaped, inside = character == "\\" and not escaped, escaped or character != '"'
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _last_counts(bench: Any, numbered: dict[tuple[str, int], bytes]) -> None:
    """Of a name that a body gives twice the last counts, typed parameters and indexed ones alike."""
    loaded = bench.rows("select log_filename, log_file_row_number, record.body.cid, record.body.tr, data from raw.logs")
    for key, number, client, revenue, data in loaded:
        # Numbers are written anew on the way; texts are not.
        record = json.loads(numbered[key, number], parse_int=lambda _: None, parse_float=lambda _: None)
        body = record.get("request") if isinstance(record, dict) else None
        body = body.get("body") if isinstance(body, dict) else None
        if isinstance(body, dict) and _once(numbered[key, number]):
            for name, found in (("cid", client), ("tr", revenue)):
                if isinstance(body.get(name), str):
                    assert found == body[name], (numbered[key, number].decode(), data)
            assert set(json.loads(data, parse_int=str)) == set(body) or None in body.values()


def _once(line: bytes) -> bool:
    """Whether no name of the envelope is given twice, and the line is not in the collector's own form, in which no name can be."""
    return not line.startswith(b'{"schema_version":1,"event_id":"') and all(
        line.count(b'"%s"' % name) == 1 for name in (b"request", b"body")
    )
