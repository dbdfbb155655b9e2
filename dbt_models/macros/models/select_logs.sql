{# Hits, enriched and sessionized: one row an accepted hit that repeats no other. #}
{% macro select_logs(scope="window") -%}
with hits as (

    -- Not in stg_hits, which stands in many models: planning these is half of planning it.
    select
        *,
        {{ to_decimal('transaction_revenue') }} as revenue_number,
        {{ to_decimal('transaction_tax') }} as tax_number,
        {{ to_decimal('transaction_shipping') }} as shipping_number,
        {{ to_decimal('event_value') }} as event_number,
        {{ to_decimal('engagement') }} as engagement_number
    from {{ ref('stg_hits') }}
    where {{ in_window(scope=scope) }}

),

session_hits as (

    select * from {{ ref('int_session_hits' ~ scope_suffix(scope)) }}

),

{{ session_lists() }},

-- Said once more, so that DuckDB guesses these few columns to be the smaller side of the join, and not all of hits.
window_session_hits as (

    select log_id, session_id, session_started_at, is_session_start, visitor_hit_number from session_hits
    where {{ in_window(scope=scope) }}

),

orders as (

    select * from {{ ref('int_orders' ~ ('_live' if scope == 'live' else '')) }}

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
    {{ campaign_columns() }},
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
        "hits.shipping_number": "hits.transaction_shipping", whole("hits.event_number"): "hits.event_value",
        whole("hits.engagement_number"): "hits.engagement"
    }) }} as unreadable_numbers,
    hits.queue_time is not null
    and not (
        {{ full_match("hits.queue_time", "[0-9]+([.][0-9]*)?") }}
        and coalesce({{ dbt.safe_cast("split_part(hits.queue_time, '.', 1)", "bigint") }} <= 4 * 60 * 60 * 1000, false)
    ) as is_queue_time_invalid,
    cast(hits.req_body as varchar) as req_body,
    cast(hits.log_id as varchar) as log_id,
    hits.protocol,
    hits.event_name,
    hits.client_session_id,
    {{ whole('hits.engagement_number') }} as engagement_ms
from hits
inner join window_session_hits as session_hits on hits.log_id = session_hits.log_id
left join session_bounds
    on session_hits.session_id = session_bounds.session_id and session_hits.session_started_at = session_bounds.session_started_at
{%- for list in ["user_ids", "user_ips"] %}
left join {{ list }}
    on session_hits.session_id = {{ list }}.session_id and session_hits.session_started_at = {{ list }}.session_started_at
{%- endfor %}
left join orders on hits.log_id = orders.log_id
left join {{ ref('stg_user_agents') }} as user_agents on hits.user_agent = user_agents.user_agent
{%- endmacro %}
