-- The loader's COPY: the lines of the named objects (at most 1,000, relative to the stage) become rows of RAW.LOGS, whatever COPY's own
-- history says: which objects are missing is decided by file name before. The pipe of infra/ runs the same SELECT, read from this file.
--
-- A load takes no CTE and only few functions, and none here may raise on a strange value, hence the repetition and TRY_. `:files` is
-- replaced by the loader with quoted keys of a checked layout.

copy into raw.logs (
    service_id, request_id, request_timestamp, response_id, response_timestamp, client_id, data, log_id, log_filename,
    log_file_row_number, log_timestamp, event_id, event_at, event_date, arrival_date, tracking_id, user_id
)
from (
    select
        $1:service.id::varchar,
        coalesce($1:request.id::varchar, $1:event_id::varchar),
        to_timestamp_ntz(case
            when try_to_number(split_part(nullif(regexp_substr($1:request.timestamp::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) between 0 and 4102444800000 then try_to_number(split_part(nullif(regexp_substr($1:request.timestamp::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) end, 3),
        $1:response.id::varchar,
        to_timestamp_ntz(case
            when try_to_number(split_part(nullif(regexp_substr($1:response.timestamp::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) between 0 and 4102444800000 then try_to_number(split_part(nullif(regexp_substr($1:response.timestamp::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) end, 3),
        coalesce(nullif(trim($1:context.client_id::varchar, ' \t\n\x0b\f\r'), ''), nullif(trim($1:request.body.cid::varchar, ' \t\n\x0b\f\r'), '')),
        $1,
        uuid_string('da69e958-fee3-428b-9dc3-e7586429fcfc', metadata$filename || ':' || metadata$file_row_number),
        metadata$filename,
        metadata$file_row_number,
        convert_timezone('UTC', metadata$start_scan_time)::timestamp_ntz,
        nullif(trim($1:event_id::varchar, ' \t\n\x0b\f\r'), ''),
        to_timestamp_ntz(case
            when (try_to_number(split_part(nullif(regexp_substr($1:request.timestamp::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) - case
            when nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), '') is null then 0
            when try_to_number(split_part(nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) <= 14400000 then try_to_number(split_part(nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1))
            else 14400000 end) between 0 and 4102444800000 then (try_to_number(split_part(nullif(regexp_substr($1:request.timestamp::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) - case
            when nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), '') is null then 0
            when try_to_number(split_part(nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) <= 14400000 then try_to_number(split_part(nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1))
            else 14400000 end) end, 3),
        case
            when to_timestamp_ntz(case
            when (try_to_number(split_part(nullif(regexp_substr($1:request.timestamp::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) - case
            when nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), '') is null then 0
            when try_to_number(split_part(nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) <= 14400000 then try_to_number(split_part(nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1))
            else 14400000 end) between 0 and 4102444800000 then (try_to_number(split_part(nullif(regexp_substr($1:request.timestamp::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) - case
            when nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), '') is null then 0
            when try_to_number(split_part(nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) <= 14400000 then try_to_number(split_part(nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1))
            else 14400000 end) end, 3)::date between try_to_date(replace(regexp_substr(metadata$filename, '[0-9]{4}/[0-9]{2}/[0-9]{2}'), '/', '-')) - 400 and try_to_date(replace(regexp_substr(metadata$filename, '[0-9]{4}/[0-9]{2}/[0-9]{2}'), '/', '-')) + 1 then to_timestamp_ntz(case
            when (try_to_number(split_part(nullif(regexp_substr($1:request.timestamp::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) - case
            when nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), '') is null then 0
            when try_to_number(split_part(nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) <= 14400000 then try_to_number(split_part(nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1))
            else 14400000 end) between 0 and 4102444800000 then (try_to_number(split_part(nullif(regexp_substr($1:request.timestamp::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) - case
            when nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), '') is null then 0
            when try_to_number(split_part(nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1)) <= 14400000 then try_to_number(split_part(nullif(regexp_substr($1:request.body.qt::varchar, '^[0-9]+([.][0-9]*)?$'), ''), '.', 1))
            else 14400000 end) end, 3)::date
            else try_to_date(replace(regexp_substr(metadata$filename, '[0-9]{4}/[0-9]{2}/[0-9]{2}'), '/', '-')) end,
        try_to_date(replace(regexp_substr(metadata$filename, '[0-9]{4}/[0-9]{2}/[0-9]{2}'), '/', '-')),
        coalesce(nullif(trim($1:context.tracking_id::varchar, ' \t\n\x0b\f\r'), ''), nullif(trim($1:request.body.tid::varchar, ' \t\n\x0b\f\r'), '')),
        coalesce(nullif(trim($1:context.user_id::varchar, ' \t\n\x0b\f\r'), ''), nullif(trim($1:request.body.uid::varchar, ' \t\n\x0b\f\r'), ''))
    from @raw.archive
)
files = (:files)
file_format = (format_name = 'raw.archive_json')
on_error = continue
force = true
