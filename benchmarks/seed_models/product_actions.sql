with keys as (
    select *, unnest(json_keys(req_body)) as key
    from events.logs
    where product_action is not null
),
product_keys as (
    select
        log_id,
        regexp_extract(key, '^pr([0-9]+)', 1)::integer as product_index,
        regexp_extract(key, '^pr[0-9]+([a-z0-9]+)$', 1) as field,
        req_body ->> ('$.' || key) as value
    from keys
    where regexp_full_match(key, 'pr[0-9]+[a-z0-9]+')
),
products as (
    select
        log_id,
        product_index,
        max(value) filter (where field = 'id') as product_id,
        max(value) filter (where field = 'nm') as product_name,
        max(value) filter (where field = 'br') as product_brand,
        max(value) filter (where field = 'ca') as product_category,
        max(value) filter (where field = 'va') as product_variant,
        try_cast(max(value) filter (where field = 'ps') as bigint) as product_position,
        try_cast(max(value) filter (where field = 'qt') as bigint) as product_quantity,
        try_cast(max(value) filter (where field = 'pr') as decimal(38, 9)) as product_price,
        json_group_object(field, value) as product_raw_data
    from product_keys
    group by log_id, product_index
)
select
    products.log_id || ':' || product_index as product_action_id,
    products.* exclude (log_id),
    logs.* exclude (req_body),
    logs.req_body ->> '$.pal' as product_action_list,
    logs.req_body ->> '$.cu' as currency_code,
    logs.req_body ->> '$.ti' as transaction_id
from products
join events.logs as logs on logs.log_id = products.log_id
