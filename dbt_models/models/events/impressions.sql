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
    list_name,
    product_index,
    {{ product_columns() }},
    custom as product_raw_data,
    {{ unreadable({whole(to_decimal('ps')): 'ps', to_decimal('pr'): 'pr'}) }} as unreadable_numbers,
    currency_code,
    document_location,
    is_bot,
    log_id
from products
