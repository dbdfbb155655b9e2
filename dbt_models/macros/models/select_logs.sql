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

-- A session's hits of the next day count too: the lists are the same whichever date is built.
session_lists as (

    select
        session_id,
        min(visitor_hit_number) as first_hit_number,
        {{ distinct_list('user_id') }} as session_based_user_ids,
        {{ distinct_list('user_ip') }} as session_based_user_ips
    from session_hits
    group by session_id

),

-- Said once more, so that DuckDB guesses these few columns to be the smaller side of the join, and not all of hits.
window_session_hits as (

    select log_id, session_id, session_started_at, is_session_start, visitor_hit_number from session_hits
    where {{ in_window(scope=scope) }}

),

repeat_purchases as (

    select * from {{ ref('int_repeat_purchases' ~ scope_suffix(scope)) }}

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
    session_hits.visitor_hit_number - session_lists.first_hit_number + 1 as session_hit_number,
    hits.client_id,
    hits.user_id,
    hits.visitor_id,
    session_lists.session_based_user_ids,
    hits.user_ip,
    session_lists.session_based_user_ips,
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
    coalesce(hits.campaign_name, {{ utm_parameter('hits.document_location', 'campaign') }}) as campaign_name,
    coalesce(hits.campaign_source, {{ utm_parameter('hits.document_location', 'source') }}) as campaign_source,
    coalesce(hits.campaign_medium, {{ utm_parameter('hits.document_location', 'medium') }}) as campaign_medium,
    coalesce(hits.campaign_keyword, {{ utm_parameter('hits.document_location', 'term') }}) as campaign_keyword,
    coalesce(hits.campaign_content, {{ utm_parameter('hits.document_location', 'content') }}) as campaign_content,
    coalesce(hits.campaign_id, {{ utm_parameter('hits.document_location', 'id') }}) as campaign_id,
    hits.gclid,
    hits.event_category,
    hits.event_action,
    hits.event_label,
    {{ to_integer('hits.event_value') }} as event_value,
    coalesce(hits.non_interaction in ('1', 'true'), false) as is_non_interaction,
    hits.transaction_id,
    hits.transaction_affiliation,
    {{ to_decimal('hits.transaction_revenue') }} as transaction_revenue,
    {{ to_decimal('hits.transaction_tax') }} as transaction_tax,
    {{ to_decimal('hits.transaction_shipping') }} as transaction_shipping,
    hits.transaction_coupon_code,
    hits.currency_code,
    repeat_purchases.event_id is not null as is_repeat_purchase,
    hits.queue_time is not null
    and not (
        {{ full_match("hits.queue_time", "[0-9]+([.][0-9]*)?") }}
        and coalesce({{ dbt.safe_cast("split_part(hits.queue_time, '.', 1)", "bigint") }} <= 4 * 60 * 60 * 1000, false)
    ) as is_queue_time_invalid,
    cast(hits.req_body as varchar) as req_body,
    cast(hits.log_id as varchar) as log_id
from hits
inner join window_session_hits as session_hits on hits.log_id = session_hits.log_id
left join session_lists on session_hits.session_id = session_lists.session_id
left join repeat_purchases on hits.event_date = repeat_purchases.event_date and hits.event_id = repeat_purchases.event_id
left join user_agents on hits.user_agent = user_agents.user_agent
{%- endmacro %}
