select * exclude (hit_type, req_body),
    req_body ->> '$.ec' as event_category,
    req_body ->> '$.ea' as event_action,
    req_body ->> '$.el' as event_label,
    try_cast(req_body ->> '$.ev' as bigint) as event_value
from events.logs
where hit_type = 'event'
