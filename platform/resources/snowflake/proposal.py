"""A run's proposal on Snowflake: staged in the schema STAGED, published by one transaction that only moves rows.

In: what dbt staged under the proposal's token (dbt_models/macros/proposal.sql says which relations). Out: the models' tables with the
dates replaced, the ledger's marks and a row of RAW.PUBLICATIONS, all visible at once or not at all.

DDL commits by itself on Snowflake, so the transaction holds none: tables, columns and views are defined just before it, empty. Then
publications take the lock of the ledger's writers and hold it until they commit: two of them that replace dates of the same tables take
turns in moving rows, which is short, and never in computing them.

A token begins with the second in which it was made, so that what a killed run left is known by its name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from ingestion_platform.dates import Window
from ingestion_platform.resources.snowflake.ledger import SnowflakeLedger
from ingestion_platform.resources.snowflake.session import Session
from ingestion_platform.resources.warehouse import Proposal, WarehouseError

if TYPE_CHECKING:
    from ingestion_platform.resources.snowflake.warehouse import SnowflakeWarehouse

ABANDONED_AFTER = timedelta(days=1)
"""No run takes that long: what is older belongs to none."""

_STAGED = re.compile(r"\w+__([0-9a-f]{16})(?:_whole)?")


class _Definition(NamedTuple):
    """What a published relation, a `kind` of "table" or "view", needs before rows are moved into it."""

    kind: str
    statements: list[str]


class SnowflakeProposal(Proposal):
    """The dates of `window` that one run builds of `models` (name -> relation, "logs" -> "events.logs"), begun when `base`
    was the newest publication."""

    def __init__(
        self, warehouse: SnowflakeWarehouse, models: Mapping[str, str], window: Window | None, base: int
    ) -> None:
        self._warehouse = warehouse
        self._models = models
        self._window = window
        self._base = base
        self._token = f"{int(datetime.now(UTC).timestamp()):08x}{uuid4().hex[:8]}"
        self._noted = f"staged.definitions__{self._token}"
        self._names = {relation.lower(): name for name, relation in models.items()}
        self._published = re.compile(rf"\b(?:{'|'.join(map(re.escape, self._names))})\b", re.IGNORECASE)

    @property
    def environment(self) -> Mapping[str, str]:
        return {"PROPOSAL_TOKEN": self._token}

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query that names published relations as usual; of the proposal's models it reads what they would become."""
        return self._warehouse.query(self._as_proposed(sql), parameters)

    def reading(self) -> AbstractContextManager[None]:
        return self._warehouse.reading()

    def stale_dates(self, models: Sequence[str], start: date, end: date, first: date = date.min) -> list[date]:
        return self._warehouse.stale_dates(models, start, end, first)

    def publish(self, models: Sequence[str], latest_load_id: int) -> int:
        with self._warehouse.session() as session:
            noted = self._definitions(session)
            if absent := [name for name in models if name not in noted]:
                raise WarehouseError(f"nothing is staged of {', '.join(absent)}: nothing was published")
            for name in sorted(models, key=lambda name: noted[name].kind):
                for statement in noted[name].statements:
                    session.execute(statement)
            columns = self._columns(session)
            ledger = SnowflakeLedger(session)
            with session.transaction():
                ledger.lock()
                if self._window is not None:
                    # What was checked is what is replaced.
                    for name, day in ledger.published_since(self._base, models, self._window):
                        raise WarehouseError(
                            f"another run published {self._models[name]} of {day} meanwhile; run again"
                        )
                    for name in models:
                        if noted[name].kind == "table":
                            self._move(session, name, ", ".join(columns[name]), self._window)
                    ledger.record_build(models, *self._window, latest_load_id)
                return ledger.record_publication(models, self._window)

    def begin(self, session: Session) -> None:
        """Make the table of statements that dbt notes; see the top of dbt_models/macros/proposal.sql."""
        session.execute(
            f"create transient table {self._noted} (kind varchar, model varchar, position number, statement varchar)"
        )

    def discard(self) -> None:
        """Drop what is staged, published or not."""
        with self._warehouse.session() as session:
            _drop(session, lambda token: token == self._token)

    def _as_proposed(self, sql: str) -> str:
        if not self._models:
            return sql
        return self._published.sub(lambda found: f"staged.{self._names[found[0].lower()]}__{self._token}_whole", sql)

    def _definitions(self, session: Session) -> dict[str, _Definition]:
        """What dbt noted, by model."""
        noted: dict[str, _Definition] = {}
        if self._models:
            rows = session.execute(f"select kind, model, statement from {self._noted} order by model, position")
            for kind, model, statement in rows:
                noted.setdefault(model, _Definition(kind, [])).statements.append(statement)
        return noted

    def _columns(self, session: Session) -> dict[str, list[str]]:
        """The columns of what is staged, by model."""
        columns: dict[str, list[str]] = defaultdict(list)
        for relation, column in session.run("staged_columns"):
            model, _, token = relation.lower().rpartition("__")
            if token == self._token:
                columns[model].append(column)
        return columns

    def _move(self, session: Session, name: str, columns: str, window: Window) -> None:
        relation = self._models[name]
        session.execute(f"delete from {relation} where event_date >= ? and event_date < ?", window)
        session.execute(f"insert into {relation} ({columns}) select {columns} from staged.{name}__{self._token}")


def discard_abandoned(session: Session) -> None:
    """Drop what runs left that were killed."""
    oldest = int((datetime.now(UTC) - ABANDONED_AFTER).timestamp())
    _drop(session, lambda token: int(token[:8], 16) < oldest)


def _drop(session: Session, whose: Callable[[str], bool]) -> None:
    for kind, name in session.run("staged_objects"):
        if (staged := _STAGED.fullmatch(name.lower())) and whose(staged[1]):
            session.execute(f"drop {kind} if exists staged.{name}")
