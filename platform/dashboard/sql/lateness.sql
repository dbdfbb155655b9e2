-- How long after they happened hits were received, and arrived in the archive, by the date on which they happened.
with hits as (
    select
        event_date,
        case
            when arrival_date > event_date + 1 then 'arrived two dates later or more'
            when arrival_date > event_date then 'arrived on the next date'
            when request_timestamp >= event_at + interval '1 hour' then 'queued for hours'
            when request_timestamp >= event_at + interval '1 minute' then 'queued for minutes'
            else 'at once'
        end as lateness
    from raw.logs
    where event_date >= :first and event_date < :end
)
select event_date, lateness, count(*) as hits
from hits
group by event_date, lateness
