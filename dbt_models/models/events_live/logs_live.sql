-- Hits up to now: logs for the dates that are built, and the same SQL over the raw rows for the dates that are not.

with live_hits as (

    {{ select_logs(scope="live") }}

)

select {{ own_columns() }} from {{ ref('logs') }}
where event_date not in (select event_date from {{ ref('live_dates') }})

union all

select {{ own_columns() }} from live_hits
where event_date in (select event_date from {{ ref('live_dates') }})
