-- Every raw row that is not in quarantine is a hit of logs or a duplicate, at its own time and under its own property.
with quarantined as (
    select log_id from events.quarantine where event_date >= $start and event_date < $end
),
sent as (
    select
        event_date, event_at,
        trim(coalesce(tracking_id, ''), ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) as tracking_id
    from raw.logs
    where
        event_date >= $start and event_date < $end
        and arrival_date >= (select event_date from staging.stg_first_partition)
        and cast(log_id as varchar) not in (select log_id from quarantined)
),
labelled as (
    select
        event_date,
        extract(hour from event_at) as at_hour,
        -- Our own labels are nobody's tracking id.
        case when tracking_id in ('', '(all)') then '(not set)' else tracking_id end as property
    from sent
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
