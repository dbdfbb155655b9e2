"""Both warehouses on one bench: DuckDB in a file, and Snowflake's real adapters and connector against a fakesnow server.

The server is a process of its own, as Snowflake is; the archive is a moto S3 bucket, whose objects both warehouses read (DuckDB
through boto3, Snowflake's side through the stage). A pass proves the adapter path, the dialect and the logic, not Snowflake.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pytest
from dbt.cli.main import dbtRunner
from moto.server import ThreadedMotoServer

from ingestion_platform.changes import everything
from ingestion_platform.dates import Window
from ingestion_platform.resources.proposals import Proposal
from ingestion_platform.resources.s3_archive import S3Archive
from ingestion_platform.resources.snowflake.warehouse import SnowflakeWarehouse

TESTS = Path(__file__).parents[1]
BUCKET = "clickstream-archive"
PUBLISHED_SCHEMAS = ("events", "stats")


def _load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


bench = _load("models_bench", TESTS / "models" / "conftest.py")


@pytest.fixture(scope="session")
def s3(monkeypatch_session: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint of a moto server; this process and its children use it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch_session.setenv(name, value)
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def monkeypatch_session() -> Iterator[pytest.MonkeyPatch]:
    patch = pytest.MonkeyPatch()
    yield patch
    patch.undo()


@pytest.fixture
def firehose_emulator(s3: str) -> Iterator[Any]:
    """Firehose's buffering and keys, on the moto server of this process."""
    with _load("emulated_firehose", TESTS / "emulators" / "firehose.py").FirehoseEmulator() as firehose:
        yield firehose


@pytest.fixture(scope="session")
def snowflake_port(s3: str) -> Iterator[int]:
    """The port of a patched fakesnow server in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(TESTS / "emulators" / "fakesnow_server.py")],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        assert process.stdout is not None
        ready = process.stdout.readline().split()
        watchdog.cancel()
        assert ready[:1] == ["ready"], "the fakesnow server did not start"
        yield int(ready[1])
    finally:
        process.terminate()
        process.wait(20)


class SnowflakeBench(bench.ModelHarness):
    """The bench of tests/models over Snowflake: a database and a bucket of its own."""

    def __init__(self, root: Path, runner: dbtRunner, port: int, name: str) -> None:
        self.environ = {"INGEST_ENV": "emulated", "SNOWFLAKE_PORT": str(port), "SNOWFLAKE_DATABASE": name.upper()}
        self.bucket = f"{BUCKET}-{name.replace('_', '-')}"
        super().__init__(root, runner)

    def __post_init__(self) -> None:
        boto3.client("s3").create_bucket(
            Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        self.archive = S3Archive(self.bucket)
        self.warehouse = SnowflakeWarehouse.from_environment(self.environ)
        self.delivered, self.built, self.project = 0, [], bench.DBT_PROJECT
        self.make_landing()

    def make_landing(self) -> None:
        """What infra/ makes in production: schemas, stage and file format."""
        for statement in (
            *(
                f"create schema if not exists {schema}"
                for schema in ("raw", "staging", "staged", "events", "events_live", "stats")
            ),
            "create or replace file format raw.archive_json type = json compression = gzip allow_duplicate = true",
            f"create stage if not exists raw.archive url = 's3://{self.bucket}/stream_data/'",
        ):
            self.warehouse.query(statement)

    def snapshot(self, start: date, end: date) -> dict[str, Any]:
        return {model: export(self, model, start, end) for model in bench.MODELS}

    def build(self, start: date, end: date, select: Sequence[str] = ("tag:daily",)) -> None:
        self.load(start, end)
        self.warehouse.parse_user_agents(start, end)
        self.dbt("run", start, end, "--select", *select)

    def dbt(self, command: str, start: date, end: date, *more: str) -> None:
        """What dbt builds is published when all of it went well, as by a run of the platform."""
        if command == "test":
            self.invoke(command, start, end, *more)
            return
        self.warehouse.create_tables()
        latest_load_id = self.warehouse.latest_load_id()
        with self.propose(start, end) as proposal:
            built = self.invoke(command, start, end, *more, **proposal.environment)
            if built:
                proposal.publish(everything(proposal.fingerprints(), proposal.published({}), latest_load_id))

    def propose(self, start: date, end: date) -> AbstractContextManager[Proposal]:
        """A proposal of all models that a run publishes."""
        relations = {
            path.stem: f"{folder}.{path.stem}"
            for folder in PUBLISHED_SCHEMAS
            for path in sorted((self.project / "models" / folder).glob("*.sql"))
        }
        return self.warehouse.propose(relations, Window(start, end))

    def invoke(self, command: str, start: date, end: date, *more: str, **environ: str) -> list[str]:
        """dbt itself, on `self.project`; returns the names of the models that it staged."""
        window = (
            () if command == "test" else ("--event-time-start", start.isoformat(), "--event-time-end", end.isoformat())
        )
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**self.environ, **environ}.items():
                patch.setenv(name, value)
            result = self.runner.invoke([
                command, "--project-dir", str(self.project), "--profiles-dir", str(self.project), "--quiet",
                "--no-use-colors", "--target-path", str(self.root.parent / "target_snowflake"), "--log-path", str(self.root / "logs"),
                *window, *more,
            ])  # fmt: skip
        results = getattr(result.result, "results", None) or []
        problems = [f"{r.node.name}: {r.message}" for r in results if r.status in ("error", "fail")]
        assert result.success, "\n".join(problems) or result.exception
        return [r.node.name for r in results if r.node.resource_type == "model" and r.node.schema in PUBLISHED_SCHEMAS]


def export(of: Any, relation: str, start: date, end: date) -> Counter[tuple[Any, ...]]:
    """Every row of a relation's dates, columns by name, in one form for both warehouses.

    Columns of JSON text are compared as JSON: a VARIANT does not remember blanks and the order of keys, DuckDB's text does.
    """
    columns = sorted(row[0].lower() for row in of.rows(_COLUMNS.format(*relation.upper().split("."))))
    assert columns, relation
    rows = of.rows(
        f"select {', '.join(columns)} from {relation} where event_date >= '{start}' and event_date < '{end}'"
    )
    json_columns = {position for position, name in enumerate(columns) if name in _JSON_COLUMNS}
    return Counter(
        tuple(_plain(value) if position in json_columns else value for position, value in enumerate(row))
        for row in rows
    )


def _plain(text: str | None) -> str | None:
    try:
        return text if text is None else json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text


_JSON_COLUMNS = ("payload", "req_body", "product_raw_data")
_COLUMNS = (
    "select column_name from information_schema.columns where upper(table_schema) = '{}' and upper(table_name) = '{}'"
)


@pytest.fixture(name="export")
def _export() -> Callable[..., Counter[tuple[Any, ...]]]:
    return export


@pytest.fixture(scope="session")
def dbt_runner() -> dbtRunner:
    os.environ.setdefault("DBT_DUCKDB_PATH", ":memory:")
    return dbtRunner()


_made = 0


def _maker(folder: Path, runner: dbtRunner, port: int) -> Callable[[str], Any]:
    def make(kind: str) -> Any:
        global _made
        _made += 1
        root = folder / f"{kind}{_made}"
        root.mkdir()
        if kind == "duckdb":
            return bench.ModelHarness(root, runner)
        return SnowflakeBench(root, runner, port, f"bench_{_made}")

    return make


@pytest.fixture
def make_bench(tmp_path: Path, dbt_runner: dbtRunner, snowflake_port: int) -> Callable[[str], Any]:
    """Makes benches: `make_bench("snowflake")`, `make_bench("duckdb")`."""
    return _maker(tmp_path, dbt_runner, snowflake_port)


@pytest.fixture(scope="module")
def make_bench_of_module(
    tmp_path_factory: pytest.TempPathFactory, dbt_runner: dbtRunner, snowflake_port: int
) -> Callable[[str], Any]:
    """The same for what several tests of a module only read."""
    return _maker(tmp_path_factory.mktemp("module"), dbt_runner, snowflake_port)


@pytest.fixture(name="record")
def _record() -> Callable[..., dict[str, Any]]:
    return bench.record


@pytest.fixture(name="at")
def _at() -> Callable[[str], Any]:
    return bench.at


@pytest.fixture(scope="session")
def load_module() -> Callable[[str], Any]:
    """A module beside this one: tests are no package."""
    return lambda name: _load(name, Path(__file__).with_name(f"{name}.py"))
