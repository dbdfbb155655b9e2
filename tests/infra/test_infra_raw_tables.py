"""The raw tables and the pipe's COPY against the platform's loader: one definition, no drift.

The program may not import the platform, so these tests read both. Columns and types are compared with the loader's
SQL for Snowflake (`platform/resources/snowflake/`) and with the embedded warehouse's tables; the COPY with the
loader's COPY and with what Snowflake allows in a load; and the rows that its expressions give, run by fakesnow, with
the rows that the embedded warehouse's loader gives for the same lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Any

import duckdb
import fakesnow
import pytest
import snowflake.connector
import sqlglot
from infra_harness import ROOT, Graph
from sqlglot import exp

from ingestion_platform.resources import duckdb_sql

PLATFORM_SQL = ROOT / "platform" / "resources" / "snowflake"
# From Snowflake's list of functions for COPY transformations, as far as the statement uses it.
ALLOWED_FUNCTIONS = {
    "CASE", "CAST", "COALESCE", "CONVERT_TIMEZONE", "GET_PATH", "NULLIF", "REGEXP_SUBSTR", "REPLACE", "SPLIT_PART",
    "TO_TIMESTAMP", "TO_TIMESTAMP_NTZ", "TRIM", "TRY_TO_DATE", "TRY_TO_NUMBER", "UUID_STRING",
}  # fmt: skip
KEYWORDS = {"AND", "BETWEEN", "ELSE", "IN", "THEN", "WHEN"}
# What the embedded warehouse keeps in another form: its typed copy of the record, and two that differ by nature.
ONLY_EMBEDDED, NOT_COMPARED = {"RECORD"}, {"DATA", "LOG_TIMESTAMP"}
KEY = "stream_data/2026/03/01/00/clickstream-hits-1-2026-03-01-00-05-00-0b0f6f0e-7a52-4f0e-9d8e-3f1f2d6c1a11.gz"


def copy_of(graph: Graph) -> tuple[list[str], list[exp.Expression], str]:
    """Target columns, source expressions and text of the pipe's COPY, parsed as Snowflake's SQL."""
    return parsed_copy(graph.named("landing-pipe").inputs["copyStatement"])


def parsed_copy(text: str) -> tuple[list[str], list[exp.Expression], str]:
    """The same of any COPY with a SELECT."""
    (copy,) = sqlglot.parse(text, dialect="snowflake")
    assert isinstance(copy, exp.Copy)
    columns = [column.name for column in copy.this.expressions]
    (select,) = list(copy.find_all(exp.Select))
    return columns, select.expressions, text


def declared(graph: Graph) -> dict[str, dict[str, str]]:
    """Column types by table, as the program declares them."""
    return {
        node.inputs["name"]: {column["name"]: kind(column["type"]) for column in node.inputs["columns"]}
        for node in graph.of("snowflake:index/table:Table")
    }


def created_by(script: str) -> dict[str, dict[str, str]]:
    """Column types by table, from the CREATE TABLE statements of a script for Snowflake."""
    tables: dict[str, dict[str, str]] = {}
    for statement in sqlglot.parse(script, dialect="snowflake"):
        if isinstance(statement, exp.Create) and statement.kind == "TABLE":
            columns = [column for column in statement.this.expressions if isinstance(column, exp.ColumnDef)]
            tables[statement.this.this.name.upper()] = {
                column.name.upper(): kind(column.args["kind"]) for column in columns
            }
    return tables


def embedded() -> dict[str, dict[str, str]]:
    """Column types by table, as DuckDB has them after the embedded warehouse's own script."""
    tables: dict[str, dict[str, str]] = {}
    with duckdb.connect() as connection:
        connection.execute(duckdb_sql.TABLES)
        columns = connection.execute(
            "select table_name, column_name, data_type from information_schema.columns "
            "where table_schema = 'raw' order by ordinal_position"
        )
        for table, column, type_ in columns.fetchall():
            if column.upper() not in ONLY_EMBEDDED:
                tables.setdefault(table.upper(), {})[column.upper()] = kind(exp.DataType.build(type_, dialect="duckdb"))
    return tables


def kind(type_: Any) -> str:
    """A type by its family, so that NUMBER(38,0), BIGINT and INT compare equal."""
    data_type = type_ if isinstance(type_, exp.DataType) else exp.DataType.build(type_, dialect="snowflake")
    families = {
        "NUMBER": (exp.DType.DECIMAL, *exp.DataType.INTEGER_TYPES),
        # Snowflake has no type for ids.
        "VARCHAR": (exp.DType.VARCHAR, exp.DType.TEXT, exp.DType.UUID),
        "TIMESTAMP_NTZ": (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ, exp.DType.DATETIME),
        "VARIANT": (exp.DType.VARIANT, exp.DType.JSON, exp.DType.ARRAY, exp.DType.LIST),
    }
    return next((name for name, members in families.items() if data_type.this in members), data_type.this.name)


def test_raw_tables_are_those_of_the_snowflake_loader(production: Graph) -> None:
    """The loader creates what it does not find: with other columns than Pulumi's, the second of the two would fail."""
    wanted = created_by((PLATFORM_SQL / "tables.sql").read_text())
    assert declared(production) == {table: wanted[table] for table in declared(production)}


def test_raw_tables_are_clustered_as_the_loader_clusters_them(production: Graph) -> None:
    """Every delete and reload of a date would otherwise scan the whole table."""
    script = (PLATFORM_SQL / "tables.sql").read_text().upper()
    (keys,) = re.findall(r"CLUSTER BY \(([^)]*)\)", script)
    assert production.named("warehouse-logs").inputs["clusterBies"] == keys.split(", ")
    assert "clusterBies" not in production.named("warehouse-load-history").inputs


def test_raw_tables_are_those_of_the_embedded_warehouse(production: Graph) -> None:
    """Laptop and cloud are twins: a column added to one raw table must come to the other."""
    twins = embedded()
    assert declared(production) == {table: twins[table] for table in declared(production)}


def test_pipe_runs_the_loaders_copy(production: Graph) -> None:
    """The same SELECT into the same columns, from the stage and in the format that the loader names, bad lines
    skipped.
    """
    columns, sources, text = copy_of(production)
    script = (PLATFORM_SQL / "copy_logs.sql").read_text()
    loaders_columns, loaders_sources, _ = parsed_copy(re.sub(r"--.*", "", script).replace("(:files)", "('a.gz')"))
    assert [name.upper() for name in loaders_columns] == columns
    for name, ours, theirs in zip(columns, sources, loaders_sources, strict=True):
        assert ours.sql("snowflake").lower() == theirs.sql("snowflake").lower(), name
    for part in (
        "into raw\\.logs",
        "from @raw\\.archive\\b",
        "format_name = 'raw\\.archive_json'",
        "on_error = continue",
    ):
        assert re.search(part, script), part
    database = production.exports["database"]
    for part in (f'INTO "{database}"."RAW"."LOGS"', f'FROM @"{database}"."RAW"."ARCHIVE"\n', '"RAW"."ARCHIVE_JSON"'):
        assert part in text


def test_copy_fills_every_raw_column_in_its_place(production: Graph) -> None:
    """A column missing from the COPY would be NULL in what the pipe loads and filled in what the loader loads."""
    columns, sources, _ = copy_of(production)
    assert columns == list(declared(production)["LOGS"])
    assert len(sources) == len(columns)


def test_copy_keeps_to_functions_that_a_load_allows(production: Graph) -> None:
    """COPY takes a short list of functions, and one that raises stops the load in spite of ON_ERROR = CONTINUE."""
    _, sources, _ = copy_of(production)
    used = {name.upper() for source in sources for name in functions(source)}
    assert used <= ALLOWED_FUNCTIONS, used - ALLOWED_FUNCTIONS
    casts = {cast.to.sql("snowflake") for source in sources for cast in source.find_all(exp.Cast)}
    assert casts <= {"VARCHAR", "TIMESTAMPNTZ", "TIMESTAMP_NTZ", "DATE"}, "a cast of text to a number or time may raise"


def functions(source: exp.Expression) -> Iterator[str]:
    """Names before an opening bracket."""
    tokens = sqlglot.tokenize(source.sql("snowflake"), read="snowflake")
    for token, following in pairwise(tokens):
        if following.text == "(" and token.text.isidentifier() and token.text.upper() not in KEYWORDS:
            yield token.text


def test_copy_is_bound_to_this_stack(production: Graph, staging: Graph) -> None:
    """Two stacks in one Snowflake account must not load into each other's tables."""
    for graph, other in ((production, "CLICKSTREAM_STAGING"), (staging, "CLICKSTREAM_PRODUCTION")):
        text = copy_of(graph)[2]
        assert f'"{graph.exports["database"]}"."RAW"."LOGS"' in text
        assert other not in text


def line(**changes: Any) -> dict[str, Any]:
    """An archive record with some of its parts changed; None removes a key."""
    record: dict[str, Any] = {
        "schema_version": 1,
        "event_id": "0b0f6f0e-0000-4000-8000-000000000001",
        "service": {"id": "api.collect"},
        "context": {"client_id": "c-1", "user_id": None, "tracking_id": "UA-1-1"},
        "request": {"id": "z-1", "timestamp": 1772323200000, "body": {"t": "pageview", "cid": "c-1", "tid": "UA-1-1"}},
        "response": {"id": "z-1", "timestamp": 1772323200004},
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = record
        for parent in parents:
            target = target[parent]
        target[last] = value
        if value is None:
            del target[last]
    return record


LINES = [
    line(),
    line(request__body__qt="1500"),
    line(request__body__qt="99999999999"),
    line(request__body__qt="9" * 50),
    line(request__body__qt="12.9"),
    line(request__body__qt="-5"),
    line(request__body__qt="soon"),
    line(request__body__qt=""),
    line(request__timestamp=None),
    line(request__timestamp=-1),
    line(request__timestamp=99999999999999),
    line(request__timestamp=1672531200000),  # years before its arrival
    # the first and last date that an event may have beside its arrival on 2026-03-01, and one day further off
    *(line(request__timestamp=day) for day in (1737763200000, 1737676800000, 1772409600000, 1772496000000)),
    line(event_id=None, context__tracking_id=None),  # as the seed's collector wrote it
    line(event_id="  "),
    line(context__client_id=" ", context__user_id="u-1", request__body__uid="u-2"),
    line(request__body__uid="u-2", request__id=None),
    line(request__body=None, rejected={"reason": "missing_client_id"}),
    {},
]


@pytest.fixture(scope="module")
def loaded_by_embedded_warehouse() -> list[dict[str, Any]]:
    """The rows of RAW.LOGS as the embedded warehouse's own statement loads the lines."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(duckdb_sql.TABLES)
        connection.execute(
            "create table lines (object_key varchar, arrival_date date, row_number bigint, line varchar)"
        )
        for number, record in enumerate(LINES, 1):
            connection.execute(
                "insert into lines values (?, ?, ?, ?)", [KEY, date(2026, 3, 1), number, json.dumps(record)]
            )
        connection.execute(duckdb_sql.INSERT_LOGS)
        result = connection.execute(
            "select * exclude (record) replace (log_id::varchar as log_id) from raw.logs order by log_file_row_number"
        )
        return [
            dict(zip([column[0].upper() for column in result.description], row, strict=True))
            for row in result.fetchall()
        ]


@pytest.fixture(scope="module")
def loaded_by_copy(production: Graph) -> list[dict[str, Any]]:
    """The rows that the COPY's expressions give, evaluated by fakesnow (DuckDB underneath, so no proof for
    Snowflake).
    """
    columns, sources, _ = copy_of(production)
    compared = [(name, source) for name, source in zip(columns, sources, strict=True) if name not in NOT_COMPARED]
    selected = ", ".join(f"{source.sql('snowflake')} as {name}" for name, source in compared)
    for metadata, stand_in in (("METADATA$FILENAME", "filename"), ("METADATA$FILE_ROW_NUMBER", "n"), ("$1", "line")):
        selected = selected.replace(metadata, stand_in)
    with fakesnow.patch(), snowflake.connector.connect(database="D", schema="S") as connection:
        cursor = connection.cursor(snowflake.connector.DictCursor)
        cursor.execute("create table lines (filename varchar, n number, line variant)")
        for number, record in enumerate(LINES, 1):
            cursor.execute("insert into lines select %s, %s, parse_json(%s)", (KEY, number, json.dumps(record)))
        cursor.execute(f"select {selected} from lines order by n")
        return [dict(row) for row in cursor.fetchall()]


def test_pipe_and_loader_give_equal_rows(
    loaded_by_copy: list[dict[str, Any]], loaded_by_embedded_warehouse: list[dict[str, Any]]
) -> None:
    """A file is loaded by whichever comes first, pipe or loader: the rows may not depend on it."""
    assert len(loaded_by_copy) == len(loaded_by_embedded_warehouse) == len(LINES)
    for number, (ours, theirs) in enumerate(zip(loaded_by_copy, loaded_by_embedded_warehouse, strict=True), 1):
        theirs = {name: value for name, value in theirs.items() if name not in NOT_COMPARED}
        assert ours == theirs, f"line {number}"
