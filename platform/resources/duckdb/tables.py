"""What RAW, EVENTS.USER_AGENTS and the ledger consist of on the embedded engine; snowflake/tables.sql has the twins."""

from __future__ import annotations

from collector.parameters import PARAMETERS
from ingestion_platform.resources.lake.contents import Column, Table

# Every parameter without an index in its name. DuckDB compares struct fields without regard to case; the protocol's differ.
# Click ids beside them are younger than the protocol.
_YOUNGER_FIELDS = ("gbraid", "wbraid", "msclkid")
# What other protocols than v1 call their events and sessions (collector/protocols). At the end: a lake from before takes new fields there.
_CLIENT_FIELDS = ("_en", "_sid", "_et")
BODY_FIELDS = tuple(
    dict.fromkeys((*(p.name for p in PARAMETERS if "_" not in p.name), *_YOUNGER_FIELDS, *_CLIENT_FIELDS))
)
CONTEXT_FIELDS = ("user_ip", "user_agent", "document_location", "document_referrer")
REJECTED_FIELDS = ("reason", "detail", "payload")
REQUEST_FIELDS = ("protocol",)


def _struct(fields: tuple[str, ...]) -> str:
    return "STRUCT(" + ", ".join(f'"{name}" VARCHAR' for name in fields) + ")"


def _table(name: str, partition_column: str | None, columns: dict[str, str]) -> Table:
    return Table(name, tuple(Column(*column) for column in columns.items()), partition_column)


RAW_LOGS = _table(
    "raw.logs",
    "arrival_date",
    {
        "service_id": "VARCHAR",
        "request_id": "VARCHAR",
        "request_timestamp": "TIMESTAMP",
        "response_id": "VARCHAR",
        "response_timestamp": "TIMESTAMP",
        "client_id": "VARCHAR",
        "data": "JSON",
        "log_id": "UUID",
        "log_filename": "VARCHAR",
        "log_file_row_number": "BIGINT",
        "log_timestamp": "TIMESTAMP",
        "event_id": "VARCHAR",
        "event_at": "TIMESTAMP",
        "event_date": "DATE",
        "arrival_date": "DATE",
        "tracking_id": "VARCHAR",
        "user_id": "VARCHAR",
        "record": (
            f"STRUCT(context {_struct(CONTEXT_FIELDS)}, body {_struct(BODY_FIELDS)}, rejected {_struct(REJECTED_FIELDS)}, "
            f"request {_struct(REQUEST_FIELDS)})"
        ),
        "revision": "INTEGER",
    },
)

BAD_LINES = _table(
    "raw.bad_lines",
    "arrival_date",
    {
        "log_id": "VARCHAR",
        "log_filename": "VARCHAR",
        "log_file_row_number": "BIGINT",
        "arrival_date": "DATE",
        "payload": "VARCHAR",
    },
)

USER_AGENTS = _table(
    "events.user_agents",
    None,
    {
        "user_agent_id": "VARCHAR",
        "user_agent": "VARCHAR",
        "browser_name": "VARCHAR",
        "browser_version": "VARCHAR",
        "browser_major": "VARCHAR",
        "os_name": "VARCHAR",
        "os_version": "VARCHAR",
        "device_type": "VARCHAR",
        "device_model": "VARCHAR",
        "device_vendor": "VARCHAR",
        "is_bot": "BOOLEAN",
        "bot_reason": "VARCHAR",
        "parser_version": "VARCHAR",
    },
)

# The ledger lies in the catalog's file, so that a publication and its marks are one transaction. SQLite has no dates and no lists:
# dates are ISO texts, which sort as dates, and lists are JSON.
LEDGER = """
create table if not exists clickstream_load_history (
    load_id integer not null,
    object_key text primary key,
    arrival_date text not null,
    etag text not null,
    size_bytes integer not null,
    row_count integer not null,
    bad_lines integer not null,
    event_dates text not null,
    loaded_at text not null
);
create index if not exists clickstream_load_history_by_date on clickstream_load_history (arrival_date);
create table if not exists clickstream_archives (archive_id text not null);
create table if not exists clickstream_event_date_changes (event_date text primary key, load_id integer not null);
create table if not exists clickstream_build_history (
    model text not null, event_date text not null, load_id integer not null, code_version text not null default '',
    inputs text not null default '', publication_id integer not null default 0, primary key (model, event_date)
);
create table if not exists clickstream_publications (
    publication_id integer primary key, published_at text not null, models text not null, start_date text, end_date text,
    kind text not null default 'run', about text not null default '', snapshot_id integer not null default 0
);
create table if not exists clickstream_versions (
    publication_id integer not null, model text not null, event_date text not null, load_id integer not null,
    code_version text not null, inputs text not null, row_count integer not null, engine text not null, digests text not null,
    primary key (model, event_date, publication_id)
) without rowid;
create index if not exists clickstream_versions_by_publication on clickstream_versions (publication_id);
create table if not exists clickstream_audits (
    audit_id text not null, created_at text not null, event_date text not null, model text not null, state text not null,
    reason text not null, decision text not null, changed_columns text not null, load_id integer not null,
    code_version text not null, inputs text not null, row_count integer not null, engine text not null, digests text not null,
    before_publication integer, primary key (audit_id, event_date, model)
) without rowid;
create table if not exists clickstream_audit_views (
    audit_id text not null, name text not null, sql text not null, primary key (audit_id, name)
) without rowid;
create table if not exists clickstream_approvals (
    model text not null, code_version text not null, audit_id text not null, approved_at text not null,
    primary key (model, code_version)
) without rowid;
"""

# Columns that the ledger of a lake from before may lack: ALTER TABLE adds them.
LEDGER_ADDITIONS = (
    ("clickstream_build_history", "code_version", "text not null default ''"),
    ("clickstream_build_history", "inputs", "text not null default ''"),
    ("clickstream_build_history", "publication_id", "integer not null default 0"),
    ("clickstream_publications", "kind", "text not null default 'run'"),
    ("clickstream_publications", "about", "text not null default ''"),
    ("clickstream_publications", "snapshot_id", "integer not null default 0"),
)

LEDGER_VIEWS = {
    "load_history": (
        "select load_id, object_key, arrival_date::date as arrival_date, etag, size_bytes, row_count, bad_lines, "
        "cast(event_dates::json as date[]) as event_dates, loaded_at::timestamp as loaded_at"
    ),
    "archives": "select archive_id",
    "event_date_changes": "select event_date::date as event_date, load_id",
    "build_history": "select model, event_date::date as event_date, load_id, code_version, inputs, publication_id",
    "publications": (
        "select publication_id, published_at::timestamp as published_at, cast(models::json as varchar[]) as models, "
        "start_date::date as start_date, end_date::date as end_date, kind, about"
    ),
    "versions": (
        "select publication_id, model, event_date::date as event_date, load_id, code_version, inputs, row_count"
    ),
    "audits": (
        "select audit_id, created_at::timestamp as created_at, event_date::date as event_date, model, state, reason, decision, "
        "cast(changed_columns::json as varchar[]) as changed_columns, load_id, code_version, inputs, row_count, before_publication"
    ),
    "approvals": "select model, code_version, audit_id, approved_at::timestamp as approved_at",
}
"""How readers see the ledger: a table of RAW by name, and what makes its columns of SQLite's."""
