-- Purchases by {label} of the session that they belong to, under their own date: they add up to revenue_1d. A session has the date of
-- its first hit, which may be up to two before.
with shown as ({shown}),
currencies as ({currencies}),
top as (
    select substring({label}, 1, 60) as label
    from events.sessions
    where event_date >= :first and event_date < :end and not is_bot
    group by substring({label}, 1, 60)
    order by count(*) desc, substring({label}, 1, 60)
    limit 15
),
buyers as (
    select session_id, substring({label}, 1, 60) as label
    from events.sessions
    where event_date >= :before and event_date < :end and purchases > 0
),
bought as (
    select
        event_date, session_id, tracking_id, coalesce(currency_code, '(not set)') as currency_code, transaction_revenue
    from events.purchases
    where event_date >= :first and event_date < :end and not is_bot
)
select
    bought.event_date, coalesce(shown.tracking_id, '(others)') as tracking_id, coalesce(top.label, '(others)') as label,
    bought.currency_code, count(*) as orders, coalesce(sum(bought.transaction_revenue), 0) as revenue
from bought
inner join currencies on bought.currency_code = currencies.currency_code
left join buyers on bought.session_id = buyers.session_id
left join shown on bought.tracking_id = shown.tracking_id
left join top on buyers.label = top.label
group by
    bought.event_date, coalesce(shown.tracking_id, '(others)'), coalesce(top.label, '(others)'), bought.currency_code
