{{ config(cluster_by=['event_date', 'product_action']) }}

-- One row a product of a hit with a product action. Purchases that repeat an earlier one are left out.

with hits as (

    select * from {{ ref('logs') }}
    where {{ in_window() }}

)

select * from (
    {{ select_product_actions('hits') }}
) as product_actions
