"""What `doctor` asks of Snowflake: can the platform sign in, compute, read the stage and write its tables?

Each question is one statement; the first that fails says, in one line, which variable or grant is missing. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Mapping

from ingestion_platform.resources.proposals import WarehouseError
from ingestion_platform.resources.snowflake.connection import connection, explain, read_access

# Someone waits for the answer; an account that cannot be reached is tried for a minute otherwise.
_LOGIN_SECONDS = 10


def check(environ: Mapping[str, str]) -> str:
    """One line about the account as `environ` reaches it. Raises WarehouseError with what to do."""
    access = read_access(environ)
    questions = (
        (
            "select count(*) from information_schema.schemata where schema_name in ('RAW', 'EVENTS', 'EVENTS_LIVE', 'STAGING', 'STAGED', 'STATS')",
            f"SNOWFLAKE_DATABASE={access.database} is missing or not granted: grant usage on database {access.database} to role {access.role}",
        ),
        (
            "show stages like 'ARCHIVE' in schema raw",
            f"stage {access.database}.RAW.ARCHIVE is missing or not granted: pulumi up, or grant usage on it to role {access.role}",
        ),
        (
            "select count(*) from information_schema.tables where table_schema = 'RAW' and table_name = 'LOGS'",
            f"table {access.database}.RAW.LOGS is missing or not granted: pulumi up, or grant select, insert, delete on it to role {access.role}",
        ),
        (
            "select count(*) from raw.logs where arrival_date >= current_date - 1",
            f"role {access.role} cannot read RAW.LOGS with warehouse {access.warehouse}",
        ),
    )
    from snowflake.connector.errors import Error

    with connection(access, "clickstream doctor", _LOGIN_SECONDS) as opened:
        for statement, advice in questions:
            try:
                with opened.cursor() as cursor:
                    cursor.execute(statement)
                    rows = cursor.fetchall()
            except Error as error:
                reason = explain(error, access)
                raise WarehouseError(
                    reason if not reason.startswith("Snowflake:") else f"{advice} ({reason})"
                ) from error
            if not rows or (rows[0][0] == 0 and "raw.logs" not in statement):
                raise WarehouseError(advice)
    return f"signed in as {access.user}, role {access.role}, warehouse {access.warehouse}, database {access.database}"
