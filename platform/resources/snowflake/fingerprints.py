"""Fingerprints as Snowflake makes them: for each date a count, and for each column the sum of a hash of (row key, value).

A sum, since equal rows cancel each other out in an XOR; NUMBER(38) holds it. Hashed once more, since what a hash of two values is made of
is nowhere said: DuckDB's is such that two rows that swap their values would go unseen.

dbt makes them of what it has just staged (`note_fingerprints` in dbt_models/macros/proposal.sql has the same expression); here they are
read, and made for rows that were published before there were any.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from datetime import date

from ingestion_platform.changes import Cell, Fingerprint
from ingestion_platform.code_versions import normalized
from ingestion_platform.resources.snowflake.session import Session
from ingestion_platform.resources.snowflake.staged import Staged, on

ENGINE = "snowflake hash"

_DIGEST = "cast(sum(cast(hash(hash(_row_key, {name})) as number(38, 0))) as varchar)"


def staged_fingerprints(staged: Staged, models: Iterable[str], days: Sequence[date]) -> dict[Cell, Fingerprint]:
    """Those that dbt noted, of each of `models` on each of `days`: a date without rows was not noted."""
    views: dict[str, Fingerprint] = {}
    made: dict[Cell, Fingerprint] = {}
    for model, day, rows, digests in staged.fingerprints():
        if day is None:
            views[model] = definition(digests)
        else:
            made[Cell(model, day)] = Fingerprint(rows, json.loads(digests), ENGINE)
    return {
        Cell(model, day): views.get(model) or made.get(Cell(model, day)) or empty(staged.columns[model])
        for model in models
        if staged.definition(model)
        for day in days
    }


def published_fingerprints(
    session: Session,
    relation: str,
    unique_key: Sequence[str],
    columns: Collection[str],
    lost: Sequence[str],
    days: Collection[date],
) -> dict[date, Fingerprint]:
    """Those of published rows. `lost` columns, which the model has no more, count where they have values: what is published since has none."""
    names = [*columns, *lost]
    digests = "".join(f", {_DIGEST.format(name=name)}" for name in names)
    counts = "".join(f", count({name})" for name in lost)
    rows = session.execute(
        f"select event_date, count(*){digests}{counts} "
        f"from (select *, hash({', '.join(unique_key)}) as _row_key from {relation} where {on(sorted(days))}) as keyed "
        "group by event_date",
        sorted(days),
    )
    made = {}
    for day, count, *values in rows:
        gone = {name for name, held in zip(lost, values[len(names) :], strict=True) if not held}
        digest_by_name = dict(zip(names, values[: len(names)], strict=True))
        kept = {name: digest for name, digest in digest_by_name.items() if name not in gone}
        made[day] = Fingerprint(int(count), kept, ENGINE)
    return {day: made.get(day) or empty(columns) for day in days}


def empty(columns: Collection[str]) -> Fingerprint:
    """The fingerprint of no rows."""
    return Fingerprint(0, dict.fromkeys(columns, "0"), ENGINE)


def definition(select: str) -> Fingerprint:
    """The fingerprint of a view, which has no rows of its own: what it selects."""
    return Fingerprint(1, {"definition": hashlib.sha256(normalized(select).encode()).hexdigest()[:16]}, ENGINE)
