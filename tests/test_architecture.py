"""docs/architecture.md names what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMES = re.findall(r"`([^`\n]+)`", PAGE)
FOLDERS = ("collector/", "simulations/", "platform/", "dbt_models/", "infra/", "deploy/", "tests/")
PYTHON_ASSETS = {"raw/logs", "archive/events", "events/user_agents", "published/overview"}


def test_every_path_is_there() -> None:
    """A page that leads to a file of last year is worse than none."""
    paths = [name for name in NAMES if name.startswith(FOLDERS)]
    assert len(paths) > 40
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_name_stands_in_the_file_beside_it() -> None:
    """Where the page says in which function, class or constant something is decided, it is there."""
    pairs = re.findall(r"`([\w/]+\.(?:py|sql))`, `(\w+)`", PAGE)
    assert len(pairs) > 10
    for path, name in pairs:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"\b(?:def|class|macro) {name}\b|^{name}\b.* = ", text, re.M), (path, name)


def test_what_turns_a_rule_is_a_setting_or_a_var() -> None:
    """The third column of "Where is it decided": a variable of the environment, or a var of dbt."""
    table = PAGE.split("## Where is it decided …")[1].split("\n## ")[0]
    cells = re.findall(r"^\|[^|]+\|[^|]+\|([^|]+)\|$", table, re.M)
    turned = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    settings = "".join((ROOT / folder / "settings.py").read_text() for folder in ("collector", "platform"))
    variables = (ROOT / "dbt_models" / "dbt_project.yml").read_text()
    assert len(turned) > 8
    for name in turned:
        assert re.search(rf'"{name}"' if name.isupper() else rf"^  {name}: ", settings + variables, re.M), name


def test_every_asset_key_is_one() -> None:
    """The keys are those of the code location: dbt's models, and the assets in Python."""
    manifest = json.loads((ROOT / "dbt_models" / "target" / "manifest.json").read_bytes())
    models = {
        f"{node['schema']}/{node['name']}" for node in manifest["nodes"].values() if node["resource_type"] == "model"
    }
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "platform" / "assets").rglob("*.py"))
    for key in PYTHON_ASSETS:
        assert re.search(rf'AssetKey\(\["{key.split("/")[0]}", "{key.split("/")[1]}"\]\)', text), key
    keys = [name for name in NAMES if re.fullmatch(r"(?:raw|archive|events|events_live|stats|published)/\w+", name)]
    assert len(keys) > 12
    assert [key for key in keys if key not in models | PYTHON_ASSETS] == []
