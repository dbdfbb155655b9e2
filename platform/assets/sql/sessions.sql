-- A session is what its hits in logs add up to. One that goes on after the run's dates has hits that these dates lack.
-- (An event id that came on two dates may have begun a session on each, of one id.)
with beyond as (
    select session_id, session_started_at from events.sessions
    where event_date >= $start and event_date < $end and session_ended_at >= cast($end as timestamp)
),
added as (
    select
        cast(session_started_at as date) as event_date,
        session_id as place,
        session_started_at as began_at,
        min(event_at) as session_started_at,
        max(event_at) as session_ended_at,
        count(*) as hits,
        -- Numbered from one, without a gap, and begun once.
        count(case when is_session_start then 1 end) + count(*) * (count(*) + 1) - 2 * sum(session_hit_number) as beginnings,
        count(case when hit_type = 'pageview' or hit_type = 'screenview' then 1 end) as pageviews,
        count(case when hit_type = 'event' then 1 end) as events,
        count(product_action) as product_actions,
        count(case product_action when 'detail' then 1 end) as product_details,
        count(case product_action when 'add' then 1 end) as cart_adds,
        count(case product_action when 'remove' then 1 end) as cart_removes,
        count(case product_action when 'checkout' then 1 end) as checkouts,
        count(
            case
                when (product_action = 'purchase' or hit_type = 'transaction') and not is_refund and not is_repeat_purchase and not is_bot
                    then 1
            end
        ) as purchases,
        count(case when not is_bot then 1 end) = 0 as is_bot
    from events.logs
    where
        event_date >= $start and event_date < $end
        and session_started_at >= cast($start as timestamp)
    group by session_id, session_started_at
),
must as (
    select added.* from added
    left join beyond on added.place = beyond.session_id and added.began_at = beyond.session_started_at
    where beyond.session_id is null
),
made as (
    select *, session_id as place, 1 as beginnings from events.sessions
    where event_date >= $start and event_date < $end and session_ended_at < cast($end as timestamp)
)
