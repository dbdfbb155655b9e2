"""A small reader of compose.yaml: what `docker compose` would start, as plain values.

It knows exactly the keys and forms that deploy/compose.yaml uses and refuses any other, so that nothing stands in that file which
the container tests pass over in silence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_REFERENCE = re.compile(r"\$\{(?P<name>[A-Z][A-Z0-9_]*)(?::(?P<how>[?-])(?P<default>[^}]*))?\}")
# `build`, `restart` and `ports` are Docker's own business.
_KNOWN = {
    "build", "image", "restart", "ports", "environment", "volumes", "secrets", "command", "user", "tmpfs", "read_only",
    "cap_drop", "security_opt", "stop_signal", "healthcheck", "depends_on",
}  # fmt: skip


@dataclass(frozen=True)
class Service:
    """One service. `mounts` and `secrets` map a path in the container to a named volume, or to a path of the host."""

    name: str
    image: str
    user: str | None
    command: list[str] | None
    environment: dict[str, str]
    mounts: dict[str, str]
    secrets: dict[str, Path]
    tmpfs: list[str]
    read_only: bool
    drops_all_capabilities: bool
    no_new_privileges: bool
    stop_signal: str
    health: list[str] | None
    waits_for: dict[str, str]


def references(text: str) -> dict[str, str]:
    """The variables that the text of a compose file refers to, and whether each is demanded ("?"), has a default ("-"), or neither."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found = {match["name"]: match["how"] or "" for match in _REFERENCE.finditer("\n".join(lines))}
    for values in _environments(yaml.safe_load(text)):
        found |= {name: "-" for name, value in values.items() if value is None}
    return found


def read(path: Path, variables: Mapping[str, str]) -> dict[str, Service]:
    """The services, in the file's order. Raises ValueError for what is missing in `variables` or unknown to this reader."""
    whole = yaml.safe_load(path.read_text())
    filled = _filled(whole, variables)
    files = {name: Path(secret["file"]) for name, secret in filled.get("secrets", {}).items()}
    return {name: _service(name, given, files, variables) for name, given in filled["services"].items()}


def _environments(whole: Any) -> list[Mapping[str, Any]]:
    return [service.get("environment", {}) for service in whole["services"].values()]


def _filled(part: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {key: _filled(value, variables) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, variables) for value in part]
    if not isinstance(part, str):
        return part

    def value(match: re.Match[str]) -> str:
        given = variables.get(match["name"], "")
        if not given and match["how"] == "?":
            raise ValueError(f"{match['name']} is required and not set")
        return given or (match["default"] or "")

    return _REFERENCE.sub(value, part)


def _service(name: str, given: Mapping[str, Any], files: Mapping[str, Path], variables: Mapping[str, str]) -> Service:
    unknown = set(given) - _KNOWN
    if unknown:
        raise ValueError(f"the tests' reader of compose.yaml does not know {sorted(unknown)} of {name}")
    asked = {key: variables.get(key) if value is None else f"{value}" for key, value in given["environment"].items()}
    health = given.get("healthcheck", {}).get("test")
    mounts = {target: source for source, target in (entry.split(":") for entry in given.get("volumes", []))}
    return Service(
        name=name,
        image=given["image"],
        user=given.get("user"),
        command=given.get("command"),
        environment={key: value for key, value in asked.items() if value is not None},
        mounts=mounts,
        secrets={f"/run/secrets/{secret}": files[secret] for secret in given.get("secrets", [])},
        tmpfs=given.get("tmpfs", []),
        read_only=given.get("read_only", False),
        drops_all_capabilities=given.get("cap_drop") == ["ALL"],
        no_new_privileges="no-new-privileges:true" in given.get("security_opt", []),
        stop_signal=given.get("stop_signal", "SIGTERM"),
        health=_command(health) if health else None,
        waits_for={other: how["condition"] for other, how in given.get("depends_on", {}).items()},
    )


def _command(test: list[str]) -> list[str]:
    kind, *rest = test
    return ["/bin/sh", "-c", *rest] if kind == "CMD-SHELL" else rest
