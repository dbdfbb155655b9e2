{#
    What the overview counts, by period and tracking id, as common table expressions: visits (`activity`, `newcomers`) and sales
    (`product_figures`, `purchase_figures`) from the relations of `overview_inputs`. '(all)' counts anew, since who or what is
    there under two tracking ids counts once.
#}
{% macro overview_traffic() -%}
activity as (

    select
        period,
        {{ overview_scope() }},
        count(case when not is_bot then 1 end) as hits,
        count(case when is_bot then 1 end) as bot_hits,
        count(distinct case when not is_bot then session_id end) as count_active_sessions,
        count(case when is_session_start and not is_bot then 1 end) as count_new_sessions,
        count(distinct case when not is_bot then user_id end) as count_active_users,
        count(distinct case when not is_bot then client_id end) as count_active_clients,
        count(case when hit_type = 'pageview' and not is_bot then 1 end) as pageviews
    from hits
    group by {{ overview_grouping() }}

),

newcomers as (

    select
        first_period as period,
        tracking_id,
        count(case when id_kind = 'user' and is_new then 1 end) as count_new_users,
        count(case when id_kind = 'client' and is_new then 1 end) as count_new_clients
    from visitors
    group by first_period, tracking_id

)
{%- endmacro %}

{% macro overview_sales() -%}
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
        {{ overview_scope() }},
        {%- for action in ["click", "detail", "add", "remove"] %}
        sum(case when product_action = '{{ action }}' then actions else 0 end) as sum_of_pa_{{ action }},
        count(case when product_action = '{{ action }}' and product_id is not null then 1 end) as pa_{{ action }}s,
        {%- endfor %}
        sum(case when product_action = 'purchase' then quantity else 0 end) as purchased_items,
        count(distinct case when product_action = 'purchase' then product_id end) as purchased_products
    from session_products
    group by {{ overview_grouping() }}

),

purchase_figures as (

    select
        period,
        {{ overview_scope() }},
        count(*) as transactions,
        count(distinct coalesce(currency_code, '(not set)')) as currencies,
        max(coalesce(currency_code, '(not set)')) as currency_code,
        sum(coalesce(transaction_revenue, 0)) as transaction_revenue,
        sum(coalesce(transaction_tax, 0)) as transaction_tax,
        sum(coalesce(transaction_shipping, 0)) as transaction_shipping
    from purchases
    group by {{ overview_grouping() }}

)
{%- endmacro %}

{# One row for each tracking id of a period, and one for all of them. #}
{% macro overview_grouping() -%}
    event_date, period, rollup(tracking_id)
{%- endmacro %}

{% macro overview_scope() -%}
    case when grouping(tracking_id) = 1 then '(all)' else tracking_id end as tracking_id
{%- endmacro %}
