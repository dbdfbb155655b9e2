"""The shape of the house: packages, who may import whom, what an import may cost, what must not be committed."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STANDARD = set(sys.stdlib_module_names)
# What runs in Lambda; the other modules of the collector belong to the local server.
LOCAL_ONLY = {"uvicorn", "uvloop", "httptools", "isal"}
ALLOWED = {
    "collector": set(),
    "simulations": {"collector"},
    "platform": {"collector", "simulations", "ingestion_platform"},
    "infra": {"collector"},  # the key layout only: tests/infra/test_infra_package.py
}
OURS = {"collector", "simulations", "ingestion_platform", "infra", "benchmarks"}


def modules(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def imported(path: Path) -> set[str]:
    """Top-level names that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_packages_are_the_folders() -> None:
    """A package that is missing from pyproject's list is missing from the wheel, and nobody notices in an editable install."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {"ingestion_platform"}
    for folder, name in (
        ("collector", "collector"),
        ("simulations", "simulations"),
        ("platform", "ingestion_platform"),
    ):
        for init in (ROOT / folder).rglob("__init__.py"):
            inside = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join((name, *inside)))
    assert sorted(declared) == sorted(found)


def test_nothing_shadows_the_standard_librarys_platform() -> None:
    """platform/__init__.py or tests/platform/__init__.py would replace Python's own module of that name."""
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_point_one_way(folder: str) -> None:
    """The collector imports nothing of ours, simulations its contract, the platform both; infra zips the collector and reads its key layout."""
    own = "ingestion_platform" if folder == "platform" else folder
    for path in modules(folder):
        foreign = (imported(path) & OURS) - ALLOWED[folder] - {own}
        assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"


def test_dagsters_private_modules_are_used_in_one_folder() -> None:
    """They may change with any minor version; who raises the bound in pyproject.toml looks there and nowhere else."""
    for path in modules("platform"):
        if path.parent.name != "dagster_internals":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(?:from|import) dagster(?:_\w+)?\._", text), path.relative_to(ROOT)


# Beside the settings themselves: entries that hand the environment to them, and what prepares that of a child.
TOUCH_THE_ENVIRONMENT = {
    "collector/__main__.py",
    "collector/env_settings.py",
    "collector/handler.py",
    "collector/local_process.py",
    "collector/redrive.py",
    "collector/server.py",
    "platform/commands/demo.py",
    "platform/instance.py",
    "platform/resources/duckdb/dbt_plugin.py",
    "platform/resources/dbt_project.py",
    "platform/settings.py",
}


def test_the_environment_is_read_in_the_settings_alone() -> None:
    """A variable that is read on the side is checked by nobody, is in no list of settings, and means another thing in a test."""
    touching = {
        f"{path.relative_to(ROOT)}"
        for folder in ("collector", "simulations", "platform")
        for path in modules(folder)
        if re.search(r"os\.environ\b|os\.getenv|from os import .*environ", path.read_text(encoding="utf-8"))
    }
    assert touching == TOUCH_THE_ENVIRONMENT


def test_lambda_needs_only_the_standard_library_and_boto3() -> None:
    """What the handler imports, directly or not, runs on a bare Lambda runtime."""
    queue, seen = ["handler"], set()
    while queue:
        name = queue.pop()
        path = ROOT / "collector" / f"{name.replace('.', '/')}.py"
        if name in seen or not path.exists():
            continue
        seen.add(name)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("collector"):
                inside = node.module.partition(".")[2]
                queue.append(inside or "__init__")
                queue += [f"{inside}.{alias.name}".lstrip(".") for alias in node.names]
        foreign = imported(path) - STANDARD - {"collector", "boto3", "botocore"}
        assert not foreign, f"collector/{name}.py imports {foreign}"
    assert {"contract", "records", "privacy", "delivery", "protocols.segment_events"} <= seen
    assert not any(name.startswith("live") for name in seen), "its package has no such folder"


def test_lock_files_are_hashed_and_name_no_index() -> None:
    """Set-up must install the very files that were tested, from whatever registry the machine is set up for."""
    locks = list((ROOT / "requirements").glob("*.lock"))
    assert {lock.stem for lock in locks} == {"runtime", "dev", "infra", "sbom"}
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text
        pins = re.findall(r"^[a-z0-9._-]+(?:\[[^\]]*\])?==.*$", text, re.M)
        assert len(pins) > 25
        assert all(pin.endswith("\\") for pin in pins)


def test_every_make_target_says_what_it_does() -> None:
    """`make help` is how a newcomer finds the commands: one without a sentence does not show."""
    text = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.M)[1].split())
    shown = {
        line.split()[1]
        for line in subprocess.run(
            ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        if line.startswith("  make ")
    }
    assert phony == shown
    wanted = {
        "help",
        "setup",
        "demo",
        "dev",
        "test",
        "lint",
        "replay",
        "collect",
        "simulate",
        "pump",
        "bench",
        "clean",
        "doctor",
        "status",
    }
    assert wanted <= shown


def test_every_decision_is_in_the_index() -> None:
    """A record that no list names is found by nobody; a name without a record is a dead link."""
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (folder / "README.md").read_text())
    records = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    assert listed == [path.name for path in records]
    undated = [
        path.name for path in records if not re.search(r"^\*Decided on 20\d\d-\d\d-\d\d", path.read_text(), re.M)
    ]
    assert undated == [], "a reader asks whether it still holds"


def test_names_of_tests_depend_on_nothing(request: pytest.FixtureRequest) -> None:
    """The processes of a parallel run must agree on the tests; names that held gzip's time, a date or a set's order stopped it."""
    other = os.environ | {"PYTHONHASHSEED": "7", "TESTS_NOW": "2026-08-16T09:30"}
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "--collect-only", "-p", "no:cacheprovider"]
    chosen = ["-m", request.config.getoption("markexpr"), *sorted({f"{item.path}" for item in request.session.items})]
    listed = subprocess.run([*command, *chosen], cwd=ROOT, env=other, capture_output=True, text=True, check=True).stdout
    mine = {item.nodeid for item in request.session.items}
    assert mine <= set(listed.splitlines())
