-- A client's retry is what it sent before, within $retry_hours hours, under the same cache buster (z): such a hit is in duplicates and
-- not in logs, and what is in duplicates as a retry had such a hit before it. Of hits without any namesake nothing is read but z.
with shared as (
    select cache_buster from staging.stg_hits
    where event_date >= $day_before and event_date < $end and cache_buster is not null
    group by cache_buster
    having count(*) > 1
),
attempts as (
    select
        event_date, event_at, received_at, event_id, tracking_id, visitor_id, cache_buster, cast(log_id as varchar) as row_id
    from staging.stg_hits
    where
        event_date >= $day_before and event_date < $end
        and cache_buster in (select cache_buster from shared)
        and quarantine_reason is null
),
kept as (
    select
        a.event_date, a.event_at, a.received_at, a.event_id, a.tracking_id, a.visitor_id, a.cache_buster,
        l.hit_type, l.product_action, l.transaction_id, l.document_location, l.event_category, l.event_action, l.event_label
    from attempts as a
    inner join events.logs as l on a.row_id = l.log_id and l.event_date >= $start and l.event_date < $end
),
unmarked as (
    select b.event_date, b.event_id
    from kept as a
    inner join kept as b
        on
            a.tracking_id = b.tracking_id and a.visitor_id = b.visitor_id and a.cache_buster = b.cache_buster
            and a.event_id <> b.event_id
            and (a.event_at < b.event_at or (a.event_at = b.event_at and a.received_at < b.received_at))
            and b.event_at <= a.event_at + interval '$retry_hours hours'
            and a.hit_type = b.hit_type
            and coalesce(a.product_action, '') = coalesce(b.product_action, '')
            and coalesce(a.transaction_id, '') = coalesce(b.transaction_id, '')
            and coalesce(a.document_location, '') = coalesce(b.document_location, '')
            and coalesce(a.event_category, '') = coalesce(b.event_category, '')
            and coalesce(a.event_action, '') = coalesce(b.event_action, '')
            and coalesce(a.event_label, '') = coalesce(b.event_label, '')
),
marked as (
    select d.event_date, a.event_at, a.event_id, a.tracking_id, a.visitor_id, a.cache_buster
    from events.duplicates as d
    left join attempts as a on d.log_id = a.row_id
    where d.event_date >= $start and d.event_date < $end and d.duplicate_kind = 'client_retry'
),
causeless as (
    select event_date, coalesce(event_id, '(none)') as event_id from marked as m
    where not exists (
        select 1 from attempts as a
        where
            a.tracking_id = m.tracking_id and a.visitor_id = m.visitor_id and a.cache_buster = m.cache_buster
            and a.event_id <> m.event_id
            and a.event_at <= m.event_at and a.event_at >= m.event_at - interval '$retry_hours hours'
    )
),
made as (
    select distinct event_date, 'hit ' || event_id as place, false as is_retry from unmarked
    union all
    select distinct event_date, 'hit ' || event_id, true from causeless
),
must as (
    select * from made where false
)
