-- What was done with products, by {label}; the 15 of which most was bought.
with shown as ({shown}),
named as (
    select
        event_date, tracking_id, product_action, product_quantity,
        substring(coalesce({label}, '(not set)'), 1, 60) as label
    from events.product_actions
    where
        event_date >= :first and event_date < :end and not is_bot
        and product_action in ('detail', 'add', 'purchase')
),
top as ({top_products})
select
    named.event_date, coalesce(shown.tracking_id, '(others)') as tracking_id, coalesce(top.label, '(others)') as label,
    count(case when named.product_action = 'detail' then 1 end) as details,
    count(case when named.product_action = 'add' then 1 end) as adds,
    coalesce(sum(case when named.product_action = 'purchase' then named.product_quantity end), 0) as items
from named
left join shown on named.tracking_id = shown.tracking_id
left join top on named.label = top.label
group by named.event_date, coalesce(shown.tracking_id, '(others)'), coalesce(top.label, '(others)')
