"""The raw schema as plain data: the columns of RAW.LOGS and RAW.LOAD_HISTORY, and the COPY that fills the first.

The platform's loader has its own SQL for the same tables (`platform/resources/snowflake/`); this program may not
import it, so the definition stands here as data and `tests/infra/test_infra_raw_tables.py` compares the two, column
by column and expression by expression.

A load allows fewer expressions than a query: no joins, no common table expressions, no LEAST, GREATEST or DATEADD, no
format argument in TO_DATE. And none here may raise on a strange value, because an error in an expression stops the
load whatever ON_ERROR says. Hence the repetition, and TRY_ wherever text becomes something else.
"""

from __future__ import annotations

from dataclasses import dataclass

LOG_ID_NAMESPACE = "da69e958-fee3-428b-9dc3-e7586429fcfc"
MAX_QUEUE_MS = 4 * 3600 * 1000
# A time beyond these (1970 to 2100) is not milliseconds, or would not fit a TIMESTAMP.
LAST_MS = 4_102_444_800_000
# An event further than this from its object's arrival is kept under the arrival date.
MAX_DAYS_BEFORE_ARRIVAL, MAX_DAYS_AFTER_ARRIVAL = 400, 1


def _text(path: str) -> str:
    return f"$1:{path}::VARCHAR"


def _present(*paths: str) -> str:
    """The first value that is neither missing nor blank, without blanks around it."""
    values = [f"NULLIF(TRIM({_text(path)}), '')" for path in paths]
    return values[0] if len(values) == 1 else f"COALESCE({', '.join(values)})"


def _time(milliseconds: str) -> str:
    return f"TO_TIMESTAMP_NTZ(CASE WHEN {milliseconds} BETWEEN 0 AND {LAST_MS} THEN {milliseconds} END, 3)"


_RECEIVED_MS = f"TRY_TO_NUMBER({_text('request.timestamp')})"
_QUEUED = f"NULLIF(REGEXP_SUBSTR({_text('request.body.qt')}, '^[0-9]+([.][0-9]*)?$'), '')"
_QUEUED_MS = f"TRY_TO_NUMBER(SPLIT_PART({_QUEUED}, '.', 1))"
_EVENT_MS = (
    f"({_RECEIVED_MS} - CASE WHEN {_QUEUED} IS NULL THEN 0 "
    f"WHEN {_QUEUED_MS} <= {MAX_QUEUE_MS} THEN {_QUEUED_MS} ELSE {MAX_QUEUE_MS} END)"
)
_EVENT_AT = _time(_EVENT_MS)
_ARRIVAL = "TRY_TO_DATE(REPLACE(REGEXP_SUBSTR(METADATA$FILENAME, '[0-9]{4}/[0-9]{2}/[0-9]{2}'), '/', '-'))"


@dataclass(frozen=True)
class Column:
    """A column and where the COPY takes it from (`$1` is the line; None: not loaded by COPY)."""

    name: str
    type: str
    source: str | None = None


LOGS = (
    Column("SERVICE_ID", "VARCHAR", _text("service.id")),
    Column("REQUEST_ID", "VARCHAR", f"COALESCE({_text('request.id')}, {_text('event_id')})"),
    Column("REQUEST_TIMESTAMP", "TIMESTAMP_NTZ", _time(_RECEIVED_MS)),
    Column("RESPONSE_ID", "VARCHAR", _text("response.id")),
    Column("RESPONSE_TIMESTAMP", "TIMESTAMP_NTZ", _time(f"TRY_TO_NUMBER({_text('response.timestamp')})")),
    Column("CLIENT_ID", "VARCHAR", _present("context.client_id", "request.body.cid")),
    Column("DATA", "VARIANT", "$1"),
    Column(
        "LOG_ID", "VARCHAR", f"UUID_STRING('{LOG_ID_NAMESPACE}', METADATA$FILENAME || ':' || METADATA$FILE_ROW_NUMBER)"
    ),
    Column("LOG_FILENAME", "VARCHAR", "METADATA$FILENAME"),
    Column("LOG_FILE_ROW_NUMBER", "NUMBER", "METADATA$FILE_ROW_NUMBER"),
    Column("LOG_TIMESTAMP", "TIMESTAMP_NTZ", "CONVERT_TIMEZONE('UTC', METADATA$START_SCAN_TIME)::TIMESTAMP_NTZ"),
    Column("EVENT_ID", "VARCHAR", _present("event_id")),
    Column("EVENT_AT", "TIMESTAMP_NTZ", _EVENT_AT),
    Column(
        "EVENT_DATE",
        "DATE",
        f"CASE WHEN {_EVENT_AT}::DATE BETWEEN {_ARRIVAL} - {MAX_DAYS_BEFORE_ARRIVAL} "
        f"AND {_ARRIVAL} + {MAX_DAYS_AFTER_ARRIVAL} THEN {_EVENT_AT}::DATE ELSE {_ARRIVAL} END",
    ),
    Column("ARRIVAL_DATE", "DATE", _ARRIVAL),
    Column("TRACKING_ID", "VARCHAR", _present("context.tracking_id", "request.body.tid")),
    Column("USER_ID", "VARCHAR", _present("context.user_id", "request.body.uid")),
)

LOAD_HISTORY = (
    Column("LOAD_ID", "NUMBER"),
    Column("OBJECT_KEY", "VARCHAR"),
    Column("ARRIVAL_DATE", "DATE"),
    Column("ETAG", "VARCHAR"),
    Column("SIZE_BYTES", "NUMBER"),
    Column("ROW_COUNT", "NUMBER"),
    Column("BAD_LINES", "NUMBER"),
    Column("EVENT_DATES", "VARIANT"),
    Column("LOADED_AT", "TIMESTAMP_NTZ"),
)


def copy_into_logs(table: str, stage: str, file_format: str) -> str:
    """The pipe's statement: each line of each new object, once; a line that does not parse never costs its file.

    What is skipped is not lost: the loader's reconciliation counts it as a bad line.
    """
    loaded = [column for column in LOGS if column.source is not None]
    names = ", ".join(column.name for column in loaded)
    sources = ",\n    ".join(str(column.source) for column in loaded)
    return (
        f"COPY INTO {table} ({names})\nFROM (\n  SELECT\n    {sources}\n  FROM @{stage}\n)\n"
        f"FILE_FORMAT = (FORMAT_NAME = '{file_format}')\nON_ERROR = CONTINUE"
    )
