-- Hits, sessions and who was there by hour and by day, of one property or of all of them.
with dates as (
    $dates
),
hits as (
    select
        event_date, extract(hour from event_at) as at_hour, tracking_id, session_id, client_id, user_id, is_bot,
        count(*) as hits,
        count(case when is_session_start then 1 end) as starts,
        count(case when hit_type = 'pageview' then 1 end) as pageviews
    from events.logs
    where event_date >= $start and event_date < $end
    group by event_date, extract(hour from event_at), tracking_id, session_id, client_id, user_id, is_bot
),
activity as (
    select
        event_date, at_hour, tracking_id, grouping(at_hour) as whole_day, grouping(tracking_id) as all_properties,
        sum(case when is_bot then 0 else hits end) as hits,
        sum(case when is_bot then hits else 0 end) as bot_hits,
        count(distinct case when not is_bot then session_id end) as count_active_sessions,
        sum(case when is_bot then 0 else starts end) as count_new_sessions,
        count(distinct case when not is_bot then user_id end) as count_active_users,
        count(distinct case when not is_bot then client_id end) as count_active_clients,
        sum(case when is_bot then 0 else pageviews end) as pageviews
    from hits
    group by grouping sets (
        (event_date, at_hour, tracking_id), (event_date, at_hour), (event_date, tracking_id), (event_date)
    )
),
-- Both scopes are in daily_visitors, since who is new to a property may be known to another.
arrivals as (
    select *, extract(hour from first_event_at) as at_hour from events.daily_visitors
    where event_date >= $start and event_date < $end and is_new
),
newcomers as (
    select
        event_date, at_hour, tracking_id, grouping(at_hour) as whole_day,
        count(case id_kind when 'user' then id end) as count_new_users,
        count(case id_kind when 'client' then id end) as count_new_clients
    from arrivals
    group by grouping sets ((event_date, at_hour, tracking_id), (event_date, tracking_id))
)
