"""The tables of a DuckLake catalog in SQLite, version 1.0: names, columns and types as its specification and its extension have them.

All of them exist, for readers ask for them by name; what is not said here in a comment stays empty. Indices are ours: a catalog with
three years of dates has 15,000 current files and many more that were replaced.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

VERSION = "1.0"

TABLES = {
    # version, created_by, data_path (the lake's folder), encrypted
    "metadata": "key VARCHAR NOT NULL, value VARCHAR NOT NULL, scope VARCHAR, scope_id BIGINT",
    "snapshot": "snapshot_id BIGINT PRIMARY KEY, snapshot_time VARCHAR, schema_version BIGINT, next_catalog_id BIGINT, next_file_id BIGINT",
    "snapshot_changes": "snapshot_id BIGINT PRIMARY KEY, changes_made VARCHAR, author VARCHAR, commit_message VARCHAR, commit_extra_info VARCHAR",
    "schema": "schema_id BIGINT PRIMARY KEY, schema_uuid VARCHAR, begin_snapshot BIGINT, end_snapshot BIGINT, schema_name VARCHAR, path VARCHAR, path_is_relative BIGINT",
    "table": "table_id BIGINT, table_uuid VARCHAR, begin_snapshot BIGINT, end_snapshot BIGINT, schema_id BIGINT, table_name VARCHAR, path VARCHAR, path_is_relative BIGINT",
    "view": "view_id BIGINT, view_uuid VARCHAR, begin_snapshot BIGINT, end_snapshot BIGINT, schema_id BIGINT, view_name VARCHAR, dialect VARCHAR, sql VARCHAR, column_aliases VARCHAR",
    "tag": "object_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, key VARCHAR, value VARCHAR",
    "column_tag": "table_id BIGINT, column_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, key VARCHAR, value VARCHAR",
    "data_file": "data_file_id BIGINT PRIMARY KEY, table_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, file_order BIGINT, path VARCHAR, path_is_relative BIGINT, file_format VARCHAR, record_count BIGINT, file_size_bytes BIGINT, footer_size BIGINT, row_id_start BIGINT, partition_id BIGINT, encryption_key VARCHAR, mapping_id BIGINT, partial_max BIGINT",
    # of the partition's column only: it lets a reader leave out files; Parquet's own statistics do the rest
    "file_column_stats": "data_file_id BIGINT, table_id BIGINT, column_id BIGINT, column_size_bytes BIGINT, value_count BIGINT, null_count BIGINT, min_value VARCHAR, max_value VARCHAR, contains_nan BIGINT, extra_stats VARCHAR",
    "file_variant_stats": "data_file_id BIGINT, table_id BIGINT, column_id BIGINT, variant_path VARCHAR, shredded_type VARCHAR, column_size_bytes BIGINT, value_count BIGINT, null_count BIGINT, min_value VARCHAR, max_value VARCHAR, contains_nan BIGINT, extra_stats VARCHAR",
    "delete_file": "delete_file_id BIGINT PRIMARY KEY, table_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, data_file_id BIGINT, path VARCHAR, path_is_relative BIGINT, format VARCHAR, delete_count BIGINT, file_size_bytes BIGINT, footer_size BIGINT, encryption_key VARCHAR, partial_max BIGINT",
    "column": "column_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, table_id BIGINT, column_order BIGINT, column_name VARCHAR, column_type VARCHAR, initial_default VARCHAR, default_value VARCHAR, nulls_allowed BIGINT, parent_column BIGINT, default_value_type VARCHAR, default_value_dialect VARCHAR",
    "table_stats": "table_id BIGINT, record_count BIGINT, next_row_id BIGINT, file_size_bytes BIGINT",
    "table_column_stats": "table_id BIGINT, column_id BIGINT, contains_null BIGINT, contains_nan BIGINT, min_value VARCHAR, max_value VARCHAR, extra_stats VARCHAR",
    "partition_info": "partition_id BIGINT, table_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT",
    "partition_column": "partition_id BIGINT, table_id BIGINT, partition_key_index BIGINT, column_id BIGINT, transform VARCHAR",
    "file_partition_value": "data_file_id BIGINT, table_id BIGINT, partition_key_index BIGINT, partition_value VARCHAR",
    "files_scheduled_for_deletion": "data_file_id BIGINT, path VARCHAR, path_is_relative BIGINT, schedule_start VARCHAR",
    "inlined_data_tables": "table_id BIGINT, table_name VARCHAR, schema_version BIGINT",
    # DuckDB's COPY writes no field ids, so each file says which names its columns have
    "column_mapping": "mapping_id BIGINT, table_id BIGINT, type VARCHAR",
    "name_mapping": "mapping_id BIGINT, column_id BIGINT, source_name VARCHAR, target_field_id BIGINT, parent_column BIGINT, is_partition BIGINT",
    "schema_versions": "begin_snapshot BIGINT, schema_version BIGINT, table_id BIGINT",
    "macro": "schema_id BIGINT, macro_id BIGINT, macro_name VARCHAR, begin_snapshot BIGINT, end_snapshot BIGINT",
    "macro_impl": "macro_id BIGINT, impl_id BIGINT, dialect VARCHAR, sql VARCHAR, type VARCHAR",
    "macro_parameters": "macro_id BIGINT, impl_id BIGINT, column_id BIGINT, parameter_name VARCHAR, parameter_type VARCHAR, default_value VARCHAR, default_value_type VARCHAR",
    "sort_info": "sort_id BIGINT, table_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT",
    "sort_expression": "sort_id BIGINT, table_id BIGINT, sort_key_index BIGINT, expression VARCHAR, dialect VARCHAR, sort_direction VARCHAR, null_order VARCHAR",
}

_INDICES = (
    "create index lake_current_files on ducklake_data_file (end_snapshot, table_id)",
    "create index lake_paths on ducklake_data_file (table_id, path)",
    "create index lake_begun_files on ducklake_data_file (begin_snapshot)",
    "create index lake_partition_values on ducklake_file_partition_value (data_file_id, partition_value)",
    "create index lake_files_of_a_date on ducklake_file_partition_value (table_id, partition_value)",
    "create index lake_scheduled on ducklake_files_scheduled_for_deletion (data_file_id)",
    "create index lake_column_stats on ducklake_file_column_stats (data_file_id)",
)


def lay_out(connection: sqlite3.Connection, data_path: str, now: str) -> None:
    """Create all tables, and snapshot 0, which holds an empty schema `main`. In the caller's transaction."""
    for name, columns in TABLES.items():
        connection.execute(f'create table "ducklake_{name}" ({columns})')
    for index in _INDICES:
        connection.execute(index)
    connection.executemany(
        "insert into ducklake_metadata (key, value) values (?, ?)",
        [
            ("version", VERSION),
            ("created_by", "replayable-clickstream"),
            ("data_path", data_path),
            ("encrypted", "false"),
        ],
    )
    connection.execute("insert into ducklake_snapshot values (0, ?, 0, 1, 0)", [now])
    connection.execute(
        "insert into ducklake_snapshot_changes values (0, 'created_schema:\"main\"', null, 'an empty lake', null)"
    )
    connection.execute("insert into ducklake_schema values (0, ?, 0, null, 'main', 'main/', 1)", [f"{uuid4()}"])
    connection.execute("insert into ducklake_schema_versions values (0, 0, null)")


def data_path_of(folder: Path) -> str:
    """How the catalog writes the lake's folder: whole, since readers resolve a relative one against where they happen to run."""
    return f"{folder.absolute().as_posix()}/"


def time_text(moment: datetime) -> str:
    """A moment as the catalog writes it; texts are in the order of moments."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
