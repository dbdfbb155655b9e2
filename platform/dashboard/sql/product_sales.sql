-- Price times quantity of what was bought, by {label}. Nobody buys a thousand million of a thing: such a line would be beyond what a
-- sum may hold, and counts nothing.
with shown as ({shown}),
currencies as ({currencies}),
named as (
    select
        event_date, tracking_id, product_action, product_quantity, product_price,
        coalesce(currency_code, '(not set)') as currency_code,
        substring(coalesce({label}, '(not set)'), 1, 60) as label
    from events.product_actions
    where
        event_date >= :first and event_date < :end and not is_bot
        and product_action in ('detail', 'add', 'purchase')
),
top as ({top_products})
select
    named.event_date, coalesce(shown.tracking_id, '(others)') as tracking_id, coalesce(top.label, '(others)') as label,
    named.currency_code,
    coalesce(
        sum(
            case
                when abs(named.product_quantity) < 1000000000
                    then cast(named.product_price as decimal(24, 9)) * cast(named.product_quantity as decimal(10, 0))
            end
        ),
        0
    ) as amount
from named
inner join currencies on named.currency_code = currencies.currency_code
left join shown on named.tracking_id = shown.tracking_id
left join top on named.label = top.label
where named.product_action = 'purchase'
group by
    named.event_date, coalesce(shown.tracking_id, '(others)'), coalesce(top.label, '(others)'), named.currency_code
