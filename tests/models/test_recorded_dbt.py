"""The tests of the models execute what dbt executed once: here dbt itself is asked again."""

from __future__ import annotations

from datetime import date, timedelta

import pytest


@pytest.mark.parametrize(("start", "length"), [(date(2024, 2, 27), 3), (date(2025, 12, 31), 1)])
def test_what_was_recorded_is_what_dbt_executes(
    make_bench, recorded, recorded_dbt, record, at, start: date, length: int
) -> None:
    """For another window, in a warehouse that dbt made, dbt executes the recorded statements with the dates moved, one for each
    model that is a table; and what they leave are dbt's rows."""
    end = start + timedelta(days=length)
    by_dbt, by_statements = make_bench(by_dbt=True), make_bench()
    by_statements.archive = by_dbt.archive
    by_dbt.deliver([record(at(f"{start} 10:00"), pa="purchase", ti="T1", tr="5", cu="EUR", pr1id="A", il1pi1id="B")])
    by_dbt.build(start, end)
    with recorded_dbt.recording() as executed, by_dbt.staged(start, end) as proposal:
        statements = recorded_dbt.of_models(executed, proposal.environment["LAKE_STAGED"])
    known = recorded.statements(length, ("tag:daily",))
    assert sorted(statements) == sorted(recorded_dbt.moved(sql, (start - recorded_dbt.REFERENCE).days) for sql in known)
    worked_out = [sql for sql in statements if sql.startswith("create or replace table worked_out.")]
    assert len(worked_out) == len(by_dbt.snapshot(start, end))
    by_statements.build(start, end)
    assert by_statements.snapshot(start, end) == by_dbt.snapshot(start, end)
