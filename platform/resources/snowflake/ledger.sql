-- Which tables there are, and the ledger (ledger.py). `?` are bound; a list is bound as one JSON text and unfolded by FLATTEN.

-- name: existing_tables
select lower(table_schema || '.' || table_name) from information_schema.tables where table_schema in ('RAW', 'EVENTS');

-- name: existing_columns
select lower(table_schema || '.' || table_name), lower(column_name) from information_schema.columns where table_schema = 'RAW';

-- name: existing_schemas
select lower(schema_name) from information_schema.schemata;

-- name: start_counter
insert into raw.load_counter
select zero.load_id from (select 0 as load_id) as zero where not exists (select 1 from raw.load_counter);

-- name: held_objects
select object_key, size_bytes, etag from raw.load_history where arrival_date >= ? and arrival_date < ?;

-- name: known_archive
select max(archive_id) from raw.archives;

-- name: holds_objects
select count(*) from (select object_key from raw.load_history limit 1) as held;

-- name: forget_archive
delete from raw.archives;

-- name: note_archive
insert into raw.archives (archive_id) values (?);

-- name: held_by_date
select arrival_date, sum(row_count), sum(bad_lines)
from raw.load_history
where arrival_date >= ? and arrival_date < ?
group by arrival_date;

-- Objects of which RAW.LOGS holds another number of rows than the ledger says: a pipe and the loader took the same object at the same
-- time, or rows were deleted by hand. Only what was loaded lately can be so, and only that is counted.
-- name: unequal_objects
select held.object_key
from raw.load_history as held
left join (
    select log_filename, count(*) as row_count
    from raw.logs
    where arrival_date >= ? and arrival_date < ?
        and log_filename in (
            select object_key from raw.load_history where loaded_at >= cast(? as timestamp_ntz)
        )
    group by log_filename
) as found on found.log_filename = held.object_key
where held.arrival_date >= ? and held.arrival_date < ?
    and held.loaded_at >= cast(? as timestamp_ntz)
    and coalesce(found.row_count, 0) <> held.row_count;

-- name: touched_dates
select to_json(event_dates)
from raw.load_history
where object_key in (select value::varchar from table(flatten(input => parse_json(?))));

-- name: delete_logs
delete from raw.logs
where arrival_date >= ? and arrival_date <= ?
    and log_filename in (select value::varchar from table(flatten(input => parse_json(?))));

-- name: delete_bad_lines
delete from raw.bad_lines
where log_filename in (select value::varchar from table(flatten(input => parse_json(?))));

-- name: delete_ledger
delete from raw.load_history
where object_key in (select value::varchar from table(flatten(input => parse_json(?))));

-- name: insert_ledger
insert into raw.load_history
    (load_id, object_key, arrival_date, etag, size_bytes, row_count, bad_lines, event_dates, loaded_at)
select
    value:load_id::number, value:object_key::varchar, value:arrival_date::date, value:etag::varchar, value:size_bytes::number,
    value:row_count::number, value:bad_lines::number, value:event_dates, value:loaded_at::varchar::timestamp_ntz
from table(flatten(input => parse_json(?)));

-- The lock of the ledger's writers, held until their transaction ends.
-- name: next_load_id
update raw.load_counter set load_id = load_id + 1;

-- name: number_taken
select max(load_id) from raw.load_counter;

-- name: forget_changes
delete from raw.event_date_changes
where event_date in (select value::varchar::date from table(flatten(input => parse_json(?))));

-- name: note_changes
insert into raw.event_date_changes (event_date, load_id)
select value::varchar::date, cast(? as number) from table(flatten(input => parse_json(?)));

-- name: latest_load_id
select coalesce(max(load_id), 0) from raw.event_date_changes;

-- name: size_of_logs
select bytes, row_count from information_schema.tables where table_schema = 'RAW' and table_name = 'LOGS';

-- name: rows_of_dates
select count(*) from raw.logs where event_date >= ? and event_date < ?;
