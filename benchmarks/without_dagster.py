"""Two ways from the archive without Dagster, each alone in its process: the floor, and the bare way (benchmarks/replay.py has the others);
and what a part of the bare way costs, fingerprints.

python -m benchmarks.without_dagster floor|bare|fingerprints DATA_DIR FIRST END     END is exclusive
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.measure import PROJECT_DIR, BenchmarkError, slowest_first
from ingestion_platform.assets.manifest import Models
from ingestion_platform.changes import everything
from ingestion_platform.dates import Window, load_window
from ingestion_platform.resources.dbt_project import read_manifest
from ingestion_platform.resources.duckdb import sql as duckdb_sql
from ingestion_platform.resources.duckdb.fingerprints import made_anew
from ingestion_platform.resources.duckdb.warehouse import DuckDBWarehouse
from ingestion_platform.resources.folder_archive import FolderArchive
from ingestion_platform.resources.line_reader import LineStream

_MODELS_DIR = PROJECT_DIR / "dbt_models"
_JSON_COLUMN = re.compile(r"^.* as data,\n", re.MULTILINE)


def type_lines(archive: Path, database: Path, start: date, end: date) -> int:
    """The floor: read and type every line of the arrival dates [start, end) into one table; returns its rows."""
    typed, found = _JSON_COLUMN.subn("", duckdb_sql.LOGS)
    if found != 1:
        raise BenchmarkError(
            "duckdb_sql.LOGS has no line `... as data,`; fix _JSON_COLUMN in benchmarks/without_dagster.py"
        )
    source = FolderArchive(archive)
    with duckdb.connect(str(database), config={"preserve_insertion_order": "false"}) as connection:
        connection.execute("create schema raw")
        connection.register("lines", LineStream(source, source.objects(start, end)).reader())
        connection.execute(f"create table raw.logs as {typed}")
        return int(connection.execute("select count(*) from raw.logs").fetchall()[0][0])


def load_and_build(data_dir: Path, start: date, end: date) -> tuple[dict[str, float], dict[str, float]]:
    """The bare way: load, parse user agents, build models and run tests for [start, end), and publish. Returns seconds by stage, and the
    processor time of building and of what comes after it, by name."""
    from dbt.cli.main import dbtRunner

    warehouse = DuckDBWarehouse(data_dir / "warehouse.duckdb")
    stages: defaultdict[str, float] = defaultdict(float)
    began = time.perf_counter()
    warehouse.load(FolderArchive(data_dir / "archive"), *load_window(Window(start, end)))
    stages["load raw/logs"] = time.perf_counter() - began
    began = time.perf_counter()
    warehouse.parse_user_agents(start, end)
    stages["user agents"] = time.perf_counter() - began
    began, spent_before = time.perf_counter(), time.process_time()
    target = data_dir / "target"
    models = Models.of(read_manifest())
    relations = {name: models.relations[name] for name in models.names_of(models.partitioned)}
    with warehouse.propose(relations, Window(start, end)) as proposal:
        os.environ |= {**proposal.environment, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
        outcome = dbtRunner().invoke([
            "--quiet", "--no-use-colors", "--log-path", f"{target}", "build", "--select", "tag:daily", "--project-dir", f"{_MODELS_DIR}",
            "--profiles-dir", f"{_MODELS_DIR}", "--target-path", f"{target}",
            "--event-time-start", f"{start}", "--event-time-end", f"{end}",
        ])  # fmt: skip
        if not outcome.success:
            raise BenchmarkError(
                f"dbt build failed ({outcome.exception or 'a node did not pass'}); its log is in {target}"
            )
        views = {
            f"{result.node.schema}.{result.node.name}": result.node.compiled_code
            for result in outcome.result
            if getattr(result.node.config, "materialized", "") == "view"
        }
        spent_built = time.process_time()
        proposal.add_views(views)
        proposal.publish(
            everything(proposal.fingerprints(), proposal.published(models.unique_keys), warehouse.latest_load_id())
        )
    cpu = {"build": spent_built - spent_before, "publish": time.process_time() - spent_built}
    spent = time.perf_counter() - began
    for result in json.loads((target / "run_results.json").read_text())["results"]:
        kind, _, rest = result["unique_id"].partition(".")
        stages["dbt tests" if kind == "test" else f"model {rest.partition('.')[2]}"] += result["execution_time"]
        spent -= result["execution_time"]
    stages["dbt: start and parsing"] = spent
    return slowest_first(stages), cpu


def make_fingerprints(data_dir: Path) -> None:
    """Make the fingerprints of all that is published, of the files: a run makes them of what it has in memory."""
    models, warehouse = Models.of(read_manifest()), DuckDBWarehouse(data_dir / "warehouse.duckdb")
    snapshot = warehouse.lake.catalog.snapshot()
    for name, key in models.unique_keys.items():
        relation = models.relations[name]
        days = {file.day for file in snapshot.files.get(relation, ()) if file.day is not None}
        made_anew(warehouse.lake, snapshot, relation, key, days, models.column_types(name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one piece of work in this process and print what it took as a JSON line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("what", choices=("floor", "bare", "fingerprints"))
    options.add_argument("data_dir", type=lambda text: Path(text).absolute())
    options.add_argument("first", type=date.fromisoformat)
    options.add_argument("end", type=date.fromisoformat)
    chosen = options.parse_args(arguments)
    began, spent = time.perf_counter(), time.process_time()
    report: dict[str, Any]
    if chosen.what == "floor":
        arrivals = load_window(Window(chosen.first, chosen.end))
        report = {"rows": type_lines(chosen.data_dir / "archive", chosen.data_dir / "floor.duckdb", *arrivals)}
    elif chosen.what == "fingerprints":
        make_fingerprints(chosen.data_dir)
        report = {}
    else:
        stages, cpu = load_and_build(chosen.data_dir, chosen.first, chosen.end)
        report = {"stages": stages, "cpu": cpu}
    report |= {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - spent}
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
