"""What was built, published and held, in the ledger on Snowflake: versions of cells by publication, audits, approvals.

Whatever writes here is within a transaction that has the lock of the ledger's writers (`lock`), so that numbers have the order of commits.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any

from ingestion_platform.changes import Cell, Change, Decision, Fingerprint, Reason, Version
from ingestion_platform.dates import ONE_DAY, Window
from ingestion_platform.resources.proposals import AuditState, HeldAudit, Publication, PublicationKind
from ingestion_platform.resources.settling import stored_version
from ingestion_platform.resources.snowflake import sql
from ingestion_platform.resources.snowflake.session import Session, chunks


class SnowflakePublications:
    """Over a session; see `ingestion_platform.resources.settling.Publications`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def lock(self) -> None:
        """Wait until whoever else writes what two runs may write has ended, and hold others up until this transaction has."""
        self._session.run("next_load_id")

    def current(self, models: Collection[str], window: Window) -> dict[Cell, Version]:
        return self._versions("current_versions", *window, sql.as_json(sorted(models)))

    def of_publication(self, number: int) -> dict[Cell, Version]:
        return self._versions("versions_of", number)

    def before(self, number: int) -> dict[Cell, Version]:
        """The versions that the cells of publication `number` had when it changed them, of those that had one."""
        return self._versions("versions_before", number, number)

    def _versions(self, name: str, *parameters: Any) -> dict[Cell, Version]:
        return {Cell(model, day): stored_version(row) for model, day, *row in self._session.run(name, *parameters)}

    def close(self, cells: Iterable[Cell]) -> None:
        """Note with the current versions of these cells, which are about to be replaced, what built the same rows last: what a roll back
        of the replacing publication names again."""
        for some in chunks([{"model": cell.model, "event_date": cell.day} for cell in cells]):
            self._session.run("close_versions", some)

    def note_definitions(self, number: int, statements: Mapping[str, Sequence[str]]) -> None:
        """Note how publication `number` made the views that it changed."""
        for model, of_model in statements.items():
            self._session.run("note_definition", json.dumps([*of_model]), number, model)

    def definitions_before(self, number: int) -> dict[str, list[str]]:
        """How the views that publication `number` changed were made before it, of those of which that is known."""
        rows = self._session.run("definitions_before", number, number)
        return {model: list(json.loads(statements)) for model, statements in rows}

    def record_built(self, versions: Mapping[Cell, Version]) -> None:
        """Note what the published rows of these cells were built from last; `publication` of each is the one that has them.

        A fingerprint that is missing, or that another engine made, is replaced; what is known already is not written again.
        """
        rows = [
            {"model": cell.model, "event_date": cell.day, "publication_id": v.publication, **_columns(v)}
            for cell, v in versions.items()
        ]
        for some in chunks(rows):
            for name in ("replace_builds", "note_builds", "replace_versions", "note_versions"):
                self._session.run(name, some)

    def record(self, kind: PublicationKind, about: str, cells: Collection[Cell]) -> int:
        """Note a publication of the rows of `cells`, none of one of views only; returns its number."""
        days = [cell.day for cell in cells]
        bounds = (min(days), max(days) + ONE_DAY) if days else (None, None)
        models = sql.as_json(sorted({cell.model for cell in cells}))
        self._session.run("note_publication", _now(), models, *bounds, f"{kind}", about)
        return int(self._session.run("latest_publication")[0][0])

    def publications(self, limit: int) -> list[Publication]:
        return [
            Publication(
                int(number),
                at,
                tuple(json.loads(models)),
                Window(start, end) if start else None,
                PublicationKind(kind),
                about,
            )
            for number, at, models, start, end, kind, about in self._session.run("publications", limit)
        ]

    def models_of(self, number: int) -> list[str] | None:
        rows = self._session.run("publication", number)
        return list(json.loads(rows[0][1])) if rows else None

    def keeps_rows_before(self, number: int) -> bool:
        """Whether the rows that a publication replaced are kept."""
        return any(row[0] for row in self._session.run("publication", number))

    def newest_before(self, moment: datetime) -> int:
        """The newest publication that is older than `moment` and of which rows are kept; 0 when there is none."""
        return int(self._session.run("newest_before", _text(moment))[0][0] or 0)

    def note_rows_dropped(self, number: int) -> None:
        """The rows that this publication, and those before it, had replaced are kept no more."""
        self._session.run("note_rows_dropped", number)

    def forget(self, before: datetime) -> None:
        """Forget versions that can neither be compared with nor be taken back to any more, and audits from before that moment of which
        nothing is held."""
        self._session.run("forget_settled", _text(before))
        self._session.run("forget_versions")

    def numbers(self, models: Collection[str], window: Window) -> dict[Cell, list[int]]:
        numbers: dict[Cell, list[int]] = {}
        for model, day, number in self._session.run("version_numbers", *window, sql.as_json(sorted(models))):
            numbers.setdefault(Cell(model, day), []).append(int(number))
        return numbers

    def roll_backs(self) -> dict[int, int]:
        return {int(number): int(about) for number, about in self._session.run("roll_backs")}

    def hold(self, audit_id: str, token: str, changes: Sequence[Change]) -> None:
        """Note an audit that holds `changes`, staged under `token`; what held one of their dates before is superseded there."""
        self.supersede({change.cell.day for change in changes})
        noted = {"audit_id": audit_id, "token": token, "created_at": _now(), "state": AuditState.HELD}
        rows = [
            {
                **noted,
                "event_date": change.cell.day,
                "model": change.cell.model,
                "reason": change.reason,
                "decision": change.decision,
                "changed_columns": change.columns,
                "before_publication": change.before.publication if change.before is not None else None,
                **_columns(change.after),
            }
            for change in changes
        ]
        for some in chunks(rows):
            self._session.run("note_audit", some)

    def supersede(self, days: Collection[date]) -> None:
        """Whatever is held of these dates is not what one would publish any more: a later run has built them."""
        self._session.run("supersede_audits", sql.as_json(sorted(days)))

    def settle(self, audit_id: str, days: Iterable[date], state: AuditState) -> None:
        """Note what became of these dates of an audit."""
        self._session.run("settle_audit", f"{state}", audit_id, sql.as_json(days))

    def audits(self, limit: int) -> list[HeldAudit]:
        return self._audits([row[0] for row in self._session.run("newest_audits", limit)])

    def waiting(self) -> list[HeldAudit]:
        """The audits of which a date is held."""
        return self._audits([row[0] for row in self._session.run("held_audits")])

    def audit(self, audit_id: str) -> HeldAudit | None:
        found = self._audits([audit_id])
        return found[0] if found else None

    def _audits(self, ids: Sequence[str]) -> list[HeldAudit]:
        rows = self._session.run("audits", sql.as_json(ids))
        return [_audit(name, list(group)) for name, group in groupby(rows, lambda row: row[0])]

    def token_of(self, audit_id: str) -> str:
        """The token under which an audit's rows are staged."""
        return f"{self._session.run('token_of_audit', audit_id)[0][0]}"

    def held_tokens(self) -> set[str]:
        """The tokens of which something waits for a person."""
        return {row[0] for row in self._session.run("held_tokens")}

    def approvals(self) -> set[tuple[str, str]]:
        return {(model, code) for model, code in self._session.run("approvals")}

    def approve(self, audit_id: str, codes: Collection[tuple[str, str]]) -> None:
        """Do not hold these (model, code version) again."""
        noted = {"audit_id": audit_id, "approved_at": _now()}
        rows = [{"model": model, "code_version": code, **noted} for model, code in sorted(codes)]
        self._session.run("approve", sql.as_json(rows))

    def withdraw(self, codes: Collection[tuple[str, str]]) -> None:
        """Hold these (model, code version) again."""
        rows = [{"model": model, "code_version": code} for model, code in sorted(codes)]
        self._session.run("withdraw", sql.as_json(rows))


def _columns(version: Version) -> dict[str, Any]:
    made = version.fingerprint
    return {
        "load_id": version.load_id,
        "code_version": version.code,
        "inputs": version.inputs,
        "row_count": made.rows,
        "engine": made.engine,
        "digests": json.dumps(dict(made.columns)),
    }


def _audit(audit_id: str, rows: list[tuple[Any, ...]]) -> HeldAudit:
    changes, states = [], {}
    for _, _, day, model, state, reason, decision, changed, load_id, code, inputs, count, engine, digests, *was in rows:
        states[day] = AuditState(state)
        after = Version(code, inputs, int(load_id), Fingerprint(int(count), json.loads(digests), engine))
        publication, code, inputs, load_id, count, engine, digests = was
        # Of what was published before there were versions, nothing else is known.
        before = (
            stored_version((code, inputs, load_id or 0, publication, count, engine, digests))
            if publication is not None
            else None
        )
        columns = tuple(json.loads(changed))
        changes.append(Change(Cell(model, day), Reason(reason), Decision(decision), after, before, columns))
    return HeldAudit(audit_id, rows[0][1], tuple(changes), states)


def _now() -> str:
    """The moment, UTC, as the ledger has it."""
    return _text(datetime.now(UTC))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
