"""A run's proposal on Snowflake: staged in the schema STAGED, compared by fingerprints, published by one transaction that only moves rows.

In: what dbt staged under the proposal's token (dbt_models/macros/proposal.sql says which relations). Out: the models' tables with the
changed dates replaced, the ledger's marks and a row of RAW.PUBLICATIONS, all visible at once or not at all; or an audit that holds them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ingestion_platform.changes import Cell, Change, Fingerprint, Version
from ingestion_platform.dates import Window
from ingestion_platform.resources.proposals import Proposal, PublicationKind
from ingestion_platform.resources.snowflake.fingerprints import ENGINE, published_fingerprints, staged_fingerprints
from ingestion_platform.resources.snowflake.publications import SnowflakePublications
from ingestion_platform.resources.snowflake.publishing import Publishing
from ingestion_platform.resources.snowflake.session import Session
from ingestion_platform.resources.snowflake.staged import Staged, columns_of, new_token

if TYPE_CHECKING:
    from ingestion_platform.resources.snowflake.warehouse import SnowflakeWarehouse


class SnowflakeProposal(Proposal):
    """The dates of `window` that one run builds of `models` (name -> relation, "logs" -> "events.logs")."""

    def __init__(self, warehouse: SnowflakeWarehouse, models: Mapping[str, str], window: Window | None) -> None:
        self._warehouse = warehouse
        self._models = models
        self._window = window
        self._token = new_token()
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

    def fingerprints(self) -> dict[Cell, Fingerprint]:
        if self._window is None or not self._models:
            return {}
        with self._warehouse.session() as session:
            return staged_fingerprints(Staged(session, self._token), self._models, self._window.days)

    def published(self, unique_keys: Mapping[str, Sequence[str]]) -> dict[Cell, Version]:
        if self._window is None:
            return {}
        with self._warehouse.session() as session:
            versions = SnowflakePublications(session).current(self._models, self._window)
            staged = Staged(session, self._token)
            for model, relation in self._models.items():
                # What was published before there were fingerprints, or taken back.
                others = [c.day for c, v in versions.items() if c.model == model and v.fingerprint.engine != ENGINE]
                if others and staged.definition(model).kind == "table":
                    held, columns = columns_of(session, [relation])[relation], staged.columns[model]
                    made = published_fingerprints(
                        session,
                        relation,
                        unique_keys[model],
                        [name for name in columns if name in held],
                        [name for name in held if name not in columns],
                        others,
                    )
                    for day in others:
                        versions[Cell(model, day)] = replace(versions[Cell(model, day)], fingerprint=made[day])
        return versions

    def published_relation(self, relation: str) -> str:
        # In quotes, it is not taken for what the proposal stages under that name.
        return ".".join(f'"{part.upper()}"' for part in relation.split("."))

    def publish(self, changes: Sequence[Change]) -> int | None:
        with self._warehouse.session() as session:
            ledger = SnowflakePublications(session)
            publishing = Publishing(session, Staged(session, self._token), changes)
            with session.transaction():
                ledger.lock()
                if self._window is None:
                    # Of views that dbt has written; there are no rows of theirs to move.
                    return ledger.record(PublicationKind.RUN, "", [])
                number = publishing.publish(PublicationKind.RUN)
                ledger.supersede({change.cell.day for change in changes})
        return number

    def hold(self, changes: Sequence[Change]) -> str:
        audit_id = uuid4().hex[:8]
        with self._warehouse.session() as session, session.transaction():
            ledger = SnowflakePublications(session)
            ledger.lock()
            ledger.hold(audit_id, self._token, changes)
        return audit_id

    def begin(self, session: Session) -> None:
        """Make the tables of what dbt notes; see the top of dbt_models/macros/proposal.sql."""
        Staged(session, self._token).begin()

    def discard(self) -> None:
        """Drop what is staged, published or not, unless it is held."""
        with self._warehouse.session() as session:
            Staged(session, self._token).drop()

    def _as_proposed(self, sql: str) -> str:
        if not self._models:
            return sql
        return self._published.sub(lambda found: f"staged.{self._names[found[0].lower()]}__{self._token}_whole", sql)
