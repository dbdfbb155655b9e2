-- Who was there is who sent a hit of logs, bots left out: every client and user of a date once a property, and once in all.
with present as (
    select event_date, event_at, tracking_id, 'client' as id_kind, client_id as id from events.logs
    where event_date >= $start and event_date < $end and not is_bot and client_id is not null
    union all
    select event_date, event_at, tracking_id, 'user', user_id from events.logs
    where event_date >= $start and event_date < $end and not is_bot and user_id is not null
),
by_property as (
    select event_date, tracking_id, id_kind, id, min(event_at) as first_event_at, count(*) as hits
    from present group by event_date, tracking_id, id_kind, id
),
scoped as (
    select * from by_property
    union all
    select event_date, '(all)', id_kind, id, min(first_event_at), sum(hits)
    from by_property group by event_date, id_kind, id
),
must as (
    select event_date, tracking_id || ' ' || id_kind || ' ' || id as place, first_event_at, cast(hits as bigint) as hits from scoped
),
made as (
    select event_date, tracking_id || ' ' || id_kind || ' ' || id as place, first_event_at, hits from events.daily_visitors
    where event_date >= $start and event_date < $end
)
