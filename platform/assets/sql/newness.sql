-- Who counts as known was seen within the preceding $lookback dates; who counts as new was not there on any of them that is up to date.
with visitors as (
    select * from events.daily_visitors
    where event_date >= $start and event_date < $end
),
known_ids as (
    select distinct id_kind, id from visitors where not is_new
),
-- Everybody's dates, whoever was a bot or a retry included: of a property, and of all.
sightings as (
    select s.event_date, s.tracking_id, k.id_kind, k.id
    from staging.stg_hits as s
    inner join known_ids as k on s.client_id = k.id and k.id_kind = 'client'
    where s.event_date >= $lookback_start and s.event_date < $end
    group by s.event_date, s.tracking_id, k.id_kind, k.id
    union all
    select s.event_date, s.tracking_id, k.id_kind, k.id
    from staging.stg_hits as s
    inner join known_ids as k on s.user_id = k.id and k.id_kind = 'user'
    where s.event_date >= $lookback_start and s.event_date < $end
    group by s.event_date, s.tracking_id, k.id_kind, k.id
),
dates as (
    select
        event_date, tracking_id, id_kind, id,
        lag(event_date) over (partition by tracking_id, id_kind, id order by event_date) as previous_date
    from (
        select * from sightings
        union
        select event_date, '(all)', id_kind, id from sightings
    ) as scoped
),
unknown as (
    select v.event_date, v.tracking_id, v.id_kind, v.id
    from visitors as v
    left join dates as d
        on v.event_date = d.event_date and v.tracking_id = d.tracking_id and v.id_kind = d.id_kind and v.id = d.id
    where not v.is_new and (d.previous_date is null or d.previous_date < v.event_date - interval '$lookback days')
),
before as (
    select event_date, tracking_id, id_kind, id from events.daily_visitors
    where event_date >= $lookback_start and event_date < $end and event_date not in ($stale)
),
known as (
    select distinct v.event_date, v.tracking_id, v.id_kind, v.id
    from visitors as v
    inner join before as b
        on
            v.id = b.id and v.id_kind = b.id_kind and v.tracking_id = b.tracking_id
            and b.event_date < v.event_date and b.event_date >= v.event_date - interval '$lookback days'
    where v.is_new
),
made as (
    select event_date, id_kind || ' ' || id || ' of ' || tracking_id as place, false as is_new from unknown
    union all
    select event_date, id_kind || ' ' || id || ' of ' || tracking_id, true from known
),
must as (
    select * from made where false
)
