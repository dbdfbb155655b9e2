"""COPY INTO for JSON lines as Snowflake's documentation describes it, for the fakesnow server of the tests.

fakesnow 0.12.1 loads whole JSON files only. This handles `COPY INTO table (columns) FROM (SELECT $1..., METADATA$... FROM @stage)`
with FILES, PATTERN, FORCE and ON_ERROR = CONTINUE | ABORT_STATEMENT, reading `s3://` stages through boto3 (AWS_ENDPOINT_URL points it
at moto). The expressions of the SELECT have been through fakesnow's own translation when they arrive here. What it cannot show:
whether Snowflake numbers a line that does not parse (here it does), and which expressions Snowflake refuses in a load.
"""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlparse

import boto3
import fakesnow.copy_into as stock
import pyarrow as pa
from fakesnow.transforms.file_format import lookup_file_format
from fakesnow.transforms.options import parse_options
from snowflake.connector.errors import ProgrammingError
from sqlglot import exp

from ingestion_platform.resources.strict_lines import is_json

HISTORY = "_fs_information_schema._fs_load_history"
STOCK_COPY = stock.copy_into
REPORT = (
    "file", "status", "rows_parsed", "rows_loaded", "error_limit", "errors_seen", "first_error", "first_error_line",
    "first_error_character", "first_error_column_name",
)  # fmt: skip


class Staged(NamedTuple):
    """An object below a stage: its URL, and its path in the bucket, which is what METADATA$FILENAME says."""

    url: str
    path: str
    modified: datetime


class Parsed(NamedTuple):
    """A file's lines: those that are JSON with their numbers, how many are not, and the first complaint."""

    good: list[tuple[int, str]]
    bad: int
    complaint: str | None


def copy_into(duck: Any, database: str, schema: str, copy: exp.Copy, table_stages: Any, params: Any = None) -> str:
    """Run `copy` on the DuckDB connection; returns the SQL whose result is COPY's report, as fakesnow's own function does."""
    options = {p.this.name.upper(): p for p in copy.args.get("params") or []}
    if _file_format(duck, database, schema, options) != "JSON":
        return STOCK_COPY(duck, database, schema, copy, table_stages, params)
    table = stock._extract_table(copy.this)
    source = stock._from_source(copy)
    url = stock.stage_url_from_var(source[1:], duck, database, schema, table_stages, table)
    history = f"{table.catalog or database}.{HISTORY}"
    where = [table.db or schema, table.name]
    seen = {
        row[0]
        for row in duck.execute(
            f"select file_name from {history} where schema_name = ? and table_name = ?", where
        ).fetchall()
    }
    rows, report, loads = [], [], []
    now = datetime.now(UTC)
    for item in _chosen(url, options):
        if item.url in seen and not _flag(options, "FORCE"):
            report.append((item.url, "LOAD_SKIPPED", 0, 0, 1, 1, "File was loaded before.", None, None, None))
            continue
        parsed = _parse(item)
        if parsed.bad and _word(options, "ON_ERROR", "ABORT_STATEMENT") != "CONTINUE":
            raise ProgrammingError(msg=f"{parsed.complaint}\n  File '{item.path}'", errno=100069, sqlstate="22P02")
        rows += [(text, item.path, number, item.modified, now) for number, text in parsed.good]
        total, status = len(parsed.good) + parsed.bad, "PARTIALLY_LOADED" if parsed.bad else "LOADED"
        report.append(
            (item.url, status, total, len(parsed.good), total, parsed.bad, parsed.complaint, None, None, None)
        )
        loads.append(
            (
                *where[:1],
                item.url,
                where[1],
                now.isoformat(),
                status,
                len(parsed.good),
                total,
                parsed.complaint,
                None,
                None,
                None,
                parsed.bad,
                total,
            )
        )
    if rows:
        _insert(duck, copy, rows, params)
    if loads:
        duck.executemany(f"insert into {history} values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", loads)
    if not report:
        sql = "select 'Copy executed with 0 files processed.' as status"
    else:
        sql = exp.select("*").from_(exp.values(report, alias="t", columns=REPORT)).sql(dialect="duckdb")
    duck.execute(sql)
    return sql


def _file_format(duck: Any, database: str, schema: str, options: dict[str, Any]) -> str:
    given = parse_options(options["FILE_FORMAT"].expressions) if "FILE_FORMAT" in options else {}
    name = given.pop("FORMAT_NAME", None)
    if name:
        given = {**lookup_file_format(duck, str(name), database, schema), **given}
    return str(given.get("TYPE", "")).upper()


def _word(options: dict[str, Any], name: str, default: str) -> str:
    return options[name].expression.name.upper() if name in options else default


def _flag(options: dict[str, Any], name: str) -> bool:
    return name in options and bool(getattr(options[name].expression, "this", True))


def _chosen(url: str, options: dict[str, Any]) -> list[Staged]:
    place = urlparse(url)
    prefix = place.path.lstrip("/")
    client = boto3.client("s3")
    if "FILES" in options:
        found = []
        for name in (literal.name for literal in options["FILES"].find_all(exp.Literal)):
            key = f"{prefix.rstrip('/')}/{name}"
            try:
                head = client.head_object(Bucket=place.netloc, Key=key)
            except client.exceptions.ClientError:
                raise ProgrammingError(
                    msg=f"Remote file 's3://{place.netloc}/{key}' was not found.", errno=91016, sqlstate="22000"
                ) from None
            found.append(Staged(f"s3://{place.netloc}/{key}", key, head["LastModified"]))
        return found
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=place.netloc, Prefix=prefix)
    found = [
        Staged(f"s3://{place.netloc}/{entry['Key']}", entry["Key"], entry["LastModified"])
        for page in pages
        for entry in page.get("Contents", [])
    ]
    if "PATTERN" in options:
        pattern = re.compile(options["PATTERN"].expression.name)
        found = [item for item in found if pattern.fullmatch(item.path) or pattern.fullmatch(item.url)]
    return found


def _parse(item: Staged) -> Parsed:
    place = urlparse(item.url)
    body = boto3.client("s3").get_object(Bucket=place.netloc, Key=item.path)["Body"].read()
    if body[:2] == b"\x1f\x8b":
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError) as error:
            raise ProgrammingError(msg=f"{error}: file '{item.path}'", errno=100194, sqlstate="22000") from None
    good, bad, complaint = [], 0, None
    for number, line in enumerate((line for line in body.split(b"\n") if line.strip()), 1):
        try:
            text = line.decode()
            # Of a name given twice the last counts (ALLOW_DUPLICATE); DuckDB, in which the text ends up, would read the first.
            if repeated(text):
                text = json.dumps(json.loads(text, parse_int=str, parse_float=str))
        except ValueError as error:
            bad += 1
            complaint = complaint or f"Error parsing JSON: {str(error)[:100]}"
            continue
        good.append((number, text))
    return Parsed(good, bad, complaint)


def repeated(text: str) -> bool:
    """Whether an object of the text gives a name twice. Raises ValueError for what is no strict JSON."""
    if not is_json(text):
        raise ValueError("no strict JSON")
    found = False

    def pairs(given: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        made = dict(given)
        found |= len(made) < len(given)
        return made

    json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=pairs)
    return found


def _insert(duck: Any, copy: exp.Copy, rows: list[tuple[Any, ...]], params: Any) -> None:
    names = (
        "C1",
        "METADATA$FILENAME",
        "METADATA$FILE_ROW_NUMBER",
        "METADATA$FILE_LAST_MODIFIED",
        "METADATA$START_SCAN_TIME",
    )
    data = pa.table({name: [row[position] for row in rows] for position, name in enumerate(names)})
    inner = copy.args["files"][0]
    wanted = inner.this.expressions if isinstance(inner, exp.Subquery) else [exp.column("C1")]

    def first_column(node: exp.Expression) -> exp.Expression:
        is_first = isinstance(node, exp.Parameter) or (
            isinstance(node, exp.Column) and isinstance(node.this, exp.Parameter)
        )
        return exp.column("C1") if is_first else node

    selected = ", ".join(item.transform(first_column).sql(dialect="duckdb") for item in wanted)
    duck.register("_staged_lines", data)
    try:
        duck.execute(
            f"insert into {copy.this.sql(dialect='duckdb')} select {selected} "
            "from (select C1::json as C1, * exclude (C1) from _staged_lines)",
            params or None,
        )
    finally:
        duck.unregister("_staged_lines")
