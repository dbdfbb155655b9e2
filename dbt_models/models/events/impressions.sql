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

),

lists as (

    {{ impression_lists('hits', ['event_date', 'log_id']) }}

)

select
    products.event_date,
    products.event_at,
    products.event_id,
    products.tracking_id,
    products.session_id,
    products.client_id,
    products.user_id,
    products.list_index,
    nullif(trim(lists.nm), '') as list_name,
    products.product_index,
    nullif(trim(products.id), '') as product_id,
    nullif(trim(products.nm), '') as product_name,
    nullif(trim(products.br), '') as product_brand,
    nullif(trim(products.ca), '') as product_category,
    nullif(trim(products.va), '') as product_variant,
    {{ to_integer('trim(products.ps)') }} as product_position,
    {{ to_decimal('trim(products.pr)') }} as product_price,
    products.custom as product_raw_data,
    products.currency_code,
    products.document_location,
    products.is_bot,
    products.log_id
from products
left join lists on products.log_id = lists.log_id and products.list_index = lists.list_index
