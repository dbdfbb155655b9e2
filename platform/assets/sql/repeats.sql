-- A purchase is a repeat when, and only when, the same order of the same property was bought within the preceding $lookback days.
with orders as (
    select
        event_date, event_at, received_at, event_id, log_id, tracking_id, transaction_id, is_repeat_purchase, is_bot
    from events.logs
    where
        event_date >= $lookback_start and event_date < $end and event_date not in ($stale)
        and (product_action = 'purchase' or hit_type = 'transaction') and not is_refund
        and transaction_id is not null
),
-- What may have made another a repeat, on dates that are behind or not built, too.
accepted as (
    select
        cast(s.log_id as varchar) as log_id,
        max(case when not coalesce(a.is_bot, false) then s.event_at end) over (
            partition by s.tracking_id, s.transaction_id order by s.event_at, s.received_at, s.event_id
            rows between unbounded preceding and 1 preceding
        ) as previous_at
    from staging.stg_hits as s
    left join events.user_agents as a on s.user_agent = a.user_agent
    where
        s.event_date >= $lookback_start and s.event_date < $end
        and (s.product_action = 'purchase' or s.hit_type = 'transaction')
        and s.transaction_id is not null and s.quarantine_reason is null
),
causeless as (
    select o.event_date, o.event_id, o.transaction_id
    from orders as o
    left join accepted as a on o.log_id = a.log_id
    where
        o.event_date >= $start and o.is_repeat_purchase
        and (a.previous_at is null or o.event_at > a.previous_at + interval '$lookback days')
),
counting as (
    select
        *, lag(event_at) over (partition by tracking_id, transaction_id order by event_at, received_at, event_id) as previous_at
    from orders
    where not is_repeat_purchase and not is_bot
),
overlooked as (
    select event_date, event_id, transaction_id from counting
    where event_date >= $start and event_at <= previous_at + interval '$lookback days'
),
made as (
    select distinct event_date, 'hit ' || event_id || ' of order ' || transaction_id as place, true as is_repeat_purchase from causeless
    union all
    select distinct event_date, 'hit ' || event_id || ' of order ' || transaction_id, false from overlooked
),
must as (
    select * from made where false
)
