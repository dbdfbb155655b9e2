-- Sessions by {label} and how far they came, under the date of their first hit. Every session is in one row, so that rows add up.
with shown as ({shown}),
counted as (
    select
        event_date, tracking_id, substring({label}, 1, 60) as label,
        count(*) as sessions,
        sum(hits) as hits,
        count(case when product_details > 0 then 1 end) as with_detail,
        count(case when cart_adds > 0 then 1 end) as with_add,
        count(case when checkouts > 0 then 1 end) as with_checkout,
        count(case when purchases > 0 then 1 end) as with_purchase
    from events.sessions
    where event_date >= :first and event_date < :end and {population}
    group by event_date, tracking_id, substring({label}, 1, 60)
),
top as (select label from counted group by label order by sum(sessions) desc, label limit 15)
select
    counted.event_date, coalesce(shown.tracking_id, '(others)') as tracking_id, coalesce(top.label, '(others)') as label,
    sum(counted.sessions) as sessions,
    sum(counted.hits) as hits,
    sum(counted.with_detail) as with_detail,
    sum(counted.with_add) as with_add,
    sum(counted.with_checkout) as with_checkout,
    sum(counted.with_purchase) as with_purchase
from counted
left join shown on counted.tracking_id = shown.tracking_id
left join top on counted.label = top.label
group by counted.event_date, coalesce(shown.tracking_id, '(others)'), coalesce(top.label, '(others)')
