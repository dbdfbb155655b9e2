"""What runs hold for a person, and what a person said of it, in the catalog's file: audits by date, approvals of code."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any

from ingestion_platform.changes import Cell, Change, Decision, Fingerprint, Reason, Version
from ingestion_platform.resources.proposals import AuditState, HeldAudit
from ingestion_platform.resources.settling import stored_version

_AUDITS = """
    select a.*, v.code_version, v.inputs, v.load_id, v.row_count, v.engine, v.digests
    from clickstream_audits as a
    left join clickstream_versions as v
      on v.model = a.model and v.event_date = a.event_date and v.publication_id = a.before_publication
    where a.audit_id in ({which})
    order by a.created_at desc, a.audit_id, a.event_date, a.model
"""


_FORGET_SETTLED = """
    delete from clickstream_audits
    where audit_id in (
        select audit_id from clickstream_audits group by audit_id having not max(state = ?) and max(created_at) < ?
    )
"""


class LakeAudits:
    """Over an open transaction of the catalog."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def hold(self, audit_id: str, changes: Sequence[Change], views: Mapping[str, str]) -> None:
        """Note an audit that holds `changes`, and `views`; what held one of their dates before is superseded there."""
        self.supersede({change.cell.day for change in changes})
        # What it was compared with may be older than versions are.
        self._connection.executemany(
            "insert or ignore into clickstream_versions values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (known.before.publication, known.cell.model, f"{known.cell.day}", *version_columns(known.before))
                for known in changes
                if known.before is not None
            ],
        )
        at = now()
        self._connection.executemany(
            "insert into clickstream_audit_views values (?, ?, ?)",
            [(audit_id, name, sql) for name, sql in views.items()],
        )
        self._connection.executemany(
            "insert into clickstream_audits values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    audit_id,
                    at,
                    f"{change.cell.day}",
                    change.cell.model,
                    AuditState.HELD,
                    change.reason,
                    change.decision,
                    json.dumps(change.columns),
                    *version_columns(change.after),
                    change.before.publication if change.before is not None else None,
                )
                for change in changes
            ],
        )

    def supersede(self, days: Collection[date]) -> None:
        """Whatever is held of these dates is not what one would publish any more: a later run has built them."""
        self._connection.executemany(
            "update clickstream_audits set state = ? where event_date = ? and state = ?",
            [(AuditState.SUPERSEDED, f"{day}", AuditState.HELD) for day in days],
        )

    def settle(self, audit_id: str, days: Iterable[date], state: AuditState) -> None:
        """Note what became of these dates of an audit."""
        self._connection.executemany(
            "update clickstream_audits set state = ? where audit_id = ? and event_date = ?",
            [(state, audit_id, f"{day}") for day in days],
        )

    def forget_settled(self, before: datetime) -> int:
        """Forget audits from before that moment of which nothing is held; returns how many rows that were."""
        forgotten = self._connection.execute(_FORGET_SETTLED, [AuditState.HELD, _text(before)]).rowcount
        self._run("delete from clickstream_audit_views where audit_id not in (select audit_id from clickstream_audits)")
        return forgotten

    def views_of(self, audit_id: str) -> dict[str, str]:
        """The views that are published with an audit."""
        return dict(self._run("select name, sql from clickstream_audit_views where audit_id = ?", [audit_id]))

    def audits(self, limit: int) -> list[HeldAudit]:
        return self._audits(
            "select audit_id from clickstream_audits group by audit_id order by max(created_at) desc limit ?", [limit]
        )

    def waiting(self) -> list[HeldAudit]:
        """The audits of which a date is held."""
        return self._audits("select audit_id from clickstream_audits where state = ?", [AuditState.HELD])

    def audit(self, audit_id: str) -> HeldAudit | None:
        found = self._audits("?", [audit_id])
        return found[0] if found else None

    def _audits(self, which: str, parameters: Sequence[Any]) -> list[HeldAudit]:
        rows = self._run(_AUDITS.format(which=which), parameters)
        return [_audit(name, list(group)) for name, group in groupby(rows, lambda row: row[0])]

    def approvals(self) -> set[tuple[str, str]]:
        return {(model, code) for model, code in self._run("select model, code_version from clickstream_approvals")}

    def approve(self, audit_id: str, codes: Collection[tuple[str, str]]) -> None:
        """Do not hold these (model, code version) again."""
        self._connection.executemany(
            "insert or ignore into clickstream_approvals values (?, ?, ?, ?)",
            [(model, code, audit_id, now()) for model, code in sorted(codes)],
        )

    def withdraw(self, codes: Collection[tuple[str, str]]) -> None:
        """Hold these (model, code version) again."""
        self._connection.executemany(
            "delete from clickstream_approvals where model = ? and code_version = ?", sorted(codes)
        )

    def _run(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, list(parameters)).fetchall()


def version_columns(version: Version) -> tuple[Any, ...]:
    """load_id, code_version, inputs, row_count, engine, digests."""
    made = version.fingerprint
    return version.load_id, version.code, version.inputs, made.rows, made.engine, json.dumps(made.columns)


def _audit(audit_id: str, rows: list[tuple[Any, ...]]) -> HeldAudit:
    changes, states = [], {}
    for _, _, day, model, state, reason, decision, changed, load_id, code, inputs, count, engine, digests, *was in rows:
        cell = Cell(model, date.fromisoformat(day))
        states[cell.day] = AuditState(state)
        after = Version(code, inputs, load_id, Fingerprint(count, json.loads(digests), engine))
        publication, code, inputs, load_id, count, engine, digests = was
        before = (
            stored_version((code, inputs, load_id, publication, count, engine, digests)) if code is not None else None
        )
        changes.append(Change(cell, Reason(reason), Decision(decision), after, before, tuple(json.loads(changed))))
    return HeldAudit(audit_id, datetime.fromisoformat(rows[0][1]), tuple(changes), states)


def now() -> str:
    """The moment, UTC, as the ledger has it."""
    return _text(datetime.now(UTC))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
