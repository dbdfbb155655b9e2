-- One row a product that was shown in a list (ilNpiM), with the list's name.

with hits as (

    select * from {{ ref('logs') }}
    where {{ in_window() }}

),

products as (

    {{ impressions('hits', [
        'event_date', 'event_at', 'event_id', 'tracking_id', 'session_id', 'client_id', 'user_id', 'document_location', 'is_bot',
        'currency_code', 'log_id'
    ]) }}

)

select
    event_date,
    event_at,
    event_id,
    tracking_id,
    session_id,
    client_id,
    user_id,
    list_index,
    nullif(trim(list_name), '') as list_name,
    product_index,
    nullif(trim(id), '') as product_id,
    nullif(trim(nm), '') as product_name,
    nullif(trim(br), '') as product_brand,
    nullif(trim(ca), '') as product_category,
    nullif(trim(va), '') as product_variant,
    {{ to_integer('trim(ps)') }} as product_position,
    {{ to_decimal('trim(pr)') }} as product_price,
    custom as product_raw_data,
    currency_code,
    document_location,
    is_bot,
    log_id
from products
