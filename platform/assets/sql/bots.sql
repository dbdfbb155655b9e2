-- A hit is a bot's when its user agent is a known machine's, and of the device that its user agent tells.
with hits as (
    select event_date, user_agent_id, is_bot, device_type, count(*) as hits from events.logs
    where event_date >= $start and event_date < $end
    group by event_date, user_agent_id, is_bot, device_type
),
must as (
    select
        h.event_date, 'user agent ' || coalesce(h.user_agent_id, '(none)') as place,
        coalesce(a.is_bot, false) as is_bot, a.device_type, sum(h.hits) as hits
    from hits as h
    left join events.user_agents as a on h.user_agent_id = a.user_agent_id
    group by h.event_date, h.user_agent_id, coalesce(a.is_bot, false), a.device_type
),
made as (
    select event_date, 'user agent ' || coalesce(user_agent_id, '(none)') as place, is_bot, device_type, hits from hits
)
