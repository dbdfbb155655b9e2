-- Sessions by {label} and how far they came, under the date of their first hit. Every session is in one row, so that rows add up.
with shown as ({shown}),
named as (
    select
        event_date, tracking_id, substring({label}, 1, 60) as label, hits, product_details, cart_adds, checkouts, purchases
    from events.sessions
    where event_date >= :first and event_date < :end and {population}
),
top as (select label from named group by label order by count(*) desc, label limit 15)
select
    named.event_date, coalesce(shown.tracking_id, '(others)') as tracking_id, coalesce(top.label, '(others)') as label,
    count(*) as sessions,
    sum(named.hits) as hits,
    count(case when named.product_details > 0 then 1 end) as with_detail,
    count(case when named.cart_adds > 0 then 1 end) as with_add,
    count(case when named.checkouts > 0 then 1 end) as with_checkout,
    count(case when named.purchases > 0 then 1 end) as with_purchase
from named
left join shown on named.tracking_id = shown.tracking_id
left join top on named.label = top.label
group by named.event_date, coalesce(shown.tracking_id, '(others)'), coalesce(top.label, '(others)')
