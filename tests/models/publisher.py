"""A process that loads, builds, publishes and keeps house over and over, for a test that kills it: python publisher.py ROOT FIRST END.

Each round there is a hit more, so that every publication can be told from every other. Says "round" after each.
"""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from ingestion_platform.resources.duckdb.housekeeping import keep_house


def module(name: str) -> Any:
    """A module beside this one: tests are no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


def refuse(*_: object) -> Any:
    """What was not recorded beforehand is not recorded here."""
    raise AssertionError("nothing is recorded for these dates")


def main(root: Path, first: date, end: date) -> None:
    """Go on until killed."""
    conftest, recorded_dbt = module("conftest"), module("recorded_dbt")
    bench = conftest.ModelHarness(root, None, recorded_dbt.RecordedDbt(refuse, refuse))
    moment = datetime(first.year, first.month, first.day, 10, tzinfo=UTC)
    while True:
        hit = conftest.record(moment, event_id=f"{uuid4()}", cid=f"{uuid4()}")
        bench.delivered = int(uuid4())
        bench.deliver([hit])
        bench.build(first, end)
        keep_house(bench.warehouse.lake, timedelta(0), timedelta(seconds=20), datetime.now(UTC))
        bench.warehouse.query("select 1")
        print("round", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), date.fromisoformat(sys.argv[3]))
