"""A small platform without Dagster: a folder archive, a DuckDB warehouse and the real dbt project, driven step by step."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.results import RunExecutionResult
from isal import igzip

from collector.archive_keys import object_key
from collector.records import Source, build_record, encode
from ingestion_platform.changes import Cell, Version, everything
from ingestion_platform.dates import Window, load_window
from ingestion_platform.resources.duckdb.publications import LakePublications
from ingestion_platform.resources.duckdb.views import select_files
from ingestion_platform.resources.duckdb.warehouse import DuckDBWarehouse
from ingestion_platform.resources.folder_archive import FolderArchive
from ingestion_platform.resources.proposals import Proposal

DBT_PROJECT = Path(__file__).parents[2] / "dbt_models"
MODELS = [
    "events.logs", "events.duplicates", "events.quarantine", "events.sessions", "events.product_actions", "events.purchases",
    "events.impressions", "events.promotions", "events.daily_visitors",
    "stats.overview_1h", "stats.overview_1d", "stats.revenue_1h", "stats.revenue_1d",
]  # fmt: skip
BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)
ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


DAY_ONE = date(2026, 1, 10)
STAGING = ("stg_hits", "stg_bad_lines", "stg_user_agents", "stg_first_partition", "int_duplicates", "int_orders")


def _names(select: Sequence[str]) -> list[str]:
    """The models that these selectors match."""
    return [name.partition(".")[2] for name in MODELS] if "tag:daily" in select else [*select]


def at(text: str) -> datetime:
    """A moment, UTC: at("2026-01-01 10:00")."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def record(when: datetime, *, event_id: str | None = None, agent: str = BROWSER, **parameters: str) -> dict[str, Any]:
    """An accepted hit as the collector writes it; `t`, `cid` and `tid` have defaults, the event id follows from the rest."""
    hit = {"v": "1", "t": "pageview", "tid": "UA-1-1", "cid": "alice", **parameters}
    milliseconds = int(when.timestamp() * 1000)
    event_id = event_id or str(uuid5(NAMESPACE_URL, f"{milliseconds}{sorted(hit.items())}"))
    source = Source("POST", "/collect", "127.0.0.1", "203.0.113.0", {"user-agent": agent})
    return build_record(hit, source, event_id=event_id, received_at=milliseconds, responded_at=milliseconds + 3)


def line(made: Mapping[str, Any]) -> bytes:
    text = encode(made)
    return text if isinstance(text, bytes) else text.encode()


@dataclass
class ModelHarness:
    """An archive, a warehouse and dbt. Dates are event dates unless said otherwise; ranges are half-open."""

    root: Path
    runner: dbtRunner
    recorded: Any = None
    """`recorded_dbt.RecordedDbt`: what dbt executes for a window is executed without dbt. None: dbt itself, in a new warehouse."""
    project: Path = DBT_PROJECT
    delivered: int = 0
    built: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.archive = FolderArchive(self.root / "archive")
        self.warehouse = DuckDBWarehouse(self.root / "warehouse.duckdb")
        if self.recorded is not None and not self.warehouse.lake.folder.exists():
            shutil.copytree(self.recorded.template() / "lake", self.root / "lake")

    def deliver(self, records: Sequence[Mapping[str, Any] | bytes], arrived: datetime | None = None) -> str:
        """Put one object into the archive; it arrives a minute after its last record unless told otherwise. Returns its key."""
        self.delivered += 1
        if arrived is None:
            last = max(r["request"]["timestamp"] for r in records if not isinstance(r, bytes))
            arrived = datetime.fromtimestamp(last / 1000, UTC) + timedelta(minutes=1)
        key = object_key("test", arrived, str(uuid5(NAMESPACE_URL, str(self.delivered))))
        self.archive.put(key, igzip.compress(b"".join(r if isinstance(r, bytes) else line(r) for r in records)))
        return key

    def load(self, start: date, end: date) -> None:
        self.warehouse.load(self.archive, *load_window(Window(start, end)))

    def build(self, start: date, end: date, select: Sequence[str] = ("tag:daily",)) -> None:
        """Load what the dates read and build the models for them, as a run of the platform does."""
        self.load(start, end)
        latest_load_id = self.warehouse.latest_load_id()
        self.warehouse.parse_user_agents(start, end)
        with self.staged(start, end, select) as proposal:
            proposal.publish(everything(proposal.fingerprints(), proposal.published({}), latest_load_id))

    @contextmanager
    def staged(self, start: date, end: date, select: Sequence[str] = ("tag:daily",)) -> Iterator[Proposal]:
        """A proposal in which what `select` matches has been built, of dates that are loaded."""
        window = Window(start, end)
        relations = {name.partition(".")[2]: name for name in MODELS}
        with self.warehouse.propose({name: relations[name] for name in _names(select)}, window) as proposal:
            if self.recorded is not None:
                self.recorded.run(self.warehouse.lake, proposal.environment, start, end, select)
            else:
                self.dbt("run", start, end, "--select", *select, *STAGING, environment=proposal.environment)
            yield proposal

    def versions(self, start: date, end: date) -> dict[Cell, Version]:
        """The published versions of all models' dates, as the ledger has them."""
        with self.warehouse.lake.catalog.reading() as connection:
            return LakePublications(connection).current(_names(["tag:daily"]), Window(start, end))

    def publish_live_views(self) -> None:
        """Write the live views, and all others, as a run of the platform does."""
        window = (DAY_ONE, DAY_ONE + timedelta(days=1))
        with self.warehouse.propose({}, None) as proposal:
            results = self.dbt("run", *window, "--select", "config.materialized:view", environment=proposal.environment)
            proposal.add_views({f"{r.node.schema}.{r.node.name}": r.node.compiled_code for r in results})
            proposal.publish([])

    def dbt(
        self, command: str, start: date, end: date, *more: str, environment: Mapping[str, str] | None = None
    ) -> list[Any]:
        """Run dbt for what is published, or in a proposal's `environment`; the results of its nodes."""
        given = environment or {
            "LAKE_FOLDER": f"{self.warehouse.lake.folder}",
            "LAKE_SNAPSHOT": "",
            "LAKE_STAGED": "",
            "LAKE_LIVE": "",
            "LAKE_SPILL": "",
        }
        os.environ |= given
        window = (
            ("--event-time-start", start.isoformat(), "--event-time-end", end.isoformat())
            if command in ("run", "build")
            else ()
        )
        result = self.runner.invoke([
            command, "--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT), "--quiet", "--no-use-colors",
            "--target-path", str(self.root.parent / "target"), "--log-path", str(self.root / "logs"),
            *window, *more,
        ])  # fmt: skip
        # dbt-duckdb keeps its database open in this process.
        DuckDBConnectionManager.close_all_connections()
        results = list(result.result) if isinstance(result.result, RunExecutionResult) else []
        messages = [f"{r.node.name}: {r.message}" for r in results if r.status in ("error", "fail")]
        assert result.success, "\n".join(messages) or result.exception
        return results

    def alter(self, relation: str, day: date, select: str) -> None:
        """Publish what `select` makes of `{rows}`, the rows of one date, as a defect would."""
        lake = self.warehouse.lake
        snapshot = lake.catalog.snapshot()
        table = snapshot.tables[relation]
        rows = select_files(table, [file for file in snapshot.files[relation] if file.day == day], lake.folder)
        with lake.engine() as engine, lake.catalog.change("defect") as change:
            file = lake.write(engine, select.format(rows=f"({rows})"), table, day)
            change.replace(relation, [day], [file] if file is not None else [])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.warehouse.query(sql)

    def snapshot(self, start: date, end: date) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every model of these dates, sorted: what has to be equal however it came about."""
        return {
            model: self.rows(
                f"select * from {model} where event_date >= '{start}' and event_date < '{end}' order by all"
            )
            for model in MODELS
        }


@pytest.fixture(scope="session")
def dbt_runner() -> dbtRunner:
    return dbtRunner()


def _module(name: str) -> Any:
    """A module beside this one: tests are no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def recorded_dbt() -> Any:
    """The module of that name."""
    return _module("recorded_dbt")


@pytest.fixture(scope="session")
def recorded(dbt_runner: dbtRunner, recorded_dbt: Any) -> Any:
    """What dbt executes for windows of each length, recorded when it is first needed."""
    reference = recorded_dbt.REFERENCE

    def make(root: Path) -> None:
        """A lake whose models were built of one hit, and then of none."""
        harness = ModelHarness(root, dbt_runner)
        when = datetime(reference.year, reference.month, reference.day, 10, tzinfo=UTC)
        key = harness.deliver([record(when)])
        harness.build(reference, reference + timedelta(days=1))
        (harness.archive.root / key).unlink()
        harness.warehouse.load(
            harness.archive, *load_window(Window(reference, reference + timedelta(days=1))), remove=[key]
        )
        harness.build(reference, reference + timedelta(days=1))
        with harness.warehouse.lake.catalog.change("forget") as change:
            change.replace("events.user_agents", [None], [])
            for model in MODELS:
                change.replace(model, [reference], [])
            for table in (
                "load_history",
                "build_history",
                "event_date_changes",
                "archives",
                "publications",
                "versions",
            ):
                change.connection.execute(f"delete from clickstream_{table}")

    def build(root: Path, start: date, end: date, select: Sequence[str]) -> Path:
        """Build with dbt in the lake of `root`; returns the folder in which it was staged."""
        with ModelHarness(root, dbt_runner).staged(start, end, select) as proposal:
            return Path(proposal.environment["LAKE_STAGED"])

    return recorded_dbt.RecordedDbt(make, build)


@pytest.fixture(scope="session")
def edits() -> Any:
    """The module of that name."""
    return _module("edits")


@pytest.fixture(scope="session")
def model_relations() -> list[str]:
    return MODELS


@pytest.fixture(scope="session")
def unique_keys() -> dict[str, list[str]]:
    """The columns that tell a model's rows apart, by its name."""
    manifest = json.loads((DBT_PROJECT / "target" / "manifest.json").read_bytes())
    return {
        node["name"]: node["config"]["unique_key"]
        for node in manifest["nodes"].values()
        if node["config"].get("unique_key")
    }


@pytest.fixture(scope="session")
def made_from() -> dict[str, set[str]]:
    """The models, by name, that a model is made from, however far up."""
    nodes = json.loads((DBT_PROJECT / "target" / "manifest.json").read_bytes())["nodes"]

    def above(unique_id: str) -> set[str]:
        parents = [name for name in nodes[unique_id]["depends_on"]["nodes"] if name in nodes]
        return {nodes[name]["name"] for name in parents}.union(*map(above, parents))

    return {node["name"]: above(name) for name, node in nodes.items() if node["resource_type"] == "model"}


@pytest.fixture
def make_bench(
    tmp_path_factory: pytest.TempPathFactory, dbt_runner: dbtRunner, recorded: Any
) -> Iterator[Callable[..., ModelHarness]]:
    """Makes as many separate benches as a test wants; `by_dbt` lets dbt itself build every window in a new warehouse."""
    folder = tmp_path_factory.mktemp("bench")
    made: list[ModelHarness] = []

    def make(by_dbt: bool = False) -> ModelHarness:
        root = folder / str(len(made))
        root.mkdir()
        made.append(ModelHarness(root, dbt_runner, None if by_dbt else recorded))
        return made[-1]

    yield make
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def bench(make_bench: Callable[..., ModelHarness]) -> ModelHarness:
    return make_bench()


@pytest.fixture(name="record")
def _record() -> Callable[..., dict[str, Any]]:
    return record


@pytest.fixture(name="at")
def _at() -> Callable[[str], datetime]:
    return at


@pytest.fixture(scope="session")
def fuzz_lines() -> Callable[[int, int, int], Iterator[bytes]]:
    """`line_fuzz.lines`."""
    made: Callable[[int, int, int], Iterator[bytes]] = _module("line_fuzz").lines
    return made
