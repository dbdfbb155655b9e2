"""What becomes public on Snowflake, of a run or of an audit: DDL first, then one transaction that only moves rows, with its marks.

DDL commits by itself on Snowflake, so the transaction holds none: tables, columns and views are defined just before it, empty. Then
publications take the lock of the ledger's writers and hold it until they commit: two of them take turns in moving rows, which is short,
and never in computing them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from ingestion_platform.changes import Change, Decision
from ingestion_platform.resources.proposals import PublicationKind
from ingestion_platform.resources.settling import refuse_moved
from ingestion_platform.resources.snowflake.history import History
from ingestion_platform.resources.snowflake.publications import SnowflakePublications
from ingestion_platform.resources.snowflake.session import Session
from ingestion_platform.resources.snowflake.staged import Staged, on


class Publishing:
    """The publication of `changes`, whole dates of what is `staged`. Making it defines tables and views as they are to be, before the
    transaction in which `publish` is called. Raises Moved where a cell is not what it was compared with."""

    def __init__(self, session: Session, staged: Staged, changes: Sequence[Change]) -> None:
        self._session = session
        self._ledger = SnowflakePublications(session)
        self._staged = staged
        self._changes = changes
        self._written = [change for change in changes if change.is_difference]
        self._days: dict[str, list[date]] = {}
        for change in self._written:
            if staged.definition(change.cell.model).kind == "table":
                self._days.setdefault(change.cell.model, []).append(change.cell.day)
        refuse_moved(self._ledger, changes)
        if self._written:
            self._define()
        self._columns = {model: ", ".join(staged.columns[model]) for model in self._days}
        replaced = {change.cell.model for change in self._written if change.before is not None}
        relations = {model: staged.definition(model).relation for model in self._days if model in replaced}
        self._history = History(session, relations) if relations else None

    def _define(self) -> None:
        """Views come last, and all of them: one of all columns of a table is refused once the table has gained one."""
        views = [made for made in self._staged.definitions.values() if made.kind == "view"]
        for made in (*(self._staged.definition(model) for model in self._days), *views):
            for statement in made.statements:
                self._session.execute(statement)

    def publish(self, kind: PublicationKind, about: str = "") -> int | None:
        """Within a transaction that has the lock; returns the publication's number, None where no row changes."""
        refuse_moved(self._ledger, self._changes)
        number = None
        if self._written:
            self._ledger.close([change.cell for change in self._written])
            number = self._ledger.record(kind, about, [change.cell for change in self._written])
            for model, days in self._days.items():
                self._move(model, days, number)
            self._ledger.record_built(
                {change.cell: replace(change.after, publication=number) for change in self._written}
            )
            made = {model: self._staged.definition(model) for model in {change.cell.model for change in self._written}}
            self._ledger.note_definitions(
                number, {model: known.statements for model, known in made.items() if known.kind == "view"}
            )
        self._ledger.record_built(
            {
                change.cell: replace(change.after, publication=change.before.publication)
                for change in self._changes
                if change.decision is Decision.UNCHANGED and change.before is not None
            }
        )
        return number

    def _move(self, model: str, days: Sequence[date], number: int) -> None:
        relation, columns = self._staged.definition(model).relation, self._columns[model]
        if self._history is not None and model in self._history.relations:
            self._history.keep(model, days, number)
        self._session.execute(f"delete from {relation} where {on(days)}", days)
        self._session.execute(
            f"insert into {relation} ({columns}) select {columns} from {self._staged.table(model)} where {on(days)}",
            days,
        )
