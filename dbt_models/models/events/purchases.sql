-- One row a purchase, by enhanced e-commerce (pa=purchase) or the older transaction hit; repeated thank-you pages left out.

with hits as (

    select * from {{ ref('logs') }}
    where {{ in_window() }}

)

select * from (
    {{ select_purchases('hits') }}
) as purchases
