-- Products and purchases by hour and by day, of one property or of all of them.
products as (
    select
        event_date, extract(hour from event_at) as at_hour, 0 as whole_day, tracking_id, product_action, session_id, product_id,
        count(*) as actions, sum(product_quantity) as quantity
    from events.product_actions
    where
        event_date >= $start and event_date < $end and not is_bot
        and product_action in ('click', 'detail', 'add', 'remove', 'purchase')
    group by event_date, extract(hour from event_at), tracking_id, product_action, session_id, product_id
),
-- A product that is acted on twice in a session counts once an hour, and once a day.
session_products as (
    select * from products
    union all
    select event_date, null, 1, tracking_id, product_action, session_id, product_id, sum(actions), sum(quantity)
    from products
    group by event_date, tracking_id, product_action, session_id, product_id
),
actions as (
    select
        event_date, at_hour, tracking_id, whole_day, grouping(tracking_id) as all_properties,
        sum(case product_action when 'click' then actions end) as sum_of_pa_click,
        count(case product_action when 'click' then product_id end) as pa_clicks,
        sum(case product_action when 'detail' then actions end) as sum_of_pa_detail,
        count(case product_action when 'detail' then product_id end) as pa_details,
        sum(case product_action when 'add' then actions end) as sum_of_pa_add,
        count(case product_action when 'add' then product_id end) as pa_adds,
        sum(case product_action when 'remove' then actions end) as sum_of_pa_remove,
        count(case product_action when 'remove' then product_id end) as pa_removes,
        sum(case product_action when 'purchase' then quantity end) as purchased_items,
        count(distinct case product_action when 'purchase' then product_id end) as purchased_products
    from session_products
    group by grouping sets ((event_date, at_hour, whole_day, tracking_id), (event_date, at_hour, whole_day))
),
bought as (
    select *, extract(hour from event_at) as at_hour, coalesce(currency_code, '(not set)') as currency from events.purchases
    where event_date >= $start and event_date < $end and not is_bot
),
purchases as (
    select
        event_date, at_hour, tracking_id, grouping(at_hour) as whole_day, grouping(tracking_id) as all_properties,
        count(*) as transactions,
        case when min(currency) = max(currency) then min(currency) end as currency_code,
        case when min(currency) = max(currency) then coalesce(sum(transaction_revenue), 0) end as transaction_revenue,
        case when min(currency) = max(currency) then coalesce(sum(transaction_tax), 0) end as transaction_tax,
        case when min(currency) = max(currency) then coalesce(sum(transaction_shipping), 0) end as transaction_shipping
    from bought
    group by grouping sets (
        (event_date, at_hour, tracking_id), (event_date, at_hour), (event_date, tracking_id), (event_date)
    )
)
