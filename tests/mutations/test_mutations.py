"""Defects in the models are caught before anything is published: each is planted, and the real build and checks must stop it.

A run of the suite takes every third mutation (another third each day would make a red run hard to repeat); `make mutations` takes all
and prints which check caught what, as docs/checks.md shows it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "checks.md"


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"mutations_{name}", HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


harness, table = _load("harness"), _load("mutations")
ALL = os.environ.get("MUTATIONS") == "all"
CHOSEN = table.MUTATIONS if ALL else table.MUTATIONS[::3]


@pytest.fixture(scope="module")
def caught() -> Iterator[dict[str, tuple[str, ...]]]:
    """What caught each mutation; printed at the end when all are taken."""
    found: dict[str, tuple[str, ...]] = {}
    yield found
    if ALL:
        print("\n| mutation | file | caught by |\n|---|---|---|")
        for mutation in table.MUTATIONS:
            print(f"| {mutation.name} | `{mutation.file}` | {', '.join(found.get(mutation.name, ['nothing']))} |")


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Everything built with the models as they are: all checks pass, the statistics are published."""
    made = harness.Laboratory(tmp_path_factory.mktemp("laboratory"))
    sound = made.prepare()
    assert not sound.caught_by, sound.told
    assert len(sound.published) > 100
    return made


@pytest.mark.parametrize("mutation", CHOSEN, ids=lambda mutation: mutation.name.replace(" ", "-"))
def test_a_defect_is_not_published(laboratory: Any, caught: dict[str, tuple[str, ...]], mutation: Any) -> None:
    """Doubling transaction_revenue in overview.sql once passed every check and was published."""
    before = {path: path.stat().st_mtime_ns for path in laboratory.published.rglob("*.parquet")}
    outcome = laboratory.try_out(mutation)
    caught[mutation.name] = outcome.caught_by
    assert outcome.caught_by, f"nothing speaks against: {mutation.name}"
    assert not outcome.published
    assert {path: path.stat().st_mtime_ns for path in laboratory.published.rglob("*.parquet")} == before


def test_every_mutation_has_its_text() -> None:
    """A mutation whose text was refactored away would prove nothing; also those that this run does not take are looked at."""
    for mutation in table.MUTATIONS:
        text = (harness.MODELS_DIR / mutation.file).read_text(encoding="utf-8")
        assert text.count(mutation.old) == 1, (mutation.name, mutation.file, text.count(mutation.old))
    names = [mutation.name for mutation in table.MUTATIONS]
    assert len(names) >= 30 and len(set(names)) == len(names)


def test_the_table_in_the_docs_has_every_mutation() -> None:
    """docs/checks.md shows what `make mutations` printed last."""
    text = DOCS.read_text(encoding="utf-8")
    assert [mutation.name for mutation in table.MUTATIONS if f"| {mutation.name} |" not in text] == []
