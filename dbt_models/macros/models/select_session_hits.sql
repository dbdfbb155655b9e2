{#
    Hits free of duplicates, each with its session. One row a hit of the dates in scope, of the day and half hour before them and of
    the day after them: what a session of these dates can reach. For the next day it is enough to see the visitors who were active
    up to its midnight, and no day after it: only sessions that began before are looked for.
    
    A session breaks at a gap of 30 minutes, before a hit that says sc=start and after one that says sc=end. Sessions go on
    over midnight, UTC, unless the visitor was active without a break over the whole day before it: then a cut is forced, so that
    every session lies on two dates at most and each date is a function of a bounded window.
#}
{% macro select_session_hits(scope="window") -%}
{%- set visitor = "partition by tracking_id, visitor_id order by event_at, received_at, event_id" -%}
{%- set so_far = visitor ~ " rows between unbounded preceding and current row" -%}
with hits as (

    select
        log_id, event_id, event_date, event_at, received_at, tracking_id, visitor_id, session_control, user_id, user_ip
    from {{ ref('stg_hits') }}
    where
        quarantine_reason is null
        and {{ in_window(scope=scope, days_before=2, days_after=1 if scope != "next_day" else 0) }}
        and event_at >= {{ window_start_at(scope=scope, days=-1, minutes=-var('session_timeout_minutes')) }}
        {%- if scope == "next_day" %}
        and visitor_id in (
            select visitor_id from {{ ref('stg_hits') }}
            where event_date = {{ window_end(-1) }} and event_at >= {{ window_start_at(scope=scope, minutes=-var('session_timeout_minutes')) }}
        )
        {%- endif %}

),

ordered as (

    select
        hits.*,
        lag(hits.event_at) over ({{ visitor }}) as previous_at,
        lag(hits.session_control) over ({{ visitor }}) as previous_control
    from hits
    left join {{ ref('int_duplicates' ~ ('_live' if scope == 'live' else '')) }} as duplicates on hits.log_id = duplicates.log_id
    where duplicates.log_id is null

),

gaps as (

    select
        *,
        previous_at is null or event_at >= {{ plus('previous_at', var('session_timeout_minutes'), 'minutes') }} as follows_gap
    from ordered

),

-- The first hit after a midnight that no gap separates from the hit before it: few rows, so the rest is spared a sort.
crossings as (

    select log_id, tracking_id, visitor_id, event_at, event_date
    from gaps
    where not follows_gap and cast(previous_at as date) < event_date

),

forced_cuts as (

    select crossings.log_id
    from crossings
    inner join gaps
        on
            crossings.tracking_id = gaps.tracking_id
            and crossings.visitor_id = gaps.visitor_id
            and crossings.event_at >= gaps.event_at
            and gaps.follows_gap
    group by crossings.log_id, crossings.event_date
    having max(gaps.event_at) <= {{ minus('cast(crossings.event_date as timestamp)', 1, 'days') }}

),

starts as (

    select
        gaps.*,
        gaps.follows_gap
        or coalesce(gaps.session_control = 'start', false)
        or coalesce(gaps.previous_control = 'end', false)
        {%- if var('sessions_end_at_midnight') %}
        or cast(gaps.previous_at as date) < gaps.event_date
        {%- endif %}
        or forced_cuts.log_id is not null as is_session_start
    from gaps
    left join forced_cuts on gaps.log_id = forced_cuts.log_id

)

select
    log_id,
    event_date,
    event_at,
    user_id,
    user_ip,
    row_number() over ({{ visitor }}) as visitor_hit_number,
    is_session_start,
    {{ last_known(
        "case when is_session_start then "
        ~ uuid5('1ff91478-1da1-431f-b1fd-3ec39fff283c', "tracking_id || '|' || visitor_id || '|' || event_id")
        ~ " end",
        so_far
    ) }} as session_id,
    max(case when is_session_start then event_at end) over ({{ so_far }}) as session_started_at
from starts
{%- endmacro %}
