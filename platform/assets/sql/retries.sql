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
        event_date, event_at, event_id, cache_buster, cast(log_id as varchar) as row_id,
        lag(event_at) over (
            partition by
                tracking_id, visitor_id, cache_buster, hit_type, product_action, transaction_id, document_location,
                event_category, event_action, event_label
            order by event_at, received_at, event_id
        ) as previous_at
    from staging.stg_hits
    where
        event_date >= $day_before and event_date < $end
        and cache_buster in (select cache_buster from shared)
        and quarantine_reason is null
),
kept as (
    select
        l.event_date, l.event_id, l.event_at,
        lag(l.event_at) over (
            partition by
                l.tracking_id, l.visitor_id, a.cache_buster, l.hit_type, l.product_action, l.transaction_id, l.document_location,
                l.event_category, l.event_action, l.event_label
            order by l.event_at, l.received_at, l.event_id
        ) as previous_at
    from events.logs as l
    inner join attempts as a on l.log_id = a.row_id
    where l.event_date >= $start and l.event_date < $end
),
marked as (
    select d.event_date, d.event_id, d.event_at, a.previous_at
    from events.duplicates as d
    left join attempts as a on d.log_id = a.row_id
    where d.event_date >= $start and d.event_date < $end and d.duplicate_kind = 'client_retry'
),
made as (
    select distinct event_date, 'hit ' || event_id as place, false as is_retry from kept
    where event_at <= previous_at + interval '$retry_hours hours'
    union all
    select distinct event_date, 'hit ' || event_id, true from marked
    where previous_at is null or event_at > previous_at + interval '$retry_hours hours'
),
must as (
    select * from made where false
)
