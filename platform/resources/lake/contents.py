"""What a lake holds, as values: tables with their columns, data files, views, and the snapshots that are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from ingestion_platform.resources.proposals import WarehouseError


class CatalogError(WarehouseError):
    """The lake's catalog cannot be read or changed as asked; nothing was changed. One line: what is wrong, and what to do."""


class Column(NamedTuple):
    """`type` is DuckDB's text, as DESCRIBE gives it: DECIMAL(38,9), STRUCT(a VARCHAR, b BIGINT), VARCHAR[], …"""

    name: str
    type: str


@dataclass(frozen=True)
class Table:
    """`name` is schema.table; the date in `partition_column`, if there is one, is the same in all rows of a file."""

    name: str
    columns: tuple[Column, ...]
    partition_column: str | None


@dataclass(frozen=True, slots=True)
class NewFile:
    """A Parquet file with exactly the table's columns, the partition's included. `path` is relative to the lake's folder, with /."""

    relation: str
    day: date | None
    path: str
    rows: int
    size: int
    footer_size: int


@dataclass(frozen=True, slots=True)
class DataFile(NewFile):
    """A file of a snapshot. `columns` are those of the table when it was added: what the file itself holds."""

    columns: tuple[Column, ...]
    file_id: int


@dataclass(frozen=True)
class Snapshot:
    """Tables by name, files by the name of their table (by date, then in the order they were added), SELECT texts of views by name."""

    snapshot_id: int
    tables: Mapping[str, Table]
    files: Mapping[str, tuple[DataFile, ...]]
    views: Mapping[str, str]


class SnapshotInfo(NamedTuple):
    """`at` in UTC; `message` is that of the change which made it."""

    snapshot_id: int
    at: datetime
    message: str
