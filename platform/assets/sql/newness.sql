-- Who counts as known was seen within the preceding $lookback dates; who counts as new was not there on any of them that is up to date.
with visitors as (
    select * from events.visitor_days
    where event_date >= $start and event_date < $end
),
unknown as (
    select event_date, tracking_id, id_kind, id from visitors as v
    where
        not is_new and id_kind = 'client'
        and not exists (
            select 1 from staging.stg_hits as s
            where
                s.event_date >= $lookback_start and s.event_date < $end
                and s.client_id = v.id and s.event_date < v.event_date
                and s.event_date >= v.event_date - interval '$lookback days'
                and (v.tracking_id = '(all)' or s.tracking_id = v.tracking_id)
        )
    union all
    select event_date, tracking_id, id_kind, id from visitors as v
    where
        not is_new and id_kind = 'user'
        and not exists (
            select 1 from staging.stg_hits as s
            where
                s.event_date >= $lookback_start and s.event_date < $end
                and s.user_id = v.id and s.event_date < v.event_date
                and s.event_date >= v.event_date - interval '$lookback days'
                and (v.tracking_id = '(all)' or s.tracking_id = v.tracking_id)
        )
),
before as (
    select event_date, tracking_id, id_kind, id from events.visitor_days
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
