"""What RAW and EVENTS.USER_AGENTS consist of on DuckDB; snowflake/tables.sql has the twins."""

from __future__ import annotations

from collector.parameters import PARAMETERS

# Every parameter without an index in its name. DuckDB compares struct fields without regard to case; the protocol's differ.
# Click ids beside them are younger than the protocol.
_YOUNGER_FIELDS = ("gbraid", "wbraid", "msclkid")
BODY_FIELDS = tuple(dict.fromkeys((*(p.name for p in PARAMETERS if "_" not in p.name), *_YOUNGER_FIELDS)))
CONTEXT_FIELDS = ("user_ip", "user_agent", "document_location", "document_referrer")
REJECTED_FIELDS = ("reason", "detail", "payload")


def _struct(fields: tuple[str, ...]) -> str:
    return "struct(" + ", ".join(f'"{name}" varchar' for name in fields) + ")"


# Random ids are left as they are: compressing them would save a fifth of the file and cost a sixth of the time to write a row.
TABLES = f"""
create schema if not exists raw;
create schema if not exists events;

create table if not exists raw.logs (
    service_id varchar,
    request_id varchar using compression uncompressed,
    request_timestamp timestamp,
    response_id varchar using compression uncompressed,
    response_timestamp timestamp,
    client_id varchar,
    data json using compression zstd,
    log_id uuid,
    log_filename varchar,
    log_file_row_number bigint,
    log_timestamp timestamp,
    event_id varchar using compression uncompressed,
    event_at timestamp,
    event_date date,
    arrival_date date,
    tracking_id varchar,
    user_id varchar,
    record struct(context {_struct(CONTEXT_FIELDS)}, body {_struct(BODY_FIELDS)}, rejected {_struct(REJECTED_FIELDS)})
);

create table if not exists raw.bad_lines (
    log_id varchar,
    log_filename varchar,
    log_file_row_number bigint,
    arrival_date date,
    payload varchar
);

create table if not exists raw.load_history (
    load_id bigint,
    object_key varchar,
    arrival_date date,
    etag varchar,
    size_bytes bigint,
    row_count bigint,
    bad_lines bigint,
    event_dates date[],
    loaded_at timestamp
);

create table if not exists raw.archives (archive_id varchar);

create table if not exists raw.event_date_changes (event_date date primary key, load_id bigint);

create table if not exists raw.build_history (model varchar, event_date date, load_id bigint, primary key (model, event_date));

create table if not exists events.user_agents (
    user_agent_id varchar,
    user_agent varchar,
    browser_name varchar,
    browser_version varchar,
    browser_major varchar,
    os_name varchar,
    os_version varchar,
    device_type varchar,
    device_model varchar,
    device_vendor varchar,
    is_bot boolean,
    bot_reason varchar,
    parser_version varchar
);
""" + "".join(
    f"alter table raw.logs add column if not exists record.body.{name} varchar;\n" for name in _YOUNGER_FIELDS
)
