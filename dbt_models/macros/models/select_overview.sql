{#
    The overview of a period: one row a period and tracking id, and one over all of them ('(all)'), bots left out and counted
    apart. `unit` is hour or day. Every hour of the window's dates has a row, hits or not, for each tracking id of its date.
#}
{% macro select_overview(unit) -%}
with {{ overview_inputs(unit) }},

{{ overview_periods(unit) }},

{{ overview_traffic() }},

{{ overview_sales() }}

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

{# What is read, each row with its period, as common table expressions. #}
{% macro overview_inputs(unit) -%}
{%- set period = "cast(" ~ dbt.date_trunc(unit, "event_at") ~ " as timestamp)" -%}
hits as (

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

)
{%- endmacro %}
