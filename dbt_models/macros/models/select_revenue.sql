{# Money of a period, by tracking id (and '(all)') and currency: what cannot be added up in one overview row. #}
{% macro select_revenue(unit) -%}
{%- set period = "cast(" ~ dbt.date_trunc(unit, "event_at") ~ " as timestamp)" -%}

with purchases as (

    select
        event_date, event_at, tracking_id, currency_code, transaction_revenue, transaction_tax, transaction_shipping,
        1 as transactions, 0 as refunds, cast(0 as decimal(38, 9)) as refunded_revenue
    from {{ ref('purchases') }}
    where not is_bot and {{ in_window() }}

),

refunds as (

    select
        event_date, event_at, tracking_id, refund_currency_code as currency_code,
        cast(0 as decimal(38, 9)) as transaction_revenue,
        cast(0 as decimal(38, 9)) as transaction_tax,
        cast(0 as decimal(38, 9)) as transaction_shipping,
        0 as transactions, 1 as refunds, refund_amount as refunded_revenue
    from {{ ref('logs') }}
    where is_refund and not is_repeat_refund and not is_bot and {{ in_window() }}

),

movements as (

    select * from purchases
    union all
    select * from refunds

),

by_period as (

    select *, {{ period }} as period, coalesce(currency_code, '(not set)') as currency
    from movements

),

figures as (

    select
        event_date,
        period,
        case when grouping(tracking_id) = 1 then '(all)' else tracking_id end as tracking_id,
        currency as currency_code,
        sum(transactions) as transactions,
        sum(coalesce(transaction_revenue, 0)) as transaction_revenue,
        sum(coalesce(transaction_tax, 0)) as transaction_tax,
        sum(coalesce(transaction_shipping, 0)) as transaction_shipping,
        sum(refunds) as refunds,
        sum(coalesce(refunded_revenue, 0)) as refunded_revenue
    from by_period
    group by event_date, period, currency, rollup(tracking_id)

)

select
    event_date,
    period,
    tracking_id,
    currency_code,
    cast(transactions as bigint) as transactions,
    cast(transaction_revenue as decimal(38, 9)) as transaction_revenue,
    cast(transaction_tax as decimal(38, 9)) as transaction_tax,
    cast(transaction_shipping as decimal(38, 9)) as transaction_shipping,
    {{ average('transaction_revenue', 'transactions') }} as avg_order_value,
    cast(refunds as bigint) as refunds,
    cast(refunded_revenue as decimal(38, 9)) as refunded_revenue
from figures
{%- endmacro %}
