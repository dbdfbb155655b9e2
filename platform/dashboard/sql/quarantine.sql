-- Lines that no model can use, by reason. An archive may hold any text as a reason: the commonest are named.
with refused as (
    select event_date, substring(reason, 1, 60) as reason
    from events.quarantine
    where event_date >= :first and event_date < :end
),
top as (select reason from refused group by reason order by count(*) desc, reason limit 12)
select refused.event_date, coalesce(top.reason, '(others)') as reason, count(*) as lines
from refused
left join top on refused.reason = top.reason
group by refused.event_date, coalesce(top.reason, '(others)')
