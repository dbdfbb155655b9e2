"""Fingerprints as DuckDB makes them: for each date a count, and for each column the sum, modulo 2^64, of a hash of (row key, value).

DuckDB hashes two values as f(first) XOR hash(second). XORed over rows, that would be f over all keys and the hash of all values, and two
rows that swap their values, or all of which get the same one, would go unseen: so it is hashed once more. A sum, since equal rows cancel
each other out in an XOR.

dbt makes them of what it has just worked out (materialization_replace_partitions has the same expression); here they are read, and made
anew for rows that were published under another version of DuckDB, whose hashes may be others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path

import duckdb

from ingestion_platform.changes import Fingerprint
from ingestion_platform.code_versions import normalized
from ingestion_platform.resources.duckdb.lake import Lake
from ingestion_platform.resources.duckdb.views import read_files, select_files
from ingestion_platform.resources.lake.contents import Snapshot

ENGINE = f"duckdb {duckdb.__version__}, sum of hashes"
"""Who made a fingerprint, and how: others do not compare."""

FILE_NAME = "fingerprints.parquet"

_DIGEST = 'cast(sum(hash(hash("_key", "{name}"))) % 18446744073709551616 as ubigint)'


def fingerprints_of(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    unique_key: Sequence[str],
    columns: Sequence[str],
    lost: Sequence[str] = (),
) -> dict[date, Fingerprint]:
    """By date, the fingerprints of the rows of `source`, which has an `event_date`. `lost` columns, which the model has no more, count
    where they have values: what is published since has none."""
    keys = ", ".join(f'"{name}"' for name in unique_key)
    digests = ", ".join(f'{_DIGEST.format(name=name)} as "{name}"' for name in columns)
    digests += "".join(
        f', case when count("{name}") > 0 then {_DIGEST.format(name=name)} end as "{name}"' for name in lost
    )
    return _read(
        connection,
        f'select event_date as "_day", count(*) as "_rows", {digests} '
        f'from (select *, hash({keys}) as "_key" from {source}) group by event_date',
    )


def made_anew(
    lake: Lake,
    snapshot: Snapshot,
    relation: str,
    unique_key: Sequence[str],
    days: Collection[date],
    staged: Collection[str],
) -> dict[date, Fingerprint]:
    """Those of the published rows of `days`, of a model that has the columns `staged` now."""
    table = snapshot.tables.get(relation)
    held = [column.name for column in table.columns] if table else []
    names, lost = [name for name in held if name in staged], [name for name in held if name not in staged]
    made: dict[date, Fingerprint] = {}
    files = [file for file in snapshot.files.get(relation, ()) if file.day in days]
    if table and files:
        with lake.engine() as engine:
            made = fingerprints_of(engine, f"({select_files(table, files, lake.folder)})", unique_key, names, lost)
    return {day: made.get(day) or empty(names) for day in days}


def staged_fingerprints(
    connection: duckdb.DuckDBPyConnection, path: Path, days: Collection[date]
) -> dict[date, Fingerprint]:
    """Those that dbt made, for each of `days`: a date without rows is not in its file."""
    found = _read(connection, f"select * from {read_files([path], None)}")
    columns = staged_columns(connection, path)
    return {day: found.get(day) or empty(columns) for day in days}


def staged_columns(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """The columns of which dbt made fingerprints."""
    rows = connection.execute(f"describe select * from {read_files([path], None)}").fetchall()
    return [name for name, *_ in rows][2:]


def empty(columns: Collection[str]) -> Fingerprint:
    """The fingerprint of no rows."""
    return Fingerprint(0, dict.fromkeys(columns, _text(0)), ENGINE)


def definition(sql: str) -> Fingerprint:
    """The fingerprint of a view, which has no rows of its own: what it selects."""
    return Fingerprint(1, {"definition": hashlib.sha256(normalized(sql).encode()).hexdigest()[:16]}, ENGINE)


def _read(connection: duckdb.DuckDBPyConnection, select: str) -> dict[date, Fingerprint]:
    cursor = connection.execute(select)
    names = [column[0] for column in cursor.description or ()][2:]
    return {
        day: Fingerprint(
            rows,
            {name: _text(digest) for name, digest in zip(names, digests, strict=True) if digest is not None},
            ENGINE,
        )
        for day, rows, *digests in cursor.fetchall()
    }


def _text(value: int) -> str:
    return f"{value:016x}"
