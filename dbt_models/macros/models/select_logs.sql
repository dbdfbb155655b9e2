{#
    Hits, enriched and sessionized: one row an accepted hit that repeats no other.
#}
{% macro select_logs(scope="window") -%}
with hits as (

    select * from {{ ref('stg_hits') }}
    where {{ in_window(scope=scope) }}

),

session_hits as (

    select * from {{ ref('int_session_hits' ~ scope_suffix(scope)) }}

),

-- A session's hits of the next day count too: the lists are the same whichever date is built. An event id that came on two
-- dates may have begun a session on each, of one id.
session_bounds as (

    select
        session_id,
        session_started_at,
        min(visitor_hit_number) as first_hit_number,
        min(user_id) as least_user_id,
        max(user_id) as greatest_user_id,
        min(user_ip) as least_user_ip,
        max(user_ip) as greatest_user_ip
    from session_hits
    group by session_id, session_started_at

),

{{ session_list("user_ids", "user_id") }},

{{ session_list("user_ips", "user_ip") }},

-- Said once more, so that DuckDB guesses these few columns to be the smaller side of the join, and not all of hits.
window_session_hits as (

    select log_id, session_id, session_started_at, is_session_start, visitor_hit_number from session_hits
    where {{ in_window(scope=scope) }}

),

orders as (

    select * from {{ ref('int_orders' ~ scope_suffix(scope)) }}

),

user_agents as (

    select * from {{ ref('stg_user_agents') }}

)

select
    hits.event_date,
    hits.event_at,
    hits.received_at,
    hits.request_timestamp,
    hits.request_id,
    hits.event_id,
    hits.tracking_id,
    cast(session_hits.session_id as varchar) as session_id,
    session_hits.session_started_at,
    session_hits.is_session_start,
    session_hits.visitor_hit_number - session_bounds.first_hit_number + 1 as session_hit_number,
    hits.client_id,
    hits.user_id,
    hits.visitor_id,
    coalesce(user_ids.list, session_bounds.least_user_id) as session_based_user_ids,
    hits.user_ip,
    coalesce(user_ips.list, session_bounds.least_user_ip) as session_based_user_ips,
    hits.hit_type,
    hits.product_action,
    hits.product_action_list,
    hits.promotion_action,
    hits.document_location,
    hits.document_referrer,
    hits.document_host,
    hits.document_path,
    hits.document_title,
    hits.screen_name,
    user_agents.user_agent_id,
    coalesce(user_agents.is_bot, false) as is_bot,
    user_agents.device_type,
    hits.screen_resolution,
    hits.viewport_size,
    hits.document_encoding,
    hits.screen_colors,
    hits.user_language,
    coalesce(hits.campaign_name, {{ url_parameter('hits.document_location', 'utm_campaign') }}) as campaign_name,
    coalesce(hits.campaign_source, {{ url_parameter('hits.document_location', 'utm_source') }}) as campaign_source,
    coalesce(hits.campaign_medium, {{ url_parameter('hits.document_location', 'utm_medium') }}) as campaign_medium,
    coalesce(hits.campaign_keyword, {{ url_parameter('hits.document_location', 'utm_term') }}) as campaign_keyword,
    coalesce(hits.campaign_content, {{ url_parameter('hits.document_location', 'utm_content') }}) as campaign_content,
    coalesce(hits.campaign_id, {{ url_parameter('hits.document_location', 'utm_id') }}) as campaign_id,
    {%- for name in click_ids() %}
    coalesce(hits.{{ name }}, {{ url_parameter('hits.document_location', name) }}) as {{ name }},
    {%- endfor %}
    hits.event_category,
    hits.event_action,
    hits.event_label,
    {{ whole('hits.event_number') }} as event_value,
    coalesce(hits.non_interaction in ('1', 'true'), false) as is_non_interaction,
    hits.transaction_id,
    hits.transaction_affiliation,
    hits.revenue_number as transaction_revenue,
    hits.tax_number as transaction_tax,
    hits.shipping_number as transaction_shipping,
    hits.transaction_coupon_code,
    hits.currency_code,
    coalesce(orders.is_repeat_purchase, false) as is_repeat_purchase,
    coalesce(orders.is_refund, false) as is_refund,
    coalesce(orders.is_repeat_refund, false) as is_repeat_refund,
    orders.refund_amount,
    orders.refund_currency_code,
    {{ unreadable({
        "hits.revenue_number": "hits.transaction_revenue", "hits.tax_number": "hits.transaction_tax",
        "hits.shipping_number": "hits.transaction_shipping", whole("hits.event_number"): "hits.event_value"
    }) }} as unreadable_numbers,
    hits.queue_time is not null
    and not (
        {{ full_match("hits.queue_time", "[0-9]+([.][0-9]*)?") }}
        and coalesce({{ dbt.safe_cast("split_part(hits.queue_time, '.', 1)", "bigint") }} <= 4 * 60 * 60 * 1000, false)
    ) as is_queue_time_invalid,
    cast(hits.req_body as varchar) as req_body,
    cast(hits.log_id as varchar) as log_id
from hits
inner join window_session_hits as session_hits on hits.log_id = session_hits.log_id
left join session_bounds
    on session_hits.session_id = session_bounds.session_id and session_hits.session_started_at = session_bounds.session_started_at
{%- for list in ["user_ids", "user_ips"] %}
left join {{ list }}
    on session_hits.session_id = {{ list }}.session_id and session_hits.session_started_at = {{ list }}.session_started_at
{%- endfor %}
left join orders on hits.log_id = orders.log_id
left join user_agents on hits.user_agent = user_agents.user_agent
{%- endmacro %}

{#
    A common table expression: the distinct values of `column` in each session that has more than one, sorted, joined by |. Every hit
    carries the list, so it is bounded (var `session_list_length`): with all ids of a session that has a new one a hit, the
    lists would grow with the square of the hits. How many there are says sessions.
#}
{% macro session_list(name, column) -%}
{{ name }} as (

    select session_id, session_started_at, {{ joined(column) }} as list
    from (
        select
            several.session_id,
            several.session_started_at,
            several.{{ column }},
            row_number() over (partition by several.session_id, several.session_started_at order by several.{{ column }}) as place
        from (
            select distinct session_hits.session_id, session_hits.session_started_at, session_hits.{{ column }}
            from session_hits
            inner join session_bounds
                on
                    session_hits.session_id = session_bounds.session_id
                    and session_hits.session_started_at = session_bounds.session_started_at
            where
                session_bounds.least_{{ column }} <> session_bounds.greatest_{{ column }}
                and session_hits.{{ column }} is not null
        ) as several
    ) as placed
    where place <= {{ var('session_list_length') }}
    group by session_id, session_started_at

)
{%- endmacro %}
