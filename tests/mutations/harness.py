"""Runs what a replay runs (models, dbt's tests, checks, publication) with a defect in the models, and says what stopped it.

One archive is loaded once and built once with the models as they are. For each mutation the warehouse is put back, one file of a copy
of the dbt project is changed, everything that is made from that file is built again, and the checks speak.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ingestion_platform import settings
from ingestion_platform.assets.checks import StatisticsChecks
from ingestion_platform.assets.simulated.expected_results import ExpectedResults
from ingestion_platform.changes import everything
from ingestion_platform.dates import Window
from ingestion_platform.resources.dbt_project import MODELS_DIR, DbtProject, NodeResult

TESTS = Path(__file__).parents[1]


def load(name: str, path: Path) -> Any:
    """A module of the tests, which are no packages."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


bench_of_models = load("mutations_bench", TESTS / "models" / "conftest.py")
traffic = load("mutations_traffic", Path(__file__).with_name("traffic.py"))


@dataclass(frozen=True)
class Outcome:
    """`caught_by` names what failed, `checks` its first lines; `published` are the files that were written."""

    caught_by: tuple[str, ...]
    told: tuple[str, ...]
    published: tuple[Path, ...]


class Laboratory:
    """An archive, a warehouse whose models are built, and a copy of the dbt project to break."""

    def __init__(self, root: Path) -> None:
        self.bench = bench_of_models.ModelHarness(root, None)
        self.project = root / "dbt_models"
        self.published = root / "published"
        self.window = Window(traffic.FIRST, traffic.LAST)
        shutil.copytree(MODELS_DIR, self.project, ignore=shutil.ignore_patterns("target", "logs", ".user.yml"))
        self.warehouse = self.bench.warehouse
        self.settings = settings.read({"DATA_DIR": f"{root}"})
        self.dbt = DbtProject({"INGEST_ENV": "local"}, root / "dbt", self.project)
        self._kept = root / "built"

    def prepare(self) -> Outcome:
        """Write the archive, load it, and build everything with the models as they are."""
        bench = bench_of_models
        traffic.fill(self.bench, bench.record, bench.at, bench.ROBOT)
        self.warehouse.create_tables()
        self.bench.load(*self.window)
        self.warehouse.parse_user_agents(*self.window)
        self.dbt.prepare()
        self.manifest: Mapping[str, Any] = json.loads((self.project / "target" / "manifest.json").read_bytes())
        outcome = self.replay(["tag:daily"])
        shutil.copytree(self.warehouse.lake.folder, self._kept)
        return outcome

    def replay(self, select: list[str]) -> Outcome:
        """Build `select` for all dates with dbt's tests, check, and publish what nothing speaks against, as a run does."""
        relations = {name.partition(".")[2]: name for name in bench_of_models.MODELS}
        with self.warehouse.propose(relations, self.window) as proposal:
            results = self.dbt.build(
                [*select, *bench_of_models.STAGING, "--exclude", "tag:live", "--exclude-resource-type", "unit_test"],
                self.window,
                lambda _: None,
                proposal.environment,
            )
            failed = [result for result in results if result.status in ("error", "fail")]
            if failed:
                names = tuple(dict.fromkeys(_name(result) for result in failed))
                return Outcome(names, tuple(" ".join(result.message.split())[:300] for result in failed), ())
            proposal.add_views({result.relation: result.view for result in results if result.view})
            refusals = StatisticsChecks(ExpectedResults()).audit(proposal, self.settings, self.window).refusals
            if refusals:
                return Outcome(tuple(refusals), tuple(refusals.values()), ())
            proposal.publish(
                everything(proposal.fingerprints(), proposal.published({}), self.warehouse.latest_load_id())
            )
        return Outcome((), (), tuple(self.warehouse.export(self.published, *self.window)))

    def try_out(self, mutation: Any) -> Outcome:
        """What becomes of a replay whose models have this defect."""
        file = self.project / mutation.file
        sound = file.read_text(encoding="utf-8")
        assert sound.count(mutation.old) == 1, f"{mutation.file} has {sound.count(mutation.old)} times: {mutation.old}"
        shutil.rmtree(self.warehouse.lake.folder)
        shutil.copytree(self._kept, self.warehouse.lake.folder)
        file.write_text(sound.replace(mutation.old, mutation.new), encoding="utf-8")
        try:
            return self.replay([f"{name}+" for name in self.made_from(mutation.file)])
        finally:
            file.write_text(sound, encoding="utf-8")

    def made_from(self, file: str) -> list[str]:
        """The models whose SQL stands in `file`, or uses a macro of it."""
        macros = {
            unique_id for unique_id, macro in self.manifest["macros"].items() if macro["original_file_path"] == file
        }
        more = macros
        while more:
            more = {
                unique_id
                for unique_id, macro in self.manifest["macros"].items()
                if unique_id not in macros and macros & {*macro["depends_on"]["macros"]}
            }
            macros |= more
        return sorted(
            node["name"]
            for node in self.manifest["nodes"].values()
            if node["resource_type"] == "model"
            and "live" not in node["tags"]
            and (node["original_file_path"] == file or macros & {*node["depends_on"]["macros"]})
        )


def _name(result: NodeResult) -> str:
    return f"dbt's {result.name[:30]}" if result.kind == "test" else f"dbt, which cannot build {result.name}"
