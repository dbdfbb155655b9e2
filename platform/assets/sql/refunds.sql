-- A refund gives back its own amount, whatever its sign, in its own currency; one that names none what the order brought. A whole
-- refund, one without products, counts once. Of orders that were bought several times it is not told here which purchase was meant.
with refunds as (
    select *, case when transaction_revenue is not null then abs(transaction_revenue) end as own_amount from events.logs
    where
        event_date >= $start and event_date < $end
        and (product_action = 'refund' or (hit_type = 'transaction' and transaction_revenue < 0))
),
bought as (
    select tracking_id, transaction_id, max(transaction_revenue) as revenue, max(currency_code) as currency_code
    from events.purchases
    where event_date >= $lookback_start and event_date < $end and transaction_id is not null and not is_bot
    group by tracking_id, transaction_id
    having count(*) = 1
),
judged as (
    select
        r.event_date, 'hit ' || r.event_id || ' of order ' || coalesce(r.transaction_id, '(none)') as place,
        r.refund_amount, r.refund_currency_code,
        coalesce(r.own_amount, case when r.refund_amount is not null then coalesce(b.revenue, r.refund_amount) end) as amount,
        coalesce(
            r.currency_code,
            case when r.own_amount is null and r.refund_amount is not null then b.currency_code end,
            r.refund_currency_code
        ) as currency
    from refunds as r
    left join bought as b on r.tracking_id = b.tracking_id and r.transaction_id = b.transaction_id
),
with_products as (
    select distinct log_id from events.product_actions
    where event_date >= $start and event_date < $end and product_action = 'refund'
),
whole as (
    select
        r.event_date, r.event_id, r.transaction_id, r.event_at, r.refund_amount, r.refund_currency_code,
        lag(r.event_at) over (
            partition by r.tracking_id, r.transaction_id order by r.event_at, r.received_at, r.event_id
        ) as previous_at
    from refunds as r
    left join with_products as p on r.log_id = p.log_id
    where p.log_id is null and not r.is_repeat_refund and not r.is_bot and r.transaction_id is not null
),
must as (
    select event_date, place, amount as refund_amount, currency as refund_currency_code from judged
),
made as (
    select event_date, place, refund_amount, refund_currency_code from judged
    union all
    select event_date, 'once more hit ' || event_id || ' of order ' || transaction_id, refund_amount, refund_currency_code
    from whole
    where event_at <= previous_at + interval '$lookback days'
)
