{#
    One row a purchase, by enhanced e-commerce (pa=purchase) or the older transaction hit; repeated thank-you pages left out.
    `hits` is a relation with the columns of logs.
#}
{% macro select_purchases(hits) -%}
with purchases as (

    select * from {{ hits }}
    where
        {{ is_purchase() }}
        and not is_repeat_purchase

)

select
    event_date,
    event_at,
    received_at,
    request_timestamp,
    request_id,
    event_id,
    tracking_id,
    session_id,
    client_id,
    user_id,
    user_ip,
    hit_type,
    product_action,
    transaction_id,
    transaction_id is null as is_missing_transaction_id,
    transaction_affiliation,
    transaction_revenue,
    transaction_tax,
    transaction_shipping,
    transaction_coupon_code,
    currency_code,
    document_location,
    document_referrer,
    user_agent_id,
    is_bot,
    user_language,
    log_id
from purchases
{%- endmacro %}
