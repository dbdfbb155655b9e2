-- Product actions up to now: the mart for the dates that are built, and the same SQL over the live hits for the dates that are not.

with live_hits as (

    select * from {{ ref('logs_live') }}
    where event_date in (select event_date from {{ ref('live_dates') }})

)

select {{ own_columns() }} from {{ ref('product_actions') }}
where event_date not in (select event_date from {{ ref('live_dates') }})

union all

select {{ own_columns() }} from (
    {{ select_product_actions('live_hits') }}
) as live_rows
