"""What the UI says of dbt's nodes: a model's SQL as the warehouse runs it, a test's name and what it checks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

# A page with more of it takes seconds to draw; the model's file and the macros behind it are a link away.
MOST_SQL = 12_000

_WORDS = {"<=": "at_most", ">=": "at_least", "<>": "is_not", "!=": "is_not", "=": "is", "<": "below", ">": "above"}


def description(node: Mapping[str, Any]) -> str:
    """A model's description with its compiled SQL: what most of them have of their own is the call of a macro."""
    told = node.get("description") or f"dbt {node['resource_type']} {node['name']}"
    # Compiling for a laptop knows of no database but one in memory.
    sql = (node.get("compiled_code") or "").replace('"memory".', "")
    compiled = "\n".join(line.rstrip() for line in sql.splitlines() if line.strip())
    if not compiled:
        return told
    shown, rest = compiled[:MOST_SQL], len(compiled) - MOST_SQL
    more = f"\n\n{rest:,} more characters: `{node['original_file_path']}`, compiled." if rest > 0 else ""
    return f"{told}\n\n#### SQL\n\n```sql\n{shown}\n```{more}"


def check_names(manifest: Mapping[str, Any]) -> dict[str, str]:
    """A short name for each dbt test that the others of its model have not, by unique id. dbt's own names repeat the model, which the check
    stands on, and all arguments, which the description has."""
    tests = {node["unique_id"]: node for node in manifest["nodes"].values() if node["resource_type"] == "test"}
    short = {unique_id: _short_name(node) for unique_id, node in tests.items()}
    taken = Counter((tests[unique_id].get("attached_node"), name) for unique_id, name in short.items())
    return {
        unique_id: name if taken[node.get("attached_node"), name] == 1 else node["name"]
        for (unique_id, name), node in zip(short.items(), tests.values(), strict=True)
    }


def _short_name(test: Mapping[str, Any]) -> str:
    if not (called := test.get("test_metadata")):
        return str(test["name"])
    given = called.get("kwargs", {})
    if expression := given.get("expression"):
        words = re.findall(r"\w+|[<>=!]+", str(expression))
        return "_".join(_WORDS.get(word, word.removeprefix("count_")) for word in words)
    if column := given.get("column_name"):
        return f"{called['name']}_{column}"
    return str(called["name"]).removesuffix("_of_columns")


def check_description(test: Mapping[str, Any]) -> str:
    """What a test checks, at length: what it is called and given, and dbt's name of it."""
    if not (called := test.get("test_metadata")):
        return f"dbt test `{test['name']}`"
    given = {name: value for name, value in called.get("kwargs", {}).items() if name != "model"}
    arguments = "; ".join(f"{name.replace('_', ' ')}: {_shown(value)}" for name, value in given.items())
    return f"{called['name'].replace('_', ' ')}{f' ({arguments})' if arguments else ''}. dbt test `{test['name']}`"


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
