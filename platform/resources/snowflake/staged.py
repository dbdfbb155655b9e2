"""What stands in the schema STAGED under one token: a run's rows, and what dbt noted about them (dbt_models/macros/proposal.sql).

A token begins with the second in which it was made, so that what a killed run left is known by its name. What waits for a person keeps
its tables, however old, as long as the ledger says so.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import NamedTuple
from uuid import uuid4

from ingestion_platform.resources.proposals import WarehouseError
from ingestion_platform.resources.snowflake import sql
from ingestion_platform.resources.snowflake.publications import SnowflakePublications
from ingestion_platform.resources.snowflake.session import Session

ABANDONED_AFTER = timedelta(days=1)
"""No run takes that long: what is older belongs to none."""

_STAGED = re.compile(r"\w+__([0-9a-f]{16})(?:_whole)?")
_NOTED = {
    "definitions": "kind varchar, model varchar, relation varchar, position number, statement varchar",
    "fingerprints": "model varchar, event_date date, row_count number, digests varchar",
}


@dataclass
class Definition:
    """What a published relation, a `kind` of "table" or "view", needs before rows are moved into it."""

    kind: str
    relation: str
    statements: list[str] = field(default_factory=list)


class Noted(NamedTuple):
    """One fingerprint as dbt notes it; a view has neither date nor rows."""

    model: str
    day: date | None
    rows: int
    digests: str


def new_token() -> str:
    """A token that no other run has."""
    return f"{int(datetime.now(UTC).timestamp()):08x}{uuid4().hex[:8]}"


class Staged:
    """What is staged under `token`, read over a session."""

    def __init__(self, session: Session, token: str) -> None:
        self._session = session
        self._token = token

    def begin(self) -> None:
        """Make the tables of what dbt notes."""
        for name, columns in _NOTED.items():
            self._session.execute(f"create transient table staged.{name}__{self._token} ({columns})")

    def table(self, model: str) -> str:
        """The table of a model's rows."""
        return f"staged.{model}__{self._token}"

    def definition(self, model: str) -> Definition:
        """Of one model. Raises WarehouseError where nothing is staged of it."""
        if model not in self.definitions:
            raise WarehouseError(f"nothing is staged of {model}: nothing was published")
        return self.definitions[model]

    @cached_property
    def definitions(self) -> dict[str, Definition]:
        """What dbt noted, by model."""
        noted: dict[str, Definition] = {}
        rows = self._session.execute(
            f"select kind, model, relation, statement from staged.definitions__{self._token} order by model, position"
        )
        for kind, model, relation, statement in rows:
            noted.setdefault(model, Definition(kind, relation.lower())).statements.append(statement)
        return noted

    @cached_property
    def columns(self) -> dict[str, list[str]]:
        """The columns of what is staged, by model."""
        tables = {self.table(model): model for model, made in self.definitions.items() if made.kind == "table"}
        columns = columns_of(self._session, tables)
        return {model: list(columns[table]) for table, model in tables.items()}

    def fingerprints(self) -> list[Noted]:
        rows = self._session.execute(
            f"select model, event_date, row_count, digests from staged.fingerprints__{self._token}"
        )
        return [Noted(model, day, int(count or 0), digests) for model, day, count, digests in rows]

    def drop(self) -> None:
        """Drop all of it, unless some of it waits for a person."""
        _drop(self._session, lambda token: token == self._token)


_TYPES = {"TEXT": "varchar"}


def columns_of(session: Session, relations: Collection[str]) -> dict[str, dict[str, str]]:
    """Columns and their types, in order, of those of `relations` (schema.name) that are tables."""
    columns: dict[str, dict[str, str]] = defaultdict(dict)
    names = sql.as_json(sorted({relation.partition(".")[2] for relation in relations}))
    for relation, column, kind, precision, scale in session.run("columns_of", names):
        if relation in relations:
            columns[relation][column] = f"number({precision}, {scale})" if kind == "NUMBER" else _TYPES.get(kind, kind)
    return columns


def on(days: Sequence[date]) -> str:
    """The rows of these dates, which are bound: constants, so that Snowflake prunes by them."""
    return f"event_date in ({', '.join('?' * len(days))})"


def drop_abandoned(session: Session) -> None:
    """Drop what runs left that were killed."""
    oldest = int((datetime.now(UTC) - ABANDONED_AFTER).timestamp())
    _drop(session, lambda token: int(token[:8], 16) < oldest)


def _drop(session: Session, whose: Callable[[str], bool]) -> None:
    kept: set[str] | None = None
    for kind, name in session.run("staged_objects"):
        if (staged := _STAGED.fullmatch(name.lower())) and whose(staged[1]):
            if kept is None:
                kept = SnowflakePublications(session).held_tokens()
            if staged[1] not in kept:
                session.execute(f"drop {kind} if exists staged.{name}")
