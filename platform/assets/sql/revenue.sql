-- Every figure of revenue_1h and revenue_1d counted from purchases and refunds: an hour or a day of a property (or of all), by currency.
with movements as (
    select
        event_date, extract(hour from event_at) as at_hour, tracking_id, coalesce(currency_code, '(not set)') as currency,
        1 as transactions, transaction_revenue, transaction_tax, transaction_shipping, 0 as refunds, null as refunded_revenue
    from events.purchases
    where event_date >= $start and event_date < $end and not is_bot
    union all
    select
        event_date, extract(hour from event_at), tracking_id, coalesce(refund_currency_code, '(not set)'),
        0, null, null, null, 1, refund_amount
    from events.logs
    where event_date >= $start and event_date < $end and not is_bot and is_refund and not is_repeat_refund
),
added as (
    select
        event_date, at_hour, tracking_id, currency, grouping(at_hour) as whole_day, grouping(tracking_id) as all_properties,
        sum(transactions) as transactions,
        coalesce(sum(transaction_revenue), 0) as transaction_revenue,
        coalesce(sum(transaction_tax), 0) as transaction_tax,
        coalesce(sum(transaction_shipping), 0) as transaction_shipping,
        sum(refunds) as refunds,
        coalesce(sum(refunded_revenue), 0) as refunded_revenue
    from movements
    group by grouping sets (
        (event_date, currency, at_hour, tracking_id), (event_date, currency, at_hour),
        (event_date, currency, tracking_id), (event_date, currency)
    )
),
must as (
    select
        event_date,
        case all_properties when 1 then '(all)' else tracking_id end
        || case whole_day when 1 then ' day ' else ' hour ' || at_hour || ' ' end || currency as place,
        transactions, transaction_revenue, transaction_tax, transaction_shipping, refunds, refunded_revenue,
        true as average_fits
    from added
),
rows_made as (
    select *, tracking_id || ' hour ' || extract(hour from period) || ' ' || currency_code as place from stats.revenue_1h
    where event_date >= $start and event_date < $end
    union all
    select *, tracking_id || ' day ' || currency_code from stats.revenue_1d
    where event_date >= $start and event_date < $end
),
made as (
    select
        *,
        -- Rounded to hundredths: within half of one.
        case
            when transactions = 0 then avg_order_value is null
            else coalesce(abs(avg_order_value * transactions - transaction_revenue) * 200 <= transactions, false)
        end as average_fits
    from rows_made
)
