-- The raw layer on Snowflake. LOGS and LOAD_HISTORY are the tables that infra/ declares (it reads this file); the loader creates
-- what it does not find. DATA is the whole record; models read it through the macros of dbt_models/macros/warehouse/.

create table if not exists raw.logs (
    service_id varchar,
    request_id varchar,
    request_timestamp timestamp_ntz,
    response_id varchar,
    response_timestamp timestamp_ntz,
    client_id varchar,
    data variant,
    log_id varchar,
    log_filename varchar,
    log_file_row_number number,
    log_timestamp timestamp_ntz,
    event_id varchar,
    event_at timestamp_ntz,
    event_date date,
    arrival_date date,
    tracking_id varchar,
    user_id varchar
) cluster by (arrival_date);

create table if not exists raw.load_history (
    load_id number,
    object_key varchar,
    arrival_date date,
    etag varchar,
    size_bytes number,
    row_count number,
    bad_lines number,
    event_dates variant,
    loaded_at timestamp_ntz
);

create table if not exists raw.bad_lines (
    log_id varchar,
    log_filename varchar,
    log_file_row_number number,
    arrival_date date,
    payload varchar
);

create table if not exists raw.archives (archive_id varchar);

create table if not exists raw.event_date_changes (event_date date, load_id number);

create table if not exists raw.build_history (
    model varchar,
    event_date date,
    load_id number,
    code_version varchar,
    inputs varchar,
    publication_id number
);

-- A warehouse from before has these tables without their last columns. NULL counts as what there was before: no code version, a run.
alter table raw.build_history add column if not exists code_version varchar;
alter table raw.build_history add column if not exists inputs varchar;
alter table raw.build_history add column if not exists publication_id number;

-- One row a publication: what was made public of the event dates [start_date, end_date), all at once. `models` is a list of names;
-- `rows_kept` says whether the rows that it replaced are still in the models' history tables (history.py).
create table if not exists raw.publications (
    publication_id number,
    published_at timestamp_ntz,
    models variant,
    start_date date,
    end_date date,
    kind varchar,
    about varchar,
    rows_kept boolean
);

alter table raw.publications add column if not exists kind varchar;
alter table raw.publications add column if not exists about varchar;
alter table raw.publications add column if not exists rows_kept boolean;

-- What a publication made of a model's date. `digests` is JSON, by column; `definition`, of a view, the statements that made it, as JSON.
create table if not exists raw.versions (
    publication_id number,
    model varchar,
    event_date date,
    load_id number,
    code_version varchar,
    inputs varchar,
    row_count number,
    engine varchar,
    digests varchar,
    definition varchar
);

alter table raw.versions add column if not exists definition varchar;

-- What waits for a person, or did. `token` is the one under which its rows are staged.
create table if not exists raw.audits (
    audit_id varchar,
    token varchar,
    created_at timestamp_ntz,
    event_date date,
    model varchar,
    state varchar,
    reason varchar,
    decision varchar,
    changed_columns variant,
    load_id number,
    code_version varchar,
    inputs varchar,
    row_count number,
    engine varchar,
    digests varchar,
    before_publication number
);

create table if not exists raw.approvals (
    model varchar,
    code_version varchar,
    audit_id varchar,
    approved_at timestamp_ntz
);

-- One row. A load takes its number by an UPDATE, whose lock makes loads commit in the order of their numbers.
create table if not exists raw.load_counter (load_id number);

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
