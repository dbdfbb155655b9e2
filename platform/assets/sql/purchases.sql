-- The purchases are the purchase hits of logs that repeat no earlier one, with all of their money.
with bought as (
    select *, extract(hour from event_at) as at_hour from events.logs
    where
        event_date >= $start and event_date < $end
        and (product_action = 'purchase' or hit_type = 'transaction')
        and not is_refund and not is_repeat_purchase
),
kept as (
    select *, extract(hour from event_at) as at_hour from events.purchases
    where event_date >= $start and event_date < $end
),
must as (
    select
        event_date,
        tracking_id || ' hour ' || at_hour || case when is_bot then ' bots ' else ' ' end || coalesce(currency_code, '(not set)') as place,
        count(*) as purchases,
        count(transaction_id) as orders,
        count(distinct session_id) as sessions,
        coalesce(sum(transaction_revenue), 0) as revenue,
        coalesce(sum(transaction_tax), 0) as tax,
        coalesce(sum(transaction_shipping), 0) as shipping
    from bought
    group by event_date, tracking_id, at_hour, is_bot, currency_code
),
made as (
    select
        event_date,
        tracking_id || ' hour ' || at_hour || case when is_bot then ' bots ' else ' ' end || coalesce(currency_code, '(not set)') as place,
        count(*) as purchases,
        count(case when not is_missing_transaction_id then transaction_id end) as orders,
        count(distinct session_id) as sessions,
        coalesce(sum(transaction_revenue), 0) as revenue,
        coalesce(sum(transaction_tax), 0) as tax,
        coalesce(sum(transaction_shipping), 0) as shipping
    from kept
    group by event_date, tracking_id, at_hour, is_bot, currency_code
)
