"""The guides for adopters, followed to the letter in a checkout of their own: what they say to type is typed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestion_platform.dates import ONE_DAY, Window
from ingestion_platform.settings import PROJECT_DIR

GUIDES = PROJECT_DIR / "docs" / "guides"
PARTS = (
    "collector",
    "simulations",
    "platform",
    "dbt_models",
    "requirements",
    "Makefile",
    "pyproject.toml",
    "workspace.yaml",
)


def blocks(page: str) -> list[str]:
    """What a guide says to type: its blocks of sh, in order."""
    return re.findall(r"^```sh\n(.*?)^```", (GUIDES / f"{page}.md").read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture
def type_in(place: Any, tmp_path: Path) -> Callable[[str], str]:
    """Types into a terminal in a copy of the checkout, beside the data of `place`; gives what was answered.

    The copy's programs run, not the checkout's: they come first on the path, and its .venv is that of the tests, with a stamp of its own, so that
    nothing is installed into theirs.
    """
    made = shutil.ignore_patterns("target", "logs", "__pycache__")
    for part in PARTS:
        source = PROJECT_DIR / part
        (shutil.copytree(source, tmp_path / part, ignore=made) if source.is_dir() else shutil.copy2(source, tmp_path))
    venv = tmp_path / ".venv"
    venv.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if not entry.name.startswith("."):
            (venv / entry.name).symlink_to(entry)
    (venv / ".runtime").touch()
    named = tmp_path / "named"
    named.mkdir()
    (named / "ingestion_platform").symlink_to(tmp_path / "platform")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER", "DATA_DIR", "PUBLISHED"))
    }
    paths = [f"{named}", f"{tmp_path}", *filter(None, [os.environ.get("PYTHONPATH")])]
    first, last = place.past(3), place.past(2)
    env = {**kept, "PYTHONPATH": os.pathsep.join(paths), "FROM": f"{first}", "TO": f"{last}"}

    def run(text: str) -> str:
        done = subprocess.run(
            ["bash", "-eu"], input=text, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    for day in (first, last):
        place.simulate(day, hits=600)
    assert place.launch("replay", Window(first, last + ONE_DAY)).success
    return run


def test_a_measure_and_a_model_are_added_as_the_guides_say(type_in: Callable[[str], str]) -> None:
    """An adopter's first edit: every block of both guides works as it stands, the measure is held until it is published, and both
    show figures. Their edits are built in one go, since a build is what takes time."""
    measure, model = blocks("add-a-measure"), blocks("add-a-model")
    *edits, build, publish, ask = measure
    assert len(edits) == 3 and build == "make setup\nmake replay\n" and publish == "make publish\n"
    *files, build_again, ask_model = model
    assert len(files) == 2 and build_again == build
    for edit in (*edits, *files):
        type_in(edit)
    said = type_in(build)
    assert "Held (other code): overview_1d (logged_in_sessions), overview_1h (logged_in_sessions) on" in said
    assert "published" in type_in(publish)
    sessions = [tuple(map(int, row)) for row in re.findall(r"│ +(\d+) │ +(\d+) │\n", type_in(ask))]
    assert sessions and all(0 < logged_in < among for among, logged_in in sessions)
    landed = [
        tuple(map(int, row))
        for row in re.findall(r"│ https?://\S+ +│ +(\d+) │ +(\d+) │ +(\d+) │\n", type_in(ask_model))
    ]
    assert len(landed) == 5
    assert all(bounces < among and bought < among for among, bounces, bought in landed)
