-- What a load asks beside its COPY, and the lines that COPY could not read (load.py).

-- name: rows_of_objects
select log_filename, event_date, count(*)
from raw.logs
where arrival_date >= ? and arrival_date <= ?
    and log_filename in (select value::varchar from table(flatten(input => parse_json(?))))
group by log_filename, event_date;

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
