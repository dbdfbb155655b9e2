"""The way of the platform that this project grew out of, written afresh from its description as plain SQL on the same DuckDB.

What is typical of it, and what it costs:

- the record is kept whole as JSON, and every model takes what it needs out of it by JSON paths;
- sessions are windows over (client, UTC day) of the whole table: `lag`, a running sum, and a text id made for every row;
- the ids and addresses of a session are window aggregates, a list for every row;
- products are flattened by taking the body's keys apart and putting them together again by index;
- an "incremental" model reads everything and merges everything, which every run after the first pays for.

Generous to it: no user agents are parsed, no test is run, no Snowflake start-up or orchestrator is counted, lines are read by
our own reader, and money is typed the way that is right. Its rules differ from ours: a hit's time is the time it was received, only
purchases are deduplicated (by transaction id), sessions end at midnight, ids of several shops share one name space.

    python -m benchmarks.seed_sql ARCHIVE DATABASE FIRST END     dates of arrival, END is exclusive
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from ingestion_platform.resources.folder_archive import FolderArchive
from ingestion_platform.resources.line_reader import LineStream

_SQL = Path(__file__).parent / "seed_models"

MODELS = {
    "events.logs": "log_id",
    "events.pageviews": "log_id",
    "events.events": "log_id",
    "events.product_actions": "product_action_id",
    "events.purchases": "transaction_id",
    "stats.overview_1h": "period",
}
"""The key of each model's merge, in the order in which they are built; their SELECTs are in seed_models/."""


def load(connection: duckdb.DuckDBPyConnection, archive: Path, start: date, end: date) -> None:
    """Fill RAW.LOGS with every line of the arrival dates [start, end) that is JSON."""
    connection.execute(_read("raw_tables"))
    source = FolderArchive(archive)
    connection.register("lines", LineStream(source, source.objects(start, end)).reader())
    connection.execute(_read("insert_raw"))


def build(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Create a model that is not there; else compute all of it again and merge it into what is there."""
    schema, _, table = name.partition(".")
    select = _read(table)
    known = connection.execute(
        "select count(*) from information_schema.tables where table_schema = ? and table_name = ?", [schema, table]
    ).fetchall()[0][0]
    if not known:
        connection.execute(f"create table {name} as {select}")
        return
    connection.execute(
        f"merge into {name} using ({select}) as fresh using ({MODELS[name]}) "
        "when matched then update when not matched then insert"
    )


def _read(name: str) -> str:
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")


def run(archive: Path, database: Path, start: date, end: date, *, again: bool = False) -> dict[str, Any]:
    """Load and build everything into `database`; returns seconds by stage, and hits and sessions found. `again` loads
    nothing: a second run over what is there."""
    stages: dict[str, float] = {}
    spent = time.process_time()
    # Its lists of window aggregates do not go to disk: held to 5 GB as our models are, it fails at a million hits.
    with duckdb.connect(str(database), config={"preserve_insertion_order": "false"}) as connection:
        if not again:
            stages["raw.logs"] = _timed(lambda: load(connection, archive, start, end))
        for name in MODELS:
            stages[name] = _timed(lambda name=name: build(connection, name))  # type: ignore[misc]
        hits, sessions = connection.execute("select count(*), count(distinct session_id) from events.logs").fetchall()[
            0
        ]
    return {
        "seconds": round(sum(stages.values()), 2),
        "cpu_seconds": round(time.process_time() - spent, 2),
        "stages": stages,
        "hits": hits,
        "sessions": sessions,
    }


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return round(time.perf_counter() - started, 2)


def main() -> int:
    """Do the work in this process and print what it took as one JSON line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("archive", type=Path)
    options.add_argument("database", type=Path)
    options.add_argument("first", type=date.fromisoformat)
    options.add_argument("end", type=date.fromisoformat)
    options.add_argument("--again", action="store_true", help="load nothing: a second run over what is there")
    chosen = options.parse_args()
    print(json.dumps(run(chosen.archive, chosen.database, chosen.first, chosen.end, again=chosen.again)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
