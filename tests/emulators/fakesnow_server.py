"""A fakesnow server for the tests: `python fakesnow_server.py` prints "ready <port>" and serves until it gets a signal.

fakesnow runs Snowflake's dialect and wire protocol over DuckDB. What it lacks and this project needs is added here, by its private
names (hence the exact pin in pyproject.toml); docs/snowflake-emulation.md lists each addition and what no emulator can show.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
from typing import Any

import duckdb
import fakesnow
import fakesnow.arrow as arrow
import fakesnow.cursor as cursor
import fakesnow.info_schema as info_schema
import fakesnow.macros as macros

serve = fakesnow.server  # the function; the import below gives the name to the module
import fakesnow.server as server  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
from fakesnow_copy import HISTORY, copy_into  # noqa: E402
from snowflake.connector.errors import Error, ProgrammingError  # noqa: E402
from sqlglot import exp  # noqa: E402
from starlette.middleware.base import BaseHTTPMiddleware  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import JSONResponse, Response  # noqa: E402

# Statements without a meaning for DuckDB: answered, not run.
ANSWERED = [
    r"(?is)\s*(create|drop|alter)\s+(or\s+replace\s+)?(warehouse|role|storage\s+integration|integration|pipe|task)\b",
    r"(?is)\s*(grant|revoke)\s",
    r"(?is)\s*alter\s+session\s+(set|unset)\s",
    r"(?is)\s*alter\s+(table|view)\s+\S+\s+alter\s.*\bcomment\b",
]
_EMPTY_GRANTS = (
    'select null::timestamp_tz "created_on", null::varchar "privilege", null::varchar "granted_on", null::varchar "name", '
    'null::varchar "granted_to", null::varchar "grantee_name", null::varchar "grant_option", null::varchar "granted_by" where 1 = 0'
)
# Sees every session's loads, COPY's and (here: other sessions' COPYs) a pipe's, as COPY_HISTORY does.
_COPY_HISTORY = (
    "(select file_name, row_count, row_parsed, error_count, last_load_time, status, table_name, schema_name "
    f"from {HISTORY})"
)

_parse_one = cursor.parse_one


def parse_one(sql: str) -> exp.Expression:
    if re.match(r"(?is)\s*show\s+grants\b", sql):
        return _parse_one(_EMPTY_GRANTS)
    sql = re.sub(r"(?is)table\(information_schema\.copy_history\(.*?\(\)\)\)\)", _COPY_HISTORY, sql)
    expression = _parse_one(sql)
    if isinstance(expression, exp.Create):
        _plain_create(expression)
    # The innermost first: what is replaced by a copy takes along what it holds.
    for call in reversed(list(expression.find_all(exp.Anonymous))):
        if call.name.upper() == "HASH":
            call.replace(exp.Anonymous(this="signed", expressions=[call.copy()]))
    return expression


def _plain_create(create: exp.Create) -> None:
    """DuckDB has no qualified temporary relations, and no untyped column list in a CREATE ... AS."""
    table, properties = create.find(exp.Table), create.args.get("properties")
    if create.kind not in ("TABLE", "VIEW"):
        return
    if table is not None and table.db and properties:
        for item in list(properties.expressions):
            if isinstance(item, exp.TemporaryProperty | exp.CopyGrantsProperty):
                item.pop()
        if not properties.expressions:
            create.set("properties", None)
    if isinstance(create.this, exp.Schema) and create.expression is not None:
        untyped = all(
            isinstance(column, exp.Identifier)
            or (isinstance(column, exp.ColumnDef) and column.args.get("kind") is None)
            for column in create.this.expressions
        )
        if untyped:
            create.set("this", create.this.this)


_execute = cursor.FakeSnowflakeCursor.execute


def execute(self: Any, *args: Any, **kwargs: Any) -> Any:
    """A statement that fails is an error of that statement: it neither poisons the session nor answers HTTP 500 (retried for ever)."""
    try:
        return _execute(self, *args, **kwargs)
    except Exception as error:
        # What fails before DuckDB sees it leaves the transaction open, as on Snowflake; DuckDB itself gives the transaction up.
        if not isinstance(error, Error) or isinstance(error.__cause__, duckdb.Error):
            with contextlib.suppress(duckdb.Error):
                self._duck_conn.execute("ROLLBACK")
            self._conn._in_transaction = False
        if isinstance(error, Error):
            raise
        raise ProgrammingError(msg=f"{type(error).__name__}: {error}", errno=261000, sqlstate="XX000") from error


class ErrorsAreAnswers(BaseHTTPMiddleware):
    """The connector retries HTTP 500 without end; Snowflake answers 200 with a code."""

    async def dispatch(self, request: Request, call_next: Any) -> Response:
        try:
            response = await call_next(request)
            if response.status_code != 500:
                return response
            message = "the emulator failed; see its log"
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
        data = {"errorCode": "261000", "sqlState": "XX000"}
        return JSONResponse({"data": data, "code": "261000", "message": message, "success": False})


_timestamps = arrow.timestamp_to_sf_struct


def timestamps(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A NULL timestamp stays NULL; fakesnow sends the first instant of 1970."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    made = _timestamps(pc.fill_null(values, pa.scalar(0, values.type)))
    fields = list(made.type)
    return pa.StructArray.from_arrays(
        [made.field(i) for i in range(len(fields))], fields=fields, mask=pc.is_null(values)
    )


_FUNCTIONS = """
create or replace macro {db}.current_warehouse() as 'WH';
create or replace macro {db}.current_account() as 'FAKESNOW';
create or replace macro {db}.signed(hashed) as cast(cast(hashed as hugeint) - 9223372036854775808 as bigint);
create or replace macro {db}.try_hex_decode_string(digits) as try(decode(unhex(digits)));
"""
_creation_sql = macros.creation_sql


_comment_sql = info_schema.insert_table_comment_sql


def comment_sql(catalog: str, schema: str, table: str, comment: str | None) -> str:
    """A comment with an apostrophe is a comment all the same."""
    return _comment_sql(catalog, schema, table, (comment or "").replace("'", "''"))


_trim = cursor.transforms.trim_cast_varchar


def trim(expression: exp.Expression) -> exp.Expression:
    """TRIM, LTRIM and RTRIM keep what they are to trim; fakesnow forgets it where the text is no cast."""
    made = _trim(expression)
    if made is not expression:
        for part in ("expression", "position", "collation"):
            made.set(part, expression.args.get(part))
    return made


def patch() -> None:
    cursor.transforms.trim_cast_varchar = trim
    info_schema.insert_table_comment_sql = comment_sql
    cursor.parse_one = parse_one
    cursor.FakeSnowflakeCursor.execute = execute
    cursor.copy_into = copy_into
    arrow.timestamp_to_sf_struct = timestamps
    macros.creation_sql = lambda catalog: _creation_sql(catalog) + _FUNCTIONS.format(db=catalog)
    server.app.add_middleware(ErrorsAreAnswers)
    server.shared_fs.nop_regexes = ANSWERED


def main() -> None:
    patch()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with serve() as connection:
        print(f"ready {connection['port']}", flush=True)
        # uvicorn logs each request there: once nobody reads the pipe, a full one would stop the server.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        stop.wait()


if __name__ == "__main__":
    main()
