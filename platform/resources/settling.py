"""What a person may do with audits and publications, the same on every warehouse: which dates of an audit can still be settled, and what a
roll back would take back. Each refuses in one line, before anything is changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, Protocol

from ingestion_platform.changes import Cell, Change, Fingerprint, Version
from ingestion_platform.dates import ONE_DAY, Window, listed
from ingestion_platform.resources.proposals import AuditState, HeldAudit, Moved, WarehouseError

UNKNOWN_ENGINE = "unknown"
"""The engine of a fingerprint that nobody made: of what was published before there were any, or of what was taken back."""

NO_VERSION = Version("", "", 0, Fingerprint(0, {}, UNKNOWN_ENGINE))
"""Of a cell that was never published before, or before there were versions."""


class Publications(Protocol):
    """What a warehouse's ledger knows of versions, publications and audits."""

    def audit(self, audit_id: str) -> HeldAudit | None: ...

    def current(self, models: Collection[str], window: Window) -> dict[Cell, Version]:
        """The published versions of these models' dates."""
        ...

    def of_publication(self, number: int) -> dict[Cell, Version]:
        """The versions of the cells that a publication changed."""
        ...

    def models_of(self, number: int) -> list[str] | None:
        """The models of which a publication changed rows, none of one of views only; None where there is no such publication."""
        ...

    def numbers(self, models: Collection[str], window: Window) -> dict[Cell, list[int]]:
        """The publications of which versions of these models' dates are known."""
        ...

    def roll_backs(self) -> dict[int, int]:
        """Which publication took back which."""
        ...


def known_audit(ledger: Publications, audit_id: str) -> HeldAudit:
    """The audit. Raises WarehouseError where there is none of that name."""
    audit = ledger.audit(audit_id)
    if audit is None:
        raise WarehouseError(f"there is no audit {audit_id} (make status lists those that wait)")
    return audit


def chosen_dates(audit: HeldAudit, dates: Collection[date], done: AuditState) -> list[date]:
    """The dates of `dates`, all where none is named, that are held; none where all of them are `done`. Raises where one is neither."""
    if unknown := sorted({*dates} - audit.states.keys()):
        raise WarehouseError(f"audit {audit.audit_id} has nothing on {listed(unknown)}")
    wanted = sorted(dates) or audit.dates(AuditState.HELD) or sorted(audit.states)
    for day in wanted:
        if audit.states[day] not in (AuditState.HELD, done):
            raise WarehouseError(f"audit {audit.audit_id} of {day} was {audit.states[day]}: nothing was changed")
    return [day for day in wanted if audit.states[day] is AuditState.HELD]


def to_take_back(ledger: Publications, number: int) -> dict[Cell, Version]:
    """The current versions of the cells that a publication changed; none where they have been taken back. Raises WarehouseError."""
    made = ledger.of_publication(number)
    if not made:
        models = ledger.models_of(number)
        if models is None:
            raise WarehouseError(f"there is no publication {number} (make status)")
        if not models:
            raise WarehouseError(f"publication {number} changed no rows")
        raise not_kept(number)
    days = [cell.day for cell in made]
    of_cells = {cell.model for cell in made}, Window(min(days), max(days) + ONE_DAY)
    current, numbers, roll_backs = ledger.current(*of_cells), ledger.numbers(*of_cells), ledger.roll_backs()
    cells, later = {}, set()
    for cell in made:
        latest = current[cell].publication
        while latest > number and latest in roll_backs:
            # What was taken back does not count: the cell is again what it was before that.
            latest = max((known for known in numbers[cell] if known < roll_backs[latest]), default=0)
        if latest == number:
            cells[cell] = current[cell]
        elif latest > number:
            later.add(latest)
    if later:
        raise WarehouseError(
            f"publication {max(later)} changed since what publication {number} had changed: roll back {max(later)} first"
        )
    return cells


def not_kept(number: int) -> WarehouseError:
    """What a publication replaced is forgotten."""
    return WarehouseError(
        f"what was before publication {number} is not kept any more (KEEP_VERSIONS_DAYS): replay its dates instead"
    )


def refuse_moved(ledger: Publications, changes: Sequence[Change]) -> None:
    """Raises Moved where a cell is not any more what it was compared with."""
    if not changes:
        return
    days = [change.cell.day for change in changes]
    current = ledger.current({change.cell.model for change in changes}, Window(min(days), max(days) + ONE_DAY))
    moved = [change.cell for change in changes if _publication(current.get(change.cell)) != _publication(change.before)]
    if moved:
        raise Moved(moved)


def _publication(version: Version | None) -> int | None:
    return version.publication if version is not None else None


def stored_version(row: Sequence[Any]) -> Version:
    """A version of code, inputs, load, publication, rows, engine and digests (JSON), as ledgers keep them."""
    code, inputs, load_id, publication, rows, engine, digests = row
    fingerprint = Fingerprint(int(rows or 0), json.loads(digests or "{}"), engine or UNKNOWN_ENGINE)
    return Version(code or "", inputs or "", int(load_id), fingerprint, int(publication or 0))
