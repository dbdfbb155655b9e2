-- What a load asks beside its COPY, and the lines that COPY could not read (load.py).

-- What a revision corrects lies on its date, or on that of its receipt, or on the one that the longest queue time gives: dates without a
-- row of their own, maybe.
-- name: rows_of_objects
with loaded as (
    select log_filename, event_date, request_timestamp, data:revision is not null as is_revision
    from raw.logs
    where arrival_date >= ? and arrival_date <= ?
        and log_filename in (select value::varchar from table(flatten(input => parse_json(?))))
)
select log_filename, event_date, count(*) from loaded group by log_filename, event_date
union all
select distinct log_filename, request_timestamp::date, 0 from loaded where is_revision and request_timestamp is not null
union all
select distinct log_filename, dateadd(hour, -4, request_timestamp)::date, 0 from loaded where is_revision and request_timestamp is not null;

-- What any load, a pipe's or a COPY's, met in the files of the last fortnight.
-- name: copy_history
select file_name, max(error_count)
from table(information_schema.copy_history(table_name => 'RAW.LOGS', start_time => dateadd(day, -13, current_timestamp())))
group by file_name;

-- name: insert_bad_lines
insert into raw.bad_lines (log_id, log_filename, log_file_row_number, arrival_date, payload)
select
    value:log_id::varchar, value:log_filename::varchar, value:log_file_row_number::number, value:arrival_date::date,
    value:payload::varchar
from table(flatten(input => parse_json(?)));
