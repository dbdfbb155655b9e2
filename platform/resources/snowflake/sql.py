"""The SQL of the Snowflake warehouse's raw layer, read from the files beside it.

tables.sql        what RAW and EVENTS.USER_AGENTS consist of; infra/ reads it and declares two of the tables
copy_logs.sql     the COPY; infra/ reads it, and its pipe runs the same SELECT
ledger.sql        what ledger.py runs, each statement under its name
load.sql          the same for load.py
publication.sql   the same for what is staged and published (staged.py, publications.py, held.py)
versions.sql      the same for what was built, and versions (publications.py)
audits.sql        the same for what is held, and approvals (publications.py)
user_agents.sql   the same for user_agents.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from collector.archive_keys import DATA_PREFIX, parse_key

_FOLDER = Path(__file__).parent
# What COPY's FILES takes at most.
FILES_PER_COPY = 1000


@cache
def tables() -> dict[str, str]:
    """CREATE TABLE statements by table ("raw.logs"), in the order of the file."""
    statements = _without_comments((_FOLDER / "tables.sql").read_text()).split(";")
    matches = (re.match(r"\s*create table if not exists (\S+)", statement) for statement in statements)
    return {match[1]: match.string.strip() for match in matches if match}


@cache
def additions() -> dict[tuple[str, str], str]:
    """ALTER TABLE statements by table and column, for what a table from before lacks."""
    text = _without_comments((_FOLDER / "tables.sql").read_text())
    found = re.finditer(r"alter table (\S+) add column if not exists (\S+) [^;]+", text)
    return {(match[1], match[2]): match[0] for match in found}


@cache
def statements() -> dict[str, str]:
    """The named statements of all files, by name."""
    names = ("ledger", "load", "publication", "versions", "audits", "user_agents")
    files = "".join((_FOLDER / f"{name}.sql").read_text() for name in names)
    parts = re.split(r"^-- name: (\w+)$", files, flags=re.M)[1:]
    return {
        name: _without_comments(text).strip().rstrip(";") for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def copy_logs(keys: Sequence[str]) -> str:
    """The COPY of these archive objects, at most FILES_PER_COPY."""
    for key in keys:
        # FILES takes no bound values; the layout has neither quotes nor backslashes.
        if parse_key(key) is None:
            raise ValueError(f"not an archive key: {key}")
    files = ", ".join(f"'{key.removeprefix(DATA_PREFIX)}'" for key in keys)
    return _copy_template().replace(":files", files)


@cache
def _copy_template() -> str:
    return _without_comments((_FOLDER / "copy_logs.sql").read_text()).strip()


def _without_comments(text: str) -> str:
    return re.sub(r"^--.*\n", "", text, flags=re.M)


def as_json(values: Iterable[Any]) -> str:
    """A list as the one JSON text that a statement unfolds; dates and times as ISO text."""
    return json.dumps(list(values), default=str)
