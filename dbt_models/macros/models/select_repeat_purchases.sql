{#
    Purchases whose transaction was seen before, within the lookback: a thank-you page that was opened again.
#}
{% macro select_repeat_purchases(scope="window") -%}
with purchases as (

    -- Copies of one delivery are one purchase.
    select
        event_date,
        event_id,
        tracking_id,
        upper(transaction_id) as transaction_id,
        min(event_at) as event_at,
        min(received_at) as received_at
    from {{ ref('stg_hits') }}
    where
        quarantine_reason is null
        and {{ is_purchase() }}
        and transaction_id is not null
        and {{ in_window(scope=scope, days_before=var('lookback_days')) }}
    group by event_date, event_id, tracking_id, upper(transaction_id)

),

ordered as (

    select
        event_date,
        event_id,
        event_at,
        lag(event_at) over (
            partition by tracking_id, transaction_id order by event_at, received_at, event_id
        ) as previous_at
    from purchases

)

select distinct event_date, event_id
from ordered
where
    {{ in_window(scope=scope) }}
    and event_at <= {{ plus('previous_at', var('lookback_days'), 'days') }}
{%- endmacro %}
