"""The check `bodies` judges what has one reading only: a false alarm would stop a date."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from ingestion_platform.assets import bodies
from ingestion_platform.assets.bodies import plain_body, time_slice

DAY = date(2026, 3, 1)


class OneHit:
    """A warehouse that holds one hit of this body, whose columns are all empty, and no product."""

    def __init__(self, body: str) -> None:
        self.body = body

    def query(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        if "count(*)" in sql:
            return [(DAY, 1)]
        return [(DAY, "l", "e", self.body, False, *[None] * len(bodies._COLUMNS))] if "req_body" in sql else []


@pytest.mark.parametrize(
    "body",
    [
        '{"tr": "1e5", "tt": "1,000", "ts": ".5"}',  # numbers with rules of their own
        '{"tr": 5, "pr1id": ["a"], "ti": {"a": 1}}',  # no texts
        '{"ti": " A1 ", "ec": "a\\u0000b", "cu": "\\ud800"}',  # blanks and what is not printable
        '{"tr": "1", "tr": "2"}',
        '{"TI": "1", "ti": "2"}',  # one column on DuckDB
        '{"tr": "-5", "pa": ""}',
        "[]",
        "no json",
        "",
    ],
)
def test_what_has_several_readings_is_not_judged(body: str) -> None:
    """No value that a client may send stops a date's publication."""
    (result,) = bodies.bodies(OneHit(body), bodies.Window(DAY, DAY + timedelta(days=1)))  # type: ignore[arg-type]
    assert result.passed, result.description


def test_what_a_body_says_plainly_is_demanded() -> None:
    """The columns of the hit are empty: each of its plain values is told as missing."""
    hit = OneHit('{"tr": "12.30", "ec": "video", "cu": "eur", "pa": "add"}')
    (result,) = bodies.bodies(hit, bodies.Window(DAY, DAY + timedelta(days=1)))  # type: ignore[arg-type]
    assert not result.passed
    assert result.metadata["figures that differ"] == 4
    assert "currency_code is None, cu is 'eur'" in result.description


def test_plain_body_keeps_plain_texts() -> None:
    assert plain_body('{"a": "x", "b": " x", "c": 1}') == {"a": "x", "b": "", "c": ""}


def test_a_slice_lies_within_its_date() -> None:
    """A share of a date's time, whole dates where the share is more than that, and not the same hour every day."""
    starts = set()
    for offset in range(40):
        day = DAY + timedelta(days=offset)
        first = datetime(day.year, day.month, day.day)
        assert time_slice(day, 3) == (first, first + timedelta(days=1))
        start, end = time_slice(day, 0.01)
        assert first <= start and end <= first + timedelta(days=1)
        assert abs((end - start) / timedelta(days=1) - 0.01) < 1e-6
        starts.add(start.hour)
    assert len(starts) > 12
