-- A session has no pause of $timeout minutes in it, and none follows another of its visitor sooner, unless the visitor or a
-- midnight says so. Only sessions that last so long can hold such a pause, so few hits are looked at.
with sessions as (
    select *, coalesce(client_id, 'uid:' || user_id) as visitor_id from events.sessions
    where event_date >= $start and event_date < $end
),
steps as (
    select
        event_date, session_id, event_id, event_at,
        lag(event_at) over (partition by session_id, session_started_at order by session_hit_number) as previous_at
    from events.logs
    where
        event_date >= $start and event_date < $end
        and session_id in (
            select session_id from sessions where session_ended_at >= session_started_at + interval '$timeout minutes'
        )
),
neighbours as (
    select
        event_date, tracking_id, visitor_id, session_id, session_started_at,
        lag(session_id) over (partition by tracking_id, visitor_id order by session_started_at, session_ended_at) as previous_id,
        lag(session_ended_at) over (partition by tracking_id, visitor_id order by session_started_at, session_ended_at) as previous_end
    from sessions
),
early as (
    select * from neighbours
    where session_started_at < previous_end + interval '$timeout minutes' and cast(previous_end as date) = event_date
),
-- Clients may begin and end sessions themselves (sc).
controls as (
    select session_control, cast(log_id as varchar) as log_id from staging.stg_hits
    where event_date >= $start and event_date < $end and session_control in ('start', 'end')
),
told as (
    select l.event_date, l.event_id, l.event_at, l.session_id, l.is_session_start, c.session_control
    from events.logs as l
    inner join controls as c on l.log_id = c.log_id
    where l.event_date >= $start and l.event_date < $end
),
made as (
    select event_date, 'the pause before hit ' || event_id || ' in session ' || session_id as place, event_at as happened_at from steps
    where event_at >= previous_at + interval '$timeout minutes'
    union all
    select event_date, 'session ' || session_id || ' right after session ' || previous_id, session_started_at from early
    where
        session_id not in (select session_id from told where session_control = 'start')
        and previous_id not in (select session_id from told where session_control = 'end')
    union all
    select event_date, 'hit ' || event_id || ', which says start, in the midst of session ' || session_id, event_at from told
    where session_control = 'start' and not is_session_start
),
must as (
    select * from made where false
)
