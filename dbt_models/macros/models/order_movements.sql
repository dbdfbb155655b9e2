{#
    Purchases and refunds as common table expressions, the last of them `kinds`: what each of them is, copies and retries left out.

    A refund looks 30 days back for its purchase, that another 30 for what it repeats, and that a day for what it is a retry
    of. Retries need no other hits than these, since a retry has the action, type and transaction of what it repeats.
#}
{% macro order_movements(scope) -%}
{%- set reach = 2 * var('lookback_days') + 1 -%}
superseded as (

    {{ superseded(scope, days_before=reach, days_after=1) }}

),

movements as (

    select
        log_id, event_id, event_date, event_at, received_at, tracking_id, visitor_id, cache_buster, user_agent, currency_code,
        {{ retry_content() | join(", ") }},
        {{ to_decimal('transaction_revenue') }} as revenue
    from {{ ref('stg_hits') }}
    where
        quarantine_reason is null
        and (product_action in ('purchase', 'refund') or hit_type = 'transaction')
        and {{ in_window(scope=scope, days_before=reach, days_after=1) }}
        and log_id not in (select log_id from superseded)

),

-- Whatever else was delivered under the same event id may be the first of its copies.
hits as (

    select hits.log_id, hits.event_id, hits.event_date, hits.event_at, hits.received_at, hits.tracking_id, hits.visitor_id, hits.cache_buster
    from {{ ref('stg_hits') }} as hits
    inner join (select distinct event_date, event_id from movements) as wanted
        on hits.event_date = wanted.event_date and hits.event_id = wanted.event_id
    where
        hits.quarantine_reason is null
        and {{ in_window(column="hits.event_date", scope=scope, days_before=reach, days_after=1) }}
        and hits.log_id not in (select log_id from superseded)

),

{{ duplicates_among("hits", "movements") }},

-- Bodies are read of these few hits only.
refund_bodies as (

    select hits.log_id, hits.req_body
    from {{ ref('stg_hits') }} as hits
    inner join movements on hits.log_id = movements.log_id
    where
        (movements.product_action = 'refund' or movements.hit_type = 'transaction')
        and {{ in_window(column="hits.event_date", scope=scope, days_before=var('lookback_days'), days_after=1) }}

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

)
{%- endmacro %}
