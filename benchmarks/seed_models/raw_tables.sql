create schema if not exists raw;
create schema if not exists events;
create schema if not exists stats;
create or replace table raw.logs (
    service_id varchar, request_id varchar, request_timestamp timestamp, response_id varchar, response_timestamp timestamp,
    client_id varchar, data json, log_id varchar, log_filename varchar, log_file_row_number bigint
);
