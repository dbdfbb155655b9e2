"""Earlier rows on Snowflake: what a publication replaces is copied, in its own transaction, so that it can be taken back.

Each model that was ever replaced has a table STAGED.<MODEL>__HISTORY: the columns of the published table, and the number of the
publication that replaced the row. Time travel would need no copy, but it knows moments and no publications, a statement that reads a
table as it was does not see what DDL did to it since, and transient tables keep one day at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from ingestion_platform.resources.snowflake.publications import SnowflakePublications
from ingestion_platform.resources.snowflake.session import Session
from ingestion_platform.resources.snowflake.staged import columns_of, on

_SUFFIX = "__history"


class History:
    """The history tables of published `relations` (schema.name by model), made and widened where they lack something: DDL."""

    def __init__(self, session: Session, relations: Mapping[str, str]) -> None:
        self._session = session
        known = columns_of(session, [*relations.values(), *map(_table, relations)])
        self.relations = {model: relation for model, relation in relations.items() if relation in known}
        self._columns = {model: ", ".join(known[relation]) for model, relation in self.relations.items()}
        for model, relation in self.relations.items():
            held, wanted = known.get(_table(model), {}), known[relation]
            if not held:
                columns = ", ".join(f"{name} {kind}" for name, kind in wanted.items())
                session.execute(
                    f"create transient table if not exists {_table(model)} (publication_id number, {columns})"
                )
            for name in wanted if held else ():
                if name not in held:
                    session.execute(f"alter table {_table(model)} add column if not exists {name} {wanted[name]}")

    def keep(self, model: str, days: Sequence[date], number: int) -> None:
        """Copy what is published of these dates, which publication `number` is about to replace."""
        columns = self._columns[model]
        self._session.execute(
            f"insert into {_table(model)} (publication_id, {columns}) select cast(? as number), {columns} "
            f"from {self.relations[model]} where {on(days)}",
            [number, *days],
        )

    def restore(self, model: str, days: Sequence[date], number: int) -> None:
        """Publish again what publication `number` had replaced on these dates, of which nothing is published now."""
        columns = self._columns[model]
        self._session.execute(
            f"insert into {self.relations[model]} ({columns}) select {columns} from {_table(model)} "
            f"where publication_id = ? and {on(days)}",
            [number, *days],
        )


def drop_before(session: Session, moment: datetime) -> None:
    """Forget what publications before `moment` had replaced, with their versions, and audits from before it that were settled."""
    ledger = SnowflakePublications(session)
    newest = ledger.newest_before(moment)
    if not newest:
        return
    tables = [f"staged.{name}" for kind, name in session.run("staged_objects") if kind == "table" and _is_history(name)]
    with session.transaction():
        ledger.lock()
        for table in tables:
            session.execute(f"delete from {table} where publication_id <= ?", [newest])
        ledger.note_rows_dropped(newest)
        ledger.forget(moment)


def _table(model: str) -> str:
    return f"staged.{model}{_SUFFIX}"


def _is_history(name: str) -> bool:
    return name.lower().endswith(_SUFFIX)
