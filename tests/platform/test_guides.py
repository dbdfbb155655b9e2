"""What adopters are given, used as they would: the guides' blocks are typed in a checkout of their own, the notebook's cells run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestion_platform.dates import Window
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


@pytest.fixture(scope="module")
def built(shared_place: Any) -> Any:
    """A platform with three dates of traffic, published."""
    window = Window(shared_place.past(4), shared_place.past(1))
    for day in window.days:
        shared_place.simulate(day, hits=2500)
    assert shared_place.launch("replay", window).success
    return shared_place


@pytest.fixture
def type_in(built: Any) -> Callable[[str], str]:
    """Types into a terminal in a copy of the checkout, beside the data of `built`; gives what was answered.

    The copy's programs run, not the checkout's: they come first on the path, and its .venv is that of the tests, with a stamp of its own, so that
    nothing is installed into theirs.
    """
    checkout = built.settings.data_dir.parent
    made = shutil.ignore_patterns("target", "logs", "__pycache__")
    for part in PARTS:
        source = PROJECT_DIR / part
        (shutil.copytree(source, checkout / part, ignore=made) if source.is_dir() else shutil.copy2(source, checkout))
    venv = checkout / ".venv"
    venv.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if not entry.name.startswith("."):
            (venv / entry.name).symlink_to(entry)
    (venv / ".runtime").touch()
    named = checkout / "named"
    named.mkdir()
    (named / "ingestion_platform").symlink_to(checkout / "platform")
    ours = ("DAGSTER", "DATA_DIR", "PUBLISHED")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    paths = [f"{named}", f"{checkout}", *filter(None, [os.environ.get("PYTHONPATH")])]
    dates = {"FROM": f"{built.past(3)}", "TO": f"{built.past(2)}"}
    env = {**kept, "PYTHONPATH": os.pathsep.join(paths), **dates}

    def run(text: str) -> str:
        done = subprocess.run(
            ["bash", "-eu"], input=text, env=env, cwd=checkout, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

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


NOTEBOOK = PROJECT_DIR / "docs" / "examples" / "channels.ipynb"

# What Jupyter does with the cells of a notebook: one namespace, and what a cell ends with is shown.
_RUN_CELLS = """
import ast, json, sys
names = {}
for cell in json.load(open(sys.argv[1]))["cells"]:
    if cell["cell_type"] == "code":
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, cell["id"], "exec"), names)
        if last is not None:
            shown = eval(compile(ast.Expression(last.value), cell["id"], "eval"), names)
            assert shown is None or shown._repr_html_()
print(json.dumps({"best": names["best"], "rows": names["revenue"].values.tolist(), "days": names["days"].height}))
"""


def test_the_notebook_says_which_channel_brought_most(built: Any, interpreter: Path) -> None:
    """The example ran once, on its author's machine, and a renamed column broke it: its cells run on a warehouse of today, with pandas,
    Polars and an older DuckDB, and find what the purchases say of their sessions' channels."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell for cell in cells if cell["outputs"] or cell["execution_count"]] == [], (
        "somebody's figures are committed"
    )
    done = subprocess.run(
        [interpreter, "-c", _RUN_CELLS, NOTEBOOK],
        env={"PATH": os.environ["PATH"], "DATA_DIR": f"{built.settings.data_dir}"},
        cwd=NOTEBOOK.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    wanted = built.rows(
        """
        select s.channel, p.currency_code, cast(sum(p.transaction_revenue) as double)
        from events.purchases as p join events.sessions as s on p.session_id = s.session_id and p.tracking_id = s.tracking_id
        where not p.is_bot and s.event_date < (select max(event_date) from stats.overview_1d where hits > 0)
        group by all order by all
        """
    )
    assert wanted
    assert sorted(map(tuple, said["rows"])) == [(channel, code, pytest.approx(sum_)) for channel, code, sum_ in wanted]
    for code in {row[1] for row in wanted}:
        channel, amount = max(((row[0], row[2]) for row in wanted if row[1] == code), key=lambda row: row[1])
        assert said["best"][code][:2] == [channel, pytest.approx(amount)]
    assert (
        said["days"]
        == built.rows("select count(*) from stats.revenue_1d where tracking_id = '(all)' and transactions > 0")[0][0]
    )
