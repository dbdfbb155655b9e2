"""Reads a lake with programs that know it from its catalog alone; runs in .venv-readers, and prints rows as JSON.

    python independent_reader.py <the lake's folder> duckdb <schema.table>@<snapshot; the newest where there is none> ...
    python independent_reader.py <the lake's folder> polars <schema.table> <without these columns ...>
    python independent_reader.py <a new folder> write <SELECT> <SELECT with other columns or types>   DuckLake's own lake, to compare with

A table's rows are texts in their order, so that two Pythons can be compared; what a program refuses is {"refused": its message}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import duckdb


def attached(folder: str, options: str) -> duckdb.DuckDBPyConnection:
    """DuckDB with the extensions that lie beside it as packages: nothing is fetched."""
    packages = Path(duckdb.__file__).parents[1]
    connection = duckdb.connect()
    for name in ("sqlite_scanner", "ducklake"):
        connection.load_extension(
            f"{packages}/duckdb_extension_{name}/extensions/v{duckdb.__version__}/{name}.duckdb_extension"
        )
    quoted = f"ducklake:sqlite:{folder}/catalog.sqlite".replace("'", "''")
    connection.execute(f"attach '{quoted}' as lake ({options})")
    return connection


def texts(rows: Iterable[tuple]) -> list[str]:
    return sorted(map(repr, rows))


def with_duckdb(folder: str, *tables: str) -> list[dict]:
    with attached(folder, "read_only") as connection:
        return [one_with_duckdb(connection, *table.split("@")) for table in tables]


def one_with_duckdb(connection: duckdb.DuckDBPyConnection, table: str, snapshot: str) -> dict:
    source = f"lake.{table}" + (f" at (version => {int(snapshot)})" if snapshot else "")
    columns = [column[:2] for column in connection.execute(f"describe select * from {source}").fetchall()]
    rows = connection.execute(f"select * from {source}").fetchall()
    # Here files are left out by the catalog's statistics, or counted without being read.
    (count,) = connection.execute(f"select count(*) from {source}").fetchone()
    dated = "event_date" in dict(columns)
    second = (
        connection.execute(f"select count(*) from {source} where event_date = '2026-01-02'").fetchone()
        if dated
        else None
    )
    return {"columns": columns, "rows": texts(rows), "count": count, "second": second and second[0]}


def with_polars(folder: str, table: str, *without: str) -> dict:
    import polars_ducklake

    frame = polars_ducklake.scan_ducklake(f"ducklake:sqlite:{folder}/catalog.sqlite", table)
    return {"columns": list(frame.collect_schema()), "rows": texts(frame.drop(*without).collect().rows())}


def write(folder: str, before: str, after: str) -> None:
    """A lake by DuckLake's own hand: a file, then the columns of another query, then a file of it."""
    Path(folder).mkdir()
    with attached(folder, f"data_path '{folder}/', data_inlining_row_limit 0") as connection:
        connection.execute(f"create schema lake.t; create table lake.t.own as {before}")
        held = dict(row[:2] for row in connection.execute("describe lake.t.own").fetchall())
        for name, kind, *_ in connection.execute(f"describe {after}").fetchall():
            if name not in held:
                connection.execute(f"alter table lake.t.own add column {name} {kind}")
            elif held[name] != kind and kind.startswith("STRUCT"):
                connection.execute(f"alter table lake.t.own add column {name}.added bigint")
            elif held[name] != kind:
                connection.execute(f"alter table lake.t.own alter column {name} type {kind}")
        connection.execute(f"insert into lake.t.own {after}")


if __name__ == "__main__":
    folder, reader, *arguments = sys.argv[1:]
    try:
        found = {"duckdb": with_duckdb, "polars": with_polars, "write": write}[reader](folder, *arguments)
    except BaseException as error:  # a panic of Polars' Rust is no Exception
        found = {"refused": f"{error}"}
    print(json.dumps(found))
