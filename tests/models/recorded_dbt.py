"""What dbt executes to rebuild a window, recorded once and executed again for other windows of the same length.

A dbt invocation of all models costs seconds, most of them spent before the first row is read; the tests of the models rebuild
hundreds of windows. The statements of one invocation are those of any other window of that length with the dates moved
(`test_what_was_recorded_is_what_dbt_executes` holds it against dbt). They are kept in build/, by the content of the project.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from filelock import FileLock

from ingestion_platform.resources.duckdb.lake import Lake
from ingestion_platform.resources.duckdb.proposal import show_lake

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "dbt_models"
REFERENCE = date(2033, 2, 3)
"""The first date of a recorded window: far from every date that the models name themselves."""

_DATE = re.compile(r"(?<!\d)(20[23]\d-\d\d-\d\d)(?!\d)")
_STAGED = "{staged}"
_COMMENT = re.compile(r"^/\*.*?\*/\s*", re.S)


def fingerprint() -> str:
    """Of everything that decides what dbt executes."""
    # The first partition is part of a view.
    around = [version(name) for name in ("dbt-core", "dbt-duckdb", "duckdb")] + [os.environ.get("PARTITIONS_START", "")]
    digest = hashlib.sha256(" ".join(around).encode())
    sources = [
        path
        for path in PROJECT.rglob("*")
        if path.suffix in (".sql", ".yml") and not {"target", "logs"} & {*path.relative_to(PROJECT).parts}
    ]
    for path in sorted([*sources, Path(__file__), *(ROOT / "platform" / "resources").glob("*/*.py")]):
        digest.update(f"{path.relative_to(ROOT)}".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def recording() -> Iterator[list[tuple[str, str]]]:
    """The statements that dbt executes meanwhile, each with the name of its connection."""
    executed: list[tuple[str, str]] = []
    original = DuckDBConnectionManager.add_query

    def add_query(self: Any, sql: str, *more: Any, **options: Any) -> Any:
        executed.append((self.get_thread_connection().name, sql))
        return original(self, sql, *more, **options)

    DuckDBConnectionManager.add_query = add_query  # type: ignore[method-assign]
    try:
        yield executed
    finally:
        DuckDBConnectionManager.add_query = original  # type: ignore[method-assign]


def of_models(executed: Sequence[tuple[str, str]], staged: str) -> list[str]:
    """Of what dbt executed, the statements that make views, and rows and files for the models; where they are staged is left open."""
    bare = [_COMMENT.sub("", sql).strip() for name, sql in executed if name.startswith("model.")]
    return [sql.replace(staged, _STAGED) for sql in bare if sql.lower().startswith(("create", "alter", "copy", "drop"))]


def moved(sql: str, days: int) -> str:
    """The statement with each of its dates moved by `days`."""
    return _DATE.sub(lambda found: f"{date.fromisoformat(found[1]) + timedelta(days=days)}", sql)


class RecordedDbt:
    """Builds windows in lakes that were copied from `template`, in which everything has been built once."""

    def __init__(
        self, make_template: Callable[[Path], None], build_with_dbt: Callable[[Path, date, date, Sequence[str]], Path]
    ) -> None:
        self._folder = ROOT / "build" / "recorded-dbt" / fingerprint()
        self._make_template = make_template
        self._build_with_dbt = build_with_dbt
        self._known: dict[tuple[int, tuple[str, ...]], list[str]] = {}

    def template(self) -> Path:
        """The folder of a lake without rows in which every table of the models exists."""
        path = self._folder / "template"
        with self._lock():
            if not path.exists():
                for others in self._folder.parent.glob("*"):
                    if others != self._folder and others.is_dir():
                        shutil.rmtree(others, ignore_errors=True)
                making = self._folder / "making"
                shutil.rmtree(making, ignore_errors=True)
                making.mkdir(parents=True)
                self._make_template(making)
                making.replace(path)
        return path

    def run(self, lake: Lake, environment: Mapping[str, str], start: date, end: date, select: Sequence[str]) -> None:
        """Build [start, end) of what `select` matches in the proposal that `environment` describes."""
        statements = self.statements((end - start).days, tuple(select))
        # Planning is most of the work on these few rows, and more threads only wait for each other.
        with duckdb.connect(config={"preserve_insertion_order": False, "threads": 1}) as connection:
            # Without views: what was recorded made them where there were none.
            show_lake(connection, lake, replace(lake.catalog.snapshot(int(environment["LAKE_SNAPSHOT"])), views={}))
            for schema in ("staging", "events", "stats"):
                connection.execute(f"create schema if not exists {schema}")
            for statement in statements:
                moved_statement = moved(statement, (start - REFERENCE).days)
                connection.execute(moved_statement.replace(_STAGED, environment["LAKE_STAGED"]))

    def statements(self, length: int, select: tuple[str, ...]) -> list[str]:
        """What dbt executes for a window of `length` dates that begins on REFERENCE."""
        if (length, select) not in self._known:
            name = hashlib.sha256(" ".join(select).encode()).hexdigest()[:8]
            path = self._folder / f"{name}-{length}.json"
            with self._lock():
                if not path.exists():
                    making = path.with_suffix(".making")
                    making.write_text(json.dumps(self._record(length, select)))
                    making.replace(path)
            self._known[length, select] = json.loads(path.read_text())
        return self._known[length, select]

    def _record(self, length: int, select: Sequence[str]) -> list[str]:
        with recording() as executed:
            staged = self._build_with_dbt(
                self._folder / "template", REFERENCE, REFERENCE + timedelta(days=length), select
            )
        return of_models(executed, f"{staged}")

    def _lock(self) -> FileLock:
        self._folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self._folder.parent / "lock")
