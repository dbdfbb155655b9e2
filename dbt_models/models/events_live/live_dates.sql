{{ config(access='private') }}

-- The event dates whose marts lack something that RAW.LOGS holds, now: the watermark, read when the view is queried.
--
-- A date is live when a load that changed its read window is newer than the last build of logs for it, or when rows are there
-- that the ledger does not know yet: a pipe loads between two ticks, where there is one. See platform/dates.py for the bounds.

with changes as (

    select event_date, load_id from {{ ref('stg_event_date_changes') }}
    {%- if target.type != "duckdb" %}
    union all
    select distinct event_date, 9223372036854775807 as load_id
    from {{ ref('stg_arrivals') }}
    where
        arrival_date >= (
            select {{ minus("coalesce(max(arrival_date), cast('1970-03-01' as date))", 2, 'days') }}
            from {{ ref('stg_load_history') }}
        )
        and log_filename not in (select object_key from {{ ref('stg_load_history') }})
    {%- endif %}

),

builds as (

    select event_date, load_id
    from {{ ref('stg_build_history') }}
    where model = 'logs'

),

dates as (

    select event_date from changes
    union
    select event_date from builds

)

select distinct dates.event_date
from dates
inner join changes
    on
        changes.event_date >= {{ minus('dates.event_date', 2 * var('lookback_days') + 1, 'days') }}
        and changes.event_date <= {{ plus('dates.event_date', 1, 'days') }}
left join builds on dates.event_date = builds.event_date
where
    coalesce(builds.load_id, -1) < changes.load_id
    and dates.event_date >= (select event_date from {{ ref('stg_first_partition') }})
