-- What was done with products, by {label}, and price times quantity of what was bought; the 15 of which most was bought. What was only
-- looked at or added has no currency. Nobody buys a thousand million of a thing: such a line would be beyond what a sum may hold, and
-- its amount counts nothing.
with shown as ({shown}),
currencies as ({currencies}),
counted as (
    select
        event_date, tracking_id, substring(coalesce({label}, '(not set)'), 1, 60) as label,
        case when product_action = 'purchase' then coalesce(currency_code, '(not set)') end as currency_code,
        count(case when product_action = 'detail' then 1 end) as details,
        count(case when product_action = 'add' then 1 end) as adds,
        coalesce(sum(case when product_action = 'purchase' then product_quantity end), 0) as items,
        sum(
            case
                when product_action = 'purchase' and abs(product_quantity) < 1000000000
                    then cast(product_price as decimal(24, 9)) * cast(product_quantity as decimal(10, 0))
            end
        ) as amount
    from events.product_actions
    where
        event_date >= :first and event_date < :end and not is_bot
        and product_action in ('detail', 'add', 'purchase')
    group by
        event_date, tracking_id, substring(coalesce({label}, '(not set)'), 1, 60),
        case when product_action = 'purchase' then coalesce(currency_code, '(not set)') end
),
top as (
    select label from counted
    group by label
    order by sum(items) desc, sum(details) desc, label
    limit 15
)
select
    counted.event_date, coalesce(shown.tracking_id, '(others)') as tracking_id, coalesce(top.label, '(others)') as label,
    coalesce(currencies.currency_code, '(none)') as currency_code,
    sum(counted.details) as details, sum(counted.adds) as adds, sum(counted.items) as items,
    coalesce(sum(case when currencies.currency_code is not null then counted.amount end), 0) as amount
from counted
left join currencies on counted.currency_code = currencies.currency_code
left join shown on counted.tracking_id = shown.tracking_id
left join top on counted.label = top.label
group by
    counted.event_date, coalesce(shown.tracking_id, '(others)'), coalesce(top.label, '(others)'),
    coalesce(currencies.currency_code, '(none)')
