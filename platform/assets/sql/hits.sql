-- Every raw row that is not in quarantine is a hit of logs or a duplicate, at its own time and under its own property.
with quarantined as (
    select log_id from events.quarantine where event_date >= $start and event_date < $end
),
labelled as (
    select
        event_date,
        extract(hour from event_at) as at_hour,
        -- Our own labels are nobody's tracking id.
        case when trim(coalesce(tracking_id, '')) in ('', '(all)') then '(not set)' else trim(tracking_id) end as property
    from raw.logs
    where
        event_date >= $start and event_date < $end
        and cast(log_id as varchar) not in (select log_id from quarantined)
),
modelled as (
    select event_date, extract(hour from event_at) as at_hour, tracking_id from events.logs
    where event_date >= $start and event_date < $end
    union all
    select event_date, extract(hour from event_at), tracking_id from events.duplicates
    where event_date >= $start and event_date < $end
),
must as (
    select event_date, property || ' hour ' || at_hour as place, count(*) as hits
    from labelled group by event_date, property, at_hour
),
made as (
    select event_date, tracking_id || ' hour ' || at_hour as place, count(*) as hits
    from modelled group by event_date, tracking_id, at_hour
)
