with hits as (
    select
        log_id,
        request_id,
        request_timestamp,
        request_timestamp::date as event_date,
        client_id,
        data ->> '$.context.user_id' as user_id,
        data ->> '$.context.user_ip' as user_ip,
        data ->> '$.request.body.t' as hit_type,
        data ->> '$.request.body.pa' as product_action,
        data ->> '$.context.document_location' as document_location,
        data ->> '$.context.document_referrer' as document_referrer,
        md5(data ->> '$.context.user_agent') as user_agent_id,
        data ->> '$.request.body.dt' as document_title,
        data ->> '$.request.body.sr' as screen_resolution,
        data ->> '$.request.body.de' as document_encoding,
        data ->> '$.request.body.sd' as screen_colors,
        data ->> '$.request.body.ul' as user_language,
        data -> '$.request.body' as req_body
    from raw.logs
    where service_id = 'api.collect' and client_id is not null and data ->> '$.request.body.t' is not null
),
gaps as (
    select
        *,
        lag(request_timestamp) over (
            partition by client_id, event_date order by request_timestamp, log_id
        ) as previous_timestamp
    from hits
),
numbered as (
    select
        *,
        sum(
            case
                when previous_timestamp is null or request_timestamp >= previous_timestamp + interval 30 minute then 1
                else 0
            end
        ) over (partition by client_id, event_date order by request_timestamp, log_id) as session_number
    from gaps
),
sessions as (
    select
        * exclude (previous_timestamp, session_number),
        md5(client_id || '|' || event_date::varchar || '|' || session_number::varchar) as session_id
    from numbered
)
select
    *,
    array_agg(distinct user_id) filter (where user_id is not null) over (partition by session_id)
        as session_based_user_ids,
    array_agg(distinct user_ip) filter (where user_ip is not null) over (partition by session_id)
        as session_based_user_ips
from sessions
