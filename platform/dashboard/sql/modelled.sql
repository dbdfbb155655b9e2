-- Where the hits of each date went: into logs, among the duplicates or into quarantine.
select event_date, 'modelled (logs)' as destination, count(*) as hits from events.logs
where event_date >= :first and event_date < :end
group by event_date
union all
select event_date, 'duplicates', count(*) from events.duplicates
where event_date >= :first and event_date < :end
group by event_date
union all
select event_date, 'quarantine', count(*) from events.quarantine
where event_date >= :first and event_date < :end
group by event_date
