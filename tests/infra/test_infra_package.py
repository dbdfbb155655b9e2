"""The Lambda package, and the walls between the program and the rest of the repository."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pulumi
from infra_harness import INFRA, ROOT, Graph
from infra_lambda import unpack

# What the runtime brings besides the standard library: boto3 and what boto3 needs.
WITH_BOTO3 = {"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3"}
PULUMI = {"pulumi", "pulumi_aws", "pulumi_snowflake", "ingestion_path", "infra"}

IMPORT_HANDLERS = """
import importlib.abc, json, sys
allowed = set(sys.stdlib_module_names) | set(json.loads(sys.argv[1]))
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in allowed:
            raise ModuleNotFoundError(f"Lambda has no {name}", name=name)
sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[2])
for handler in sys.argv[3:]:
    module, _, function = handler.rpartition(".")
    __import__(module)
    assert callable(getattr(sys.modules[module], function)), handler
    print(sys.modules[module].__file__)
"""


def test_handlers_import_with_what_lambda_has(production: Graph, tmp_path: Path) -> None:
    """The package is unzipped, nothing is installed: an import of anything but stdlib and boto3 fails at the first
    request.
    """
    functions = [production.named(name, "aws:lambda/function:Function").inputs for name in ("collector", "redrive")]
    assert len({json.dumps(sorted(given["code"].assets)) for given in functions}) == 1
    unpack(functions[0]["code"], tmp_path)
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_HANDLERS, json.dumps(sorted(WITH_BOTO3 | {"collector"})), str(tmp_path)]
        + [given["handler"] for given in functions],
        cwd=tmp_path,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert all(line.startswith(str(tmp_path)) for line in result.stdout.splitlines())


def test_package_holds_the_collector_and_no_cache(production: Graph) -> None:
    """Caches change at every test run and would redeploy the function; a missing module would fail at its first use. What
    shows the last hits has no place in Lambda."""
    code = production.named("collector", "aws:lambda/function:Function").inputs["code"]
    assert isinstance(code, pulumi.AssetArchive)
    sources = {str(file.relative_to(ROOT)) for file in (ROOT / "collector").rglob("*.py")}
    of_the_page = {name for name in sources if name.startswith("collector/live/")}
    assert of_the_page
    assert sources - of_the_page <= set(code.assets)
    assert not any(name.startswith("collector/live") for name in code.assets)
    assert all(name.startswith("collector/") and "__pycache__" not in name for name in code.assets)


def imported(folder: Path) -> Iterator[tuple[Path, str]]:
    """The module of every absolute import statement below a folder."""
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from ((file, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield file, node.module


def test_program_imports_of_ours_the_key_layout_and_the_packing_only() -> None:
    """Pulumi runs with its own requirements: an import of the platform would drag dbt and Dagster into each
    deployment. The archive's key layout, and how lines share a billed record, are modules of the standard library alone,
    and written down once.
    """
    ours = {"collector.archive_keys", "collector.packing"}
    own_needs = {name for file, name in imported(ROOT / "collector") if f"collector.{file.stem}" in ours}
    assert {name.split(".")[0] for name in own_needs} <= set(sys.stdlib_module_names)
    allowed = set(sys.stdlib_module_names) - {"platform"} | {
        "pulumi",
        "pulumi_aws",
        "pulumi_snowflake",
        "ingestion_path",
        "yaml",  # pulumi brings it
    }
    assert {
        (str(file), name) for file, name in imported(INFRA) if name.split(".")[0] not in allowed and name not in ours
    } == set()


def test_nothing_of_ours_imports_the_program() -> None:
    """The SDKs weigh 120 MB and seconds of import: the platform must run without them."""
    folders = [ROOT / name for name in ("collector", "simulations", "platform", "benchmarks")]
    assert {
        (str(file), name) for folder in folders for file, name in imported(folder) if name.split(".")[0] in PULUMI
    } == set()
