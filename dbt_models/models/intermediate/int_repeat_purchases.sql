-- Purchases whose transaction was seen before, within the lookback: a thank-you page that was opened again. For the dates of the
-- window and the one after it, on which sessions of the window may end.

with purchases as (

    select
        log_id,
        event_date,
        event_at,
        lag(event_at) over (
            partition by tracking_id, upper(transaction_id) order by event_at, received_at, event_id
        ) as previous_at
    from {{ ref('stg_hits') }}
    where
        quarantine_reason is null
        and (product_action = 'purchase' or hit_type = 'transaction')
        and transaction_id is not null
        and {{ in_window(days_before=var('lookback_days'), days_after=1) }}

)

select log_id
from purchases
where
    {{ in_window(days_after=1) }}
    and event_at <= {{ plus('previous_at', var('lookback_days'), 'days') }}
