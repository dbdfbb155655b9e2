"""What runs held for a person on Snowflake: published or discarded later, and publications taken back.

What is held stays where it was staged, under its run's token, until none of its dates is held any more.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date

from ingestion_platform.changes import Cell, Decision, Version
from ingestion_platform.resources.proposals import AuditState, PublicationKind
from ingestion_platform.resources.settling import NO_VERSION, chosen_dates, known_audit, not_kept, to_take_back
from ingestion_platform.resources.snowflake import sql
from ingestion_platform.resources.snowflake.history import History
from ingestion_platform.resources.snowflake.publications import SnowflakePublications
from ingestion_platform.resources.snowflake.publishing import Publishing
from ingestion_platform.resources.snowflake.session import Session
from ingestion_platform.resources.snowflake.staged import Staged, on


def publish_held(session: Session, audit_id: str, dates: Collection[date]) -> int | None:
    """See `Warehouse.publish_held`."""
    ledger = SnowflakePublications(session)
    audit = known_audit(ledger, audit_id)
    days = chosen_dates(audit, dates, AuditState.PUBLISHED)
    if not days:
        return None
    changes = [change for change in audit.changes if change.cell.day in days]
    staged = Staged(session, ledger.token_of(audit_id))
    publishing = Publishing(session, staged, changes)
    with session.transaction():
        ledger.lock()
        if not chosen_dates(known_audit(ledger, audit_id), days, AuditState.PUBLISHED):
            return None
        number = publishing.publish(PublicationKind.AUDIT, audit_id)
        held = [change for change in changes if change.decision is Decision.HOLD]
        ledger.approve(audit_id, {(change.cell.model, change.after.code) for change in held})
        ledger.settle(audit_id, days, AuditState.PUBLISHED)
    staged.drop()
    return number


def discard_held(session: Session, audit_id: str, dates: Collection[date]) -> list[date]:
    """See `Warehouse.discard_held`."""
    ledger = SnowflakePublications(session)
    with session.transaction():
        ledger.lock()
        days = chosen_dates(known_audit(ledger, audit_id), dates, AuditState.DISCARDED)
        ledger.settle(audit_id, days, AuditState.DISCARDED)
    Staged(session, ledger.token_of(audit_id)).drop()
    return days


def roll_back(session: Session, number: int) -> int | None:
    """See `Warehouse.roll_back`."""
    ledger = SnowflakePublications(session)
    cells = _kept(ledger, number)
    if not cells:
        return None
    history = History(session, _tables(session, {cell.model for cell in cells}))
    views = ledger.definitions_before(number)
    # DDL commits by itself, so it comes first, as in a publication.
    for statement in (statement for of_view in views.values() for statement in of_view):
        session.execute(statement)
    with session.transaction():
        ledger.lock()
        if not _kept(ledger, number):
            return None
        made = ledger.record(PublicationKind.ROLL_BACK, f"{number}", list(cells))
        for model, relation in history.relations.items():
            days = sorted(cell.day for cell in cells if cell.model == model)
            history.keep(model, days, made)
            session.execute(f"delete from {relation} where {on(days)}", days)
            history.restore(model, days, number)
        ledger.close(cells)
        before = ledger.before(number)
        ledger.record_built(
            {
                # Nothing new has come since: no refresh is to undo this by itself.
                cell: replace(before.get(cell, NO_VERSION), publication=made, load_id=version.load_id)
                for cell, version in cells.items()
            }
        )
        ledger.note_definitions(made, views)
        # Of the code that published the rows, and of one that has built the same since.
        published = ledger.of_publication(number)
        ledger.withdraw({(cell.model, held.code) for cell in cells for held in (cells[cell], published[cell])})
    return made


def _kept(ledger: SnowflakePublications, number: int) -> dict[Cell, Version]:
    """What a roll back would take back. Raises WarehouseError, also where the rows of before are not kept."""
    cells = to_take_back(ledger, number)
    if cells and not ledger.keeps_rows_before(number):
        raise not_kept(number)
    return cells


def _tables(session: Session, models: Collection[str]) -> dict[str, str]:
    """schema.name by model, of those that are tables."""
    return {name: f"{schema}.{name}" for schema, name in session.run("model_tables", sql.as_json(sorted(models)))}
