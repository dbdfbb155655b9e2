-- One row a session, under the date of its first hit. Its hits are those of logs and, where it goes on over the end of the
-- window, those of the next date, whose logs may not have been built yet.
{% set columns = [
    "session_id", "session_started_at", "session_hit_number", "is_session_start", "event_at", "tracking_id", "client_id", "user_id", "user_ip",
    "hit_type", "product_action", "document_location", "document_referrer", "campaign_name", "campaign_source",
    "campaign_medium", "user_agent_id", "device_type", "is_bot", "transaction_revenue", "currency_code", "is_repeat_purchase", "is_refund"
] + click_ids() %}
{% set counts = is_purchase() ~ " and not is_repeat_purchase and not is_bot" %}
with next_day as (

    {{ select_logs(scope="next_day") }}

),

hits as (

    select {{ columns | join(", ") }} from {{ ref('logs') }}
    where {{ in_window() }} and {{ in_window('session_started_at') }}
    union all
    select {{ columns | join(", ") }} from next_day
    where {{ in_window('session_started_at') }}

),

sessions as (

    select
        session_id, session_started_at,
        max(event_at) as session_ended_at,
        max(tracking_id) as tracking_id,
        max(client_id) as client_id,
        max_by(user_id, case when user_id is not null then session_hit_number end) as user_id,
        case when max(user_ip) is null then 0 else 1 end as any_user_ip,
        count(*) as hits,
        count(case when hit_type in ('pageview', 'screenview') then 1 end) as pageviews,
        count(case when hit_type = 'event' then 1 end) as events,
        count(product_action) as product_actions,
        count(case when product_action = 'detail' then 1 end) as product_details,
        count(case when product_action = 'add' then 1 end) as cart_adds,
        count(case when product_action = 'remove' then 1 end) as cart_removes,
        count(case when product_action = 'checkout' then 1 end) as checkouts,
        count(case when {{ counts }} then 1 end) as purchases,
        min_by(document_location, case when document_location is not null then session_hit_number end) as entry_page,
        max_by(document_location, case when document_location is not null then session_hit_number end) as exit_page,
        max(case when is_session_start then document_location end) as first_location,
        max(case when is_session_start then document_referrer end) as first_referrer,
        max(case when is_session_start then coalesce({{ click_ids() | join(", ") }}) end) as first_click_id,
        {%- for column in ["campaign_name", "campaign_source", "campaign_medium", "user_agent_id", "device_type"] %}
        min_by({{ column }}, case when {{ column }} is not null then session_hit_number end) as {{ column }},
        {%- endfor %}
        count(case when not is_bot then 1 end) = 0 as is_bot,
        coalesce(min(user_id) <> max(user_id), false) or coalesce(min(user_ip) <> max(user_ip), false) as is_shared
    from hits
    group by session_id, session_started_at

),

-- Nearly every session has one user and one address at most, and needs no counting.
shared as (

    select
        hits.session_id, hits.session_started_at,
        count(distinct hits.user_id) as user_ids,
        count(distinct hits.user_ip) as user_ips
    from hits
    inner join sessions on hits.session_id = sessions.session_id and hits.session_started_at = sessions.session_started_at
    where sessions.is_shared
    group by hits.session_id, hits.session_started_at

),

revenue_by_currency as (

    select
        session_id, session_started_at,
        coalesce(currency_code, '(not set)') as currency_code,
        cast(sum(transaction_revenue) as decimal(38, 9)) as revenue
    from hits
    where {{ counts }} and transaction_revenue is not null
    group by session_id, session_started_at, coalesce(currency_code, '(not set)')

),

revenue as (

    select
        session_id, session_started_at,
        count(*) as currencies,
        max(currency_code) as currency_code,
        max(revenue) as revenue,
        {{ json_object_text('currency_code', 'cast(revenue as varchar)') }} as revenue_by_currency
    from revenue_by_currency
    group by session_id, session_started_at

)

select
    cast(sessions.session_started_at as date) as event_date,
    sessions.session_id, sessions.tracking_id, sessions.client_id, sessions.user_id,
    coalesce(shared.user_ids, case when sessions.user_id is not null then 1 else 0 end) as user_ids,
    coalesce(shared.user_ips, sessions.any_user_ip) as user_ips,
    sessions.session_started_at, sessions.session_ended_at,
    {{ milliseconds_between('sessions.session_started_at', 'sessions.session_ended_at') }} as duration_ms,
    sessions.hits, sessions.pageviews, sessions.events,
    sessions.product_actions, sessions.product_details, sessions.cart_adds, sessions.cart_removes, sessions.checkouts, sessions.purchases,
    sessions.cart_adds > 0 as has_cart_add,
    sessions.purchases > 0 as has_purchase,
    sessions.hits = 1 as is_bounce,
    sessions.entry_page, sessions.exit_page,
    sessions.first_referrer as referrer,
    sessions.campaign_name, sessions.campaign_source, sessions.campaign_medium,
    {{ channel('sessions.campaign_source', 'sessions.campaign_medium', "sessions.first_click_id", "sessions.first_referrer", 'sessions.first_location') }} as channel,
    sessions.user_agent_id, sessions.device_type, sessions.is_bot,
    case when revenue.currencies = 1 then revenue.currency_code end as currency_code,
    cast(case when revenue.currencies = 1 then revenue.revenue end as decimal(38, 9)) as transaction_revenue,
    revenue.revenue_by_currency
from sessions
left join shared on sessions.session_id = shared.session_id and sessions.session_started_at = shared.session_started_at
left join revenue on sessions.session_id = revenue.session_id and sessions.session_started_at = revenue.session_started_at
