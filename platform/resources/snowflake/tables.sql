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

create table if not exists raw.build_history (model varchar, event_date date, load_id number);

-- One row a publication: what a run made public of the event dates [start_date, end_date), all at once. `models` is a list of names.
create table if not exists raw.publications (
    publication_id number,
    published_at timestamp_ntz,
    models variant,
    start_date date,
    end_date date
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
