{#
    The overview of a period: one row a period and tracking id, and one over all of them ('(all)'), bots left out and counted
    apart. `unit` is hour or day. Every hour of the window's dates has a row, hits or not, for each tracking id of its date.
#}
{% macro overview(unit) -%}
{%- set period = "cast(" ~ dbt.date_trunc(unit, "event_at") ~ " as timestamp)" -%}
{%- set grouping = "event_date, period, rollup(tracking_id)" -%}
{%- set scope = "case when grouping(tracking_id) = 1 then '(all)' else tracking_id end as tracking_id" -%}

with hits as (

    select *, {{ period }} as period
    from {{ ref('logs') }}
    where {{ in_window() }}

),

product_actions as (

    select *, {{ period }} as period
    from {{ ref('product_actions') }}
    where not is_bot and {{ in_window() }}

),

purchases as (

    select *, {{ period }} as period
    from {{ ref('purchases') }}
    where not is_bot and {{ in_window() }}

),

visitors as (

    select *, cast({{ dbt.date_trunc(unit, "first_event_at") }} as timestamp) as first_period
    from {{ ref('daily_visitors') }}
    where {{ in_window() }}

),

window_dates as (

    {{ window_dates(ref('logs')) }}

),

scopes as (

    select event_date, '(all)' as tracking_id from window_dates
    union
    select event_date, tracking_id from hits

),

periods as (

    select
        scopes.event_date,
        scopes.tracking_id,
        {% if unit == "hour" -%}
        {{ dbt.dateadd("hour", "hours.hour", "cast(scopes.event_date as timestamp)") }} as period
        {%- else -%}
        cast(scopes.event_date as timestamp) as period
        {%- endif %}
    from scopes
    {%- if unit == "hour" %}
    cross join (
        {%- for hour in range(24) %}
        select {{ hour }} as hour{{ " union all" if not loop.last }}
        {%- endfor %}
    ) as hours
    {%- endif %}

),

activity as (

    select
        period,
        {{ scope }},
        count(case when not is_bot then 1 end) as hits,
        count(case when is_bot then 1 end) as bot_hits,
        count(distinct case when not is_bot then session_id end) as count_active_sessions,
        count(case when is_session_start and not is_bot then 1 end) as count_new_sessions,
        count(distinct case when not is_bot then user_id end) as count_active_users,
        count(distinct case when not is_bot then client_id end) as count_active_clients,
        count(case when hit_type = 'pageview' and not is_bot then 1 end) as pageviews
    from hits
    group by {{ grouping }}

),

newcomers as (

    select
        first_period as period,
        tracking_id,
        count(case when id_kind = 'user' and is_new then 1 end) as count_new_users,
        count(case when id_kind = 'client' and is_new then 1 end) as count_new_clients
    from visitors
    group by first_period, tracking_id

),

-- A product that is acted on twice in a session counts once: first one row for each, then the rows are counted.
session_products as (

    select
        event_date,
        period,
        tracking_id,
        product_action,
        session_id,
        product_id,
        count(*) as actions,
        sum(product_quantity) as quantity
    from product_actions
    group by event_date, period, tracking_id, product_action, session_id, product_id

),

product_figures as (

    select
        period,
        {{ scope }},
        {%- for action in ["click", "detail", "add", "remove"] %}
        sum(case when product_action = '{{ action }}' then actions else 0 end) as sum_of_pa_{{ action }},
        count(case when product_action = '{{ action }}' and product_id is not null then 1 end) as pa_{{ action }}s,
        {%- endfor %}
        sum(case when product_action = 'purchase' then quantity else 0 end) as purchased_items,
        count(distinct case when product_action = 'purchase' then product_id end) as purchased_products
    from session_products
    group by {{ grouping }}

),

purchase_figures as (

    select
        period,
        {{ scope }},
        count(*) as transactions,
        count(distinct coalesce(currency_code, '(not set)')) as currencies,
        max(coalesce(currency_code, '(not set)')) as currency_code,
        sum(coalesce(transaction_revenue, 0)) as transaction_revenue,
        sum(coalesce(transaction_tax, 0)) as transaction_tax,
        sum(coalesce(transaction_shipping, 0)) as transaction_shipping
    from purchases
    group by {{ grouping }}

)

select
    periods.event_date,
    periods.period,
    periods.tracking_id,
    coalesce(activity.hits, 0) as hits,
    coalesce(activity.bot_hits, 0) as bot_hits,
    coalesce(activity.count_active_sessions, 0) as count_active_sessions,
    coalesce(activity.count_new_sessions, 0) as count_new_sessions,
    coalesce(activity.count_active_users, 0) as count_active_users,
    coalesce(newcomers.count_new_users, 0) as count_new_users,
    coalesce(activity.count_active_clients, 0) as count_active_clients,
    coalesce(newcomers.count_new_clients, 0) as count_new_clients,
    coalesce(activity.pageviews, 0) as pageviews,
    {%- for action in ["click", "detail", "add", "remove"] %}
    cast(coalesce(product_figures.sum_of_pa_{{ action }}, 0) as bigint) as sum_of_pa_{{ action }},
    coalesce(product_figures.pa_{{ action }}s, 0) as pa_{{ action }}s,
    {%- endfor %}
    coalesce(purchase_figures.transactions, 0) as transactions,
    case when purchase_figures.currencies = 1 then purchase_figures.currency_code end as currency_code,
    cast(
        case when coalesce(purchase_figures.currencies, 0) <= 1 then coalesce(purchase_figures.transaction_revenue, 0) end
        as decimal(38, 9)
    ) as transaction_revenue,
    cast(
        case when coalesce(purchase_figures.currencies, 0) <= 1 then coalesce(purchase_figures.transaction_tax, 0) end
        as decimal(38, 9)
    ) as transaction_tax,
    cast(
        case when coalesce(purchase_figures.currencies, 0) <= 1 then coalesce(purchase_figures.transaction_shipping, 0) end
        as decimal(38, 9)
    ) as transaction_shipping,
    cast(coalesce(product_figures.purchased_items, 0) as decimal(38, 0)) as purchased_items,
    coalesce(product_figures.purchased_products, 0) as purchased_products
from periods
left join activity on periods.period = activity.period and periods.tracking_id = activity.tracking_id
left join newcomers on periods.period = newcomers.period and periods.tracking_id = newcomers.tracking_id
left join product_figures on periods.period = product_figures.period and periods.tracking_id = product_figures.tracking_id
left join purchase_figures on periods.period = purchase_figures.period and periods.tracking_id = purchase_figures.tracking_id
{%- endmacro %}

{# Money of a period, by tracking id (and '(all)') and currency: what cannot be added up in one overview row. #}
{% macro revenue(unit) -%}
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
