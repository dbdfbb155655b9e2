{#
    What purchases and refunds come to: one row a hit of the dates in scope that is either, with whether it says again what an
    earlier one said, and what is refunded in which currency.

    A purchase counts that is no copy, no retry, no bot's and no repeat; only one that is none of the first three makes a later
    one a repeat. A whole refund (one without products) takes back the last purchase that counts, and counts once.

    So a refund looks 30 days back for its purchase, that another 30 for what it repeats, and that a day for what it is a retry
    of. Retries need no other hits than these, since a retry has the action, type and transaction of what it repeats.
#}
{% macro select_orders(scope="window") -%}
{%- set order = "partition by tracking_id, transaction_id order by event_at, received_at, event_id" -%}
{%- set so_far = order ~ " rows between unbounded preceding and current row" -%}
{%- set before = order ~ " rows between unbounded preceding and 1 preceding" -%}
{%- set reach = 2 * var('lookback_days') + 1 -%}
with movements as (

    select
        log_id, event_id, event_date, event_at, received_at, tracking_id, visitor_id, cache_buster, user_agent, currency_code,
        {{ retry_content() | join(", ") }},
        revenue_number as revenue
    from {{ ref('stg_hits') }}
    where
        quarantine_reason is null
        and (product_action in ('purchase', 'refund') or hit_type = 'transaction')
        and {{ in_window(scope=scope, days_before=reach) }}

),

-- Whatever else was delivered under the same event id may be the first of its copies.
hits as (

    select hits.log_id, hits.event_id, hits.event_date, hits.event_at, hits.received_at, hits.tracking_id, hits.visitor_id, hits.cache_buster
    from {{ ref('stg_hits') }} as hits
    inner join (select distinct event_date, event_id from movements) as wanted
        on hits.event_date = wanted.event_date and hits.event_id = wanted.event_id
    where
        hits.quarantine_reason is null
        and {{ in_window(column="hits.event_date", scope=scope, days_before=reach) }}

),

{{ duplicates_among("hits", "movements") }},

refund_bodies as (

    select log_id, req_body
    from {{ ref('stg_hits') }}
    where
        quarantine_reason is null
        and (product_action = 'refund' or hit_type = 'transaction')
        and {{ in_window(scope=scope, days_before=var('lookback_days')) }}

),

refunds_with_products as (

    {{ hits_with_products('refund_bodies') }}

),

kinds as (

    select
        movements.*,
        {{ is_purchase(revenue="movements.revenue", of="movements.") }} as is_purchase,
        {{ is_refund(revenue="movements.revenue", of="movements.") }} as is_refund,
        {{ is_refund(revenue="movements.revenue", of="movements.") }} and refunds_with_products.log_id is null as is_whole_refund,
        coalesce(user_agents.is_bot, false) as is_bot
    from movements
    left join duplicates on movements.log_id = duplicates.log_id
    left join refunds_with_products on movements.log_id = refunds_with_products.log_id
    left join {{ ref('stg_user_agents') }} as user_agents on movements.user_agent = user_agents.user_agent
    where duplicates.log_id is null

),

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
where {{ in_window(column="paid.event_date", scope=scope) }}
{%- endmacro %}
