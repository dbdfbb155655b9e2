{#
    One row a product of a hit with a product action. Purchases that repeat an earlier one are left out; whatever the action of
    a hit that is a refund, its products were refunded.
    `hits` is a relation with the columns of logs.
#}
{% macro select_product_actions(hits) -%}
with product_hits as (

    select
        *,
        case when is_refund then 'refund' else product_action end as product_action_of_hit
    from {{ hits }}
    where
        product_action is not null
        and not (is_repeat_purchase and product_action = 'purchase')

),

products as (

    {{ products('product_hits', [
        'event_date', 'event_at', 'received_at', 'request_timestamp', 'request_id', 'event_id', 'tracking_id', 'session_id',
        'client_id', 'user_id', 'user_ip', 'hit_type', 'product_action_of_hit', 'product_action_list', 'document_location',
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
    product_action_of_hit as product_action,
    product_action_list,
    product_index,
    {{ product_columns() }},
    {{ whole(to_decimal('qt')) }} as product_quantity,
    cc as product_coupon_code,
    custom as product_raw_data,
    {{ unreadable({whole(to_decimal('qt')): 'qt', whole(to_decimal('ps')): 'ps', to_decimal('pr'): 'pr'}) }} as unreadable_numbers,
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
