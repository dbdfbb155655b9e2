{#
    What purchases and refunds come to: one row a hit of the dates in scope, or of the date after them, that is either, with whether it says again what an
    earlier one said, and what is refunded in which currency.

    A purchase counts that is no copy, no retry, no bot's and no repeat; only one that is none of the first three makes a later
    one a repeat. A whole refund (one without products) takes back the last purchase that counts, and counts once.
#}
{% macro select_orders(scope="window") -%}
{%- set order = "partition by tracking_id, transaction_id order by event_at, received_at, event_id" -%}
{%- set so_far = order ~ " rows between unbounded preceding and current row" -%}
{%- set before = order ~ " rows between unbounded preceding and 1 preceding" -%}
with {{ order_movements(scope) }},

preceded as (

    select
        *,
        max(case when is_purchase and not is_bot and transaction_id is not null then event_at end) over ({{ before }}) as purchase_at,
        max(case when is_whole_refund and not is_bot and transaction_id is not null then event_at end) over ({{ before }}) as whole_refund_at
    from kinds

),

judged as (

    select
        *,
        coalesce(is_purchase and event_at <= {{ plus('purchase_at', var('lookback_days'), 'days') }}, false) as is_repeat_purchase,
        coalesce(is_whole_refund and event_at <= {{ plus('whole_refund_at', var('lookback_days'), 'days') }}, false) as is_repeat_refund
    from preceded

),

paid as (

    select
        *,
        {{ last_known(
            "case when is_purchase and not is_bot and not is_repeat_purchase and transaction_id is not null then log_id end", so_far
        ) }} as paid_by
    from judged

)

select
    paid.log_id,
    paid.is_refund,
    paid.is_repeat_purchase,
    paid.is_repeat_refund,
    case
        when paid.is_refund
            then coalesce(abs(paid.revenue), case when paid.is_whole_refund then purchases.revenue end)
    end as refund_amount,
    case when paid.is_refund then coalesce(paid.currency_code, purchases.currency_code) end as refund_currency_code
from paid
left join judged as purchases
    on
        paid.is_refund
        and paid.paid_by = purchases.log_id
        and paid.event_at <= {{ plus('purchases.event_at', var('lookback_days'), 'days') }}
where {{ in_window(column="paid.event_date", scope=scope, days_after=1) }}
{%- endmacro %}
