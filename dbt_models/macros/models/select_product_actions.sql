{#
    One row a product of a hit with a product action. Purchases that repeat an earlier one are left out.
    `hits` is a relation with the columns of logs.
#}
{% macro select_product_actions(hits) -%}
with product_hits as (

    select * from {{ hits }}
    where
        product_action is not null
        and not (is_repeat_purchase and product_action = 'purchase')

),

products as (

    {{ products('product_hits', [
        'event_date', 'event_at', 'received_at', 'request_timestamp', 'request_id', 'event_id', 'tracking_id', 'session_id',
        'client_id', 'user_id', 'user_ip', 'hit_type', 'product_action', 'product_action_list', 'document_location',
        'document_referrer', 'document_title', 'user_agent_id', 'is_bot', 'user_language', 'currency_code', 'transaction_id', 'log_id'
    ]) }}

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
    product_action_list,
    product_index,
    {{ product_columns() }},
    {{ to_integer('trim(qt)') }} as product_quantity,
    nullif(trim(cc), '') as product_coupon_code,
    custom as product_raw_data,
    currency_code,
    transaction_id,
    document_location,
    document_referrer,
    document_title,
    user_agent_id,
    is_bot,
    user_language,
    log_id
from products
{%- endmacro %}
