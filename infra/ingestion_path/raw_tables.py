"""The raw schema as plain data: the columns of RAW.LOGS and RAW.LOAD_HISTORY, and the COPY that fills the first.

The platform's loader has its own SQL for the same tables (`platform/resources/snowflake/`); this program may not import it, so
the definition stands here as data and `tests/infra/test_raw_tables.py` compares the two, column by column.

The COPY's expressions keep to what Snowflake allows in a load: no joins, no LEAST or GREATEST, no format argument in TO_DATE, and
nothing that can raise on a strange value, because an error in an expression stops the load whatever ON_ERROR says.
"""

from __future__ import annotations

from dataclasses import dataclass

LOG_ID_NAMESPACE = "da69e958-fee3-428b-9dc3-e7586429fcfc"
MAX_QUEUE_MS = 4 * 3600 * 1000

_RECEIVED_MS = "TRY_TO_NUMBER($1:request.timestamp::VARCHAR)"
_RESPONDED_MS = "TRY_TO_NUMBER($1:response.timestamp::VARCHAR)"
_QUEUED_MS = "TRY_TO_NUMBER($1:request.body.qt::VARCHAR)"


@dataclass(frozen=True)
class Column:
    """A column and where the COPY takes it from (`$1` is the line; None: not loaded by COPY)."""

    name: str
    type: str
    source: str | None = None
    nullable: bool = True


def _key(name: str, source: str) -> Column:
    return Column(name, "VARCHAR", source, nullable=False)


LOGS = (
    Column("SERVICE_ID", "VARCHAR", "$1:service.id::VARCHAR"),
    Column("REQUEST_ID", "VARCHAR", "$1:request.id::VARCHAR"),
    Column("REQUEST_TIMESTAMP", "TIMESTAMP_NTZ(9)", f"TO_TIMESTAMP_NTZ({_RECEIVED_MS}, 3)"),
    Column("RESPONSE_ID", "VARCHAR", "$1:response.id::VARCHAR"),
    Column("RESPONSE_TIMESTAMP", "TIMESTAMP_NTZ(9)", f"TO_TIMESTAMP_NTZ({_RESPONDED_MS}, 3)"),
    Column("CLIENT_ID", "VARCHAR", "$1:context.client_id::VARCHAR"),
    Column("USER_ID", "VARCHAR", "$1:context.user_id::VARCHAR"),
    Column("TRACKING_ID", "VARCHAR", "COALESCE($1:context.tracking_id::VARCHAR, $1:request.body.tid::VARCHAR)"),
    Column("DATA", "VARIANT", "$1"),
    _key("LOG_ID", f"UUID_STRING('{LOG_ID_NAMESPACE}', METADATA$FILENAME || ':' || METADATA$FILE_ROW_NUMBER)"),
    _key("LOG_FILENAME", "METADATA$FILENAME"),
    Column("LOG_FILE_ROW_NUMBER", "NUMBER(38,0)", "METADATA$FILE_ROW_NUMBER", nullable=False),
    Column("LOG_TIMESTAMP", "TIMESTAMP_NTZ(9)", "CONVERT_TIMEZONE('UTC', METADATA$START_SCAN_TIME)::TIMESTAMP_NTZ"),
    Column(
        "EVENT_ID",
        "VARCHAR",
        "COALESCE($1:event_id::VARCHAR, "
        f"UUID_STRING('{LOG_ID_NAMESPACE}', METADATA$FILENAME || ':' || METADATA$FILE_ROW_NUMBER))",
    ),
    Column(
        "EVENT_AT",
        "TIMESTAMP_NTZ(9)",
        f"TO_TIMESTAMP_NTZ({_RECEIVED_MS} - CASE WHEN {_QUEUED_MS} > {MAX_QUEUE_MS} THEN {MAX_QUEUE_MS} "
        f"WHEN {_QUEUED_MS} > 0 THEN {_QUEUED_MS} ELSE 0 END, 3)",
    ),
    Column("ARRIVAL_DATE", "DATE", r"TO_DATE(REPLACE(REGEXP_SUBSTR(METADATA$FILENAME, '[0-9]{4}/[0-9]{2}/[0-9]{2}'), '/', '-'))"),
)

LOAD_HISTORY = (
    Column("OBJECT_KEY", "VARCHAR", nullable=False),
    Column("ETAG", "VARCHAR", nullable=False),
    Column("ROW_COUNT", "NUMBER(38,0)", nullable=False),
    Column("BAD_LINES", "NUMBER(38,0)", nullable=False),
    Column("EVENT_DATES", "VARIANT"),
    Column("LOADED_AT", "TIMESTAMP_NTZ(9)", nullable=False),
)


def copy_into_logs(table: str, stage: str, file_format: str) -> str:
    """The pipe's statement. A line that does not parse is skipped (and counted by the loader's reconciliation), never its file."""
    loaded = [column for column in LOGS if column.source is not None]
    names = ", ".join(column.name for column in loaded)
    sources = ",\n    ".join(str(column.source) for column in loaded)
    return (
        f"COPY INTO {table} ({names})\nFROM (\n  SELECT\n    {sources}\n  FROM @{stage}\n)\n"
        f"FILE_FORMAT = (FORMAT_NAME = '{file_format}')\nON_ERROR = CONTINUE"
    )
