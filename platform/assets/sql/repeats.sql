-- A purchase is a repeat when, and only when, the same order of the same property was bought within the preceding $lookback days.
with orders as (
    select
        event_date, event_at, received_at, event_id, tracking_id, transaction_id, is_repeat_purchase, is_bot
    from events.logs
    where
        event_date >= $lookback_start and event_date < $end and event_date not in ($stale)
        and (product_action = 'purchase' or hit_type = 'transaction')
        and transaction_id is not null
),
-- What may have made another a repeat, on dates that are behind or not built, too.
accepted as (
    select event_at, received_at, event_id, tracking_id, transaction_id from staging.stg_hits
    where
        event_date >= $lookback_start and event_date < $end
        and (product_action = 'purchase' or hit_type = 'transaction')
        and transaction_id is not null and quarantine_reason is null
),
causeless as (
    select event_date, event_id, transaction_id from orders as o
    where
        event_date >= $start and is_repeat_purchase
        and not exists (
            select 1 from accepted as a
            where
                a.tracking_id = o.tracking_id and upper(a.transaction_id) = upper(o.transaction_id) and a.event_id <> o.event_id
                and a.event_at <= o.event_at and a.event_at >= o.event_at - interval '$lookback days'
        )
),
overlooked as (
    select o.event_date, o.event_id, o.transaction_id
    from orders as o
    inner join orders as a
        on
            o.tracking_id = a.tracking_id and o.transaction_id = a.transaction_id
            and a.event_at >= o.event_at - interval '$lookback days'
            and (a.event_at < o.event_at or (a.event_at = o.event_at and a.received_at < o.received_at))
    where
        o.event_date >= $start and not o.is_repeat_purchase and not o.is_bot and not a.is_repeat_purchase and not a.is_bot
),
made as (
    select distinct event_date, 'hit ' || event_id || ' of order ' || transaction_id as place, true as is_repeat_purchase from causeless
    union all
    select distinct event_date, 'hit ' || event_id || ' of order ' || transaction_id, false from overlooked
),
must as (
    select * from made where false
)
