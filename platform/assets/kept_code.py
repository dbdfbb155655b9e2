"""The SQL of models by code version, kept so that a later audit can show what changed: DATA_DIR/reports/code/<model>/<version>.sql.

A model's code version covers all that it is made from, and its own compiled SQL has only those ancestors that are ephemeral. So a file
begins with a line of the versions of the others that it reads, and they have files of their own: what changed is found by going up from
version to version, wherever it is. A file is written once; what it would say is what its name is a digest of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path
from typing import Any, NamedTuple

from collector.durable import make_folder, staged
from ingestion_platform.assets.keys import USER_AGENTS
from ingestion_platform.assets.manifest import Models
from ingestion_platform.code_versions import normalized
from ingestion_platform.user_agents import PARSER_VERSION

PARSER = "parser of user agents"

_FIRST_LINE = "-- made from: "
_VERSION = re.compile(r"[0-9a-f]{1,64}")


class Code(NamedTuple):
    """One model's own compiled SQL, and the code versions of what it reads, by name."""

    sql: str
    parents: Mapping[str, str]


class CodeChange(NamedTuple):
    """What became of one model's code since the version `old`: lines of a unified diff; None where the old text is not known.

    The parser of user agents has no text: its lines are the two versions.
    """

    name: str
    old: str
    new: str
    lines: tuple[str, ...] | None


def remember_code(folder: Path, models: Models, names: Iterable[str]) -> None:
    """Keep the code that these models, and all that they are made from, have now, where it is not kept yet."""
    for name, (version, code) in _with_ancestors(models, names).items():
        path = _path(folder, name, version)
        if not path.exists():
            make_folder(path.parent)
            with staged(path) as file:
                file.write(f"{_FIRST_LINE}{json.dumps(code.parents, sort_keys=True)}\n{code.sql}\n".encode())
                file.appear(replace=False)


def code_changes(folder: Path, models: Models, published: Mapping[str, Iterable[str]]) -> dict[str, list[CodeChange]]:
    """By model, what changed since the code versions from which its dates were `published`: in its own SQL, or further up."""
    search = _Search(folder, _with_ancestors(models, published))
    return {
        name: list(dict.fromkeys(change for old in sorted({*olds}) for change in search.since(name, old)))
        for name, olds in published.items()
    }


@dataclass
class _Search:
    """One look for what changed, from the models of today up to what they are made from."""

    folder: Path
    today: Mapping[str, tuple[str, Code]]
    found: dict[tuple[str, str], list[CodeChange]] = field(default_factory=dict)

    def since(self, name: str, old: str) -> list[CodeChange]:
        if (name, old) not in self.found:
            self.found[name, old] = list(self._since(name, old))
        return self.found[name, old]

    def _since(self, name: str, old: str) -> Iterator[CodeChange]:
        if name == PARSER:
            yield CodeChange(name, old, PARSER_VERSION, (f"-{old}", f"+{PARSER_VERSION}"))
            return
        version, now = self.today[name]
        before = _kept(self.folder, name, old)
        if version == old:
            return
        if before is None:
            yield CodeChange(name, old, version, None)
            return
        if normalized(before.sql) != normalized(now.sql):
            yield CodeChange(name, old, version, _diff(name, old, version, before.sql, now.sql))
        for parent, of_parent in before.parents.items():
            # A parent that is read no more, or only now, shows in the model's own SQL.
            if now.parents.get(parent, of_parent) != of_parent:
                yield from self.since(parent, of_parent)


def _diff(name: str, old: str, new: str, before: str, after: str) -> tuple[str, ...]:
    lines = unified_diff(before.splitlines(), after.splitlines(), f"{name} {old}", f"{name} {new}", lineterm="")
    return tuple(lines)


def _with_ancestors(models: Models, names: Iterable[str]) -> dict[str, tuple[str, Code]]:
    """Code version and code as they are now, of these models and all that they are made from, by name."""
    nodes = models.manifest["nodes"]
    by_name = {node["name"]: node for node in nodes.values() if node["resource_type"] == "model"}
    found: dict[str, tuple[str, Code]] = {}
    waiting = [name for name in names if name in by_name]
    while waiting:
        name = waiting.pop()
        if name not in found:
            node = by_name[name]
            parents = {parent: _version(models, by_name.get(parent)) for parent in _parents(models, node)}
            found[name] = _version(models, node), Code((node.get("compiled_code") or "").strip("\n"), parents)
            waiting += [parent for parent in parents if parent in by_name]
    return found


def _version(models: Models, node: Mapping[str, Any] | None) -> str:
    return PARSER_VERSION if node is None else str(models.translator.get_code_version(node))


def _parents(models: Models, node: Mapping[str, Any]) -> Iterator[str]:
    """The names of what a model reads by name, through those whose SQL is part of its own."""
    for unique_id in node.get("depends_on", {}).get("nodes", []):
        parent = models.manifest["nodes"].get(unique_id)
        if parent is None:
            if unique_id.endswith(f".{USER_AGENTS.path[-1]}"):
                yield PARSER
        elif parent["config"]["materialized"] == "ephemeral" and unique_id not in models.staging:
            yield from _parents(models, parent)
        else:
            yield parent["name"]


def _path(folder: Path, name: str, version: str) -> Path:
    return folder / "code" / name / f"{version}.sql"


def _kept(folder: Path, name: str, version: str) -> Code | None:
    # The ledger's versions: of what was published before there were any, this is empty.
    if not _VERSION.fullmatch(version):
        return None
    try:
        first, _, sql = _path(folder, name, version).read_text(encoding="utf-8").partition("\n")
        return Code(sql.strip("\n"), json.loads(first.removeprefix(_FIRST_LINE)))
    except (OSError, ValueError):
        return None
