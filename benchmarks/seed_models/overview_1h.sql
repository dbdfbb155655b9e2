with hits as (
    select
        date_trunc('hour', request_timestamp) as period,
        count(distinct session_id) as count_active_sessions,
        count(distinct client_id) as count_active_clients,
        count(distinct user_id) as count_active_users,
        count(*) filter (where hit_type = 'pageview') as pageviews,
        count(*) filter (where hit_type = 'event') as events
    from events.logs
    group by period
),
newcomers as (
    select date_trunc('hour', first_seen) as period, count(*) as count_new_clients
    from (select client_id, min(request_timestamp) as first_seen from events.logs group by client_id)
    group by period
),
products as (
    select
        date_trunc('hour', request_timestamp) as period,
        count(*) filter (where product_action = 'detail') as product_details,
        sum(product_quantity) filter (where product_action = 'add') as added_products,
        sum(product_quantity) filter (where product_action = 'purchase') as purchased_products
    from events.product_actions
    group by period
),
revenue as (
    select
        date_trunc('hour', request_timestamp) as period,
        count(*) as transactions,
        sum(transaction_revenue) as transaction_revenue
    from events.purchases
    group by period
)
select *
from hits
left join newcomers using (period)
left join products using (period)
left join revenue using (period)
