"""An open connection to Snowflake and the statements of the raw layer by their names: what the warehouse and its loads speak through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pyarrow as pa

from ingestion_platform.resources.proposals import WarehouseError
from ingestion_platform.resources.snowflake import sql
from ingestion_platform.resources.transaction import transaction

_ROWS_PER_STATEMENT = 5000


def chunks(rows: Sequence[Any]) -> Iterator[str]:
    """The rows as JSON texts, each of what one statement takes."""
    for start in range(0, len(rows), _ROWS_PER_STATEMENT):
        yield sql.as_json(rows[start : start + _ROWS_PER_STATEMENT])


class Session:
    """An open connection and the statements by their names."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened

    def run(self, name: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.execute(sql.statements()[name], parameters)

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._opened.cursor() as cursor:
            cursor.execute(statement, list(parameters) or None)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def table(self, statement: str, parameters: Sequence[Any]) -> pa.Table:
        """The result as an Arrow table with the types that the DuckDB side has, names in lower case."""
        with self._opened.cursor() as cursor:
            cursor.execute(statement, list(parameters))
            schema = pa.schema([(column.name.lower(), _arrow_type(column)) for column in cursor.description])
            rows = cursor.fetchall()
        return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)

    def transaction(self, wanted: bool = True) -> AbstractContextManager[None]:
        """See `ingestion_platform.resources.transaction`."""
        return transaction(self.execute, wanted)


def _arrow_type(column: Any) -> pa.DataType:
    from snowflake.connector.constants import FIELD_ID_TO_NAME

    name = FIELD_ID_TO_NAME[column.type_code]
    if name == "FIXED":
        return pa.decimal128(38, column.scale) if column.scale else pa.int64()
    types = {
        "REAL": pa.float64(),
        "TEXT": pa.string(),
        "DATE": pa.date32(),
        "TIMESTAMP_NTZ": pa.timestamp("us"),
        "BOOLEAN": pa.bool_(),
    }
    if name not in types:
        raise WarehouseError(f"column {column.name} has type {name}, which statistics do not have")
    return types[name]
