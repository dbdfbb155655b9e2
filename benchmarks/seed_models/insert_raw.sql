insert into raw.logs
select
    data ->> '$.service.id',
    data ->> '$.request.id',
    epoch_ms((data ->> '$.request.timestamp')::bigint),
    data ->> '$.response.id',
    epoch_ms((data ->> '$.response.timestamp')::bigint),
    data ->> '$.context.client_id',
    data,
    md5(object_key || ':' || row_number),
    object_key,
    row_number
from (
    select object_key, row_number, line::json as data
    from lines
    where json_valid(line)
)
