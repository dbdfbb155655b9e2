-- Hits that were left out because they repeat another, by kind.
select event_date, duplicate_kind, count(*) as hits
from events.duplicates
where event_date >= :first and event_date < :end
group by event_date, duplicate_kind
