-- Who was there: one row a date and client or user, bots left out, for each tracking id and once over all of them ('(all)').
--
-- New means not seen in the preceding lookback (30 dates). Seen is whoever sent an accepted hit, read from the raw rows and
-- not from this table's other dates, so that dates can be built in any order.

with superseded as (

    {{ superseded(days_before=var('lookback_days')) }}

),

hits as (

    select event_date, event_at, tracking_id, client_id, user_id
    from {{ ref('logs') }}
    where not is_bot and {{ in_window() }}

),

seen as (

    select distinct event_date, tracking_id, client_id, user_id
    from {{ ref('stg_hits') }}
    where
        quarantine_reason is null
        and {{ in_window(days_before=var('lookback_days')) }}
        and event_date not in (select event_date from superseded)
    union
    -- Apart, so that ids are read of dates only that have such rows.
    select distinct event_date, tracking_id, client_id, user_id
    from {{ ref('stg_hits') }}
    where
        quarantine_reason is null
        and event_date in (select event_date from superseded)
        and log_id not in (select log_id from superseded)

),

seen_ids as (

    select event_date, tracking_id, 'client' as id_kind, client_id as id
    from seen
    where client_id is not null
    union
    select event_date, tracking_id, 'user' as id_kind, user_id as id
    from seen
    where user_id is not null

),

seen_scoped as (

    select event_date, tracking_id, id_kind, id from seen_ids
    union
    select event_date, '(all)' as tracking_id, id_kind, id from seen_ids

),

newness as (

    select
        event_date,
        tracking_id,
        id_kind,
        id,
        lag(event_date) over (partition by tracking_id, id_kind, id order by event_date) as previous_date
    from seen_scoped

),

present_ids as (

    select event_date, event_at, tracking_id, 'client' as id_kind, client_id as id
    from hits
    where client_id is not null
    union all
    select event_date, event_at, tracking_id, 'user' as id_kind, user_id as id
    from hits
    where user_id is not null

),

present as (

    select event_date, tracking_id, id_kind, id, min(event_at) as first_event_at, count(*) as hits
    from present_ids
    group by event_date, tracking_id, id_kind, id

),

present_scoped as (

    select event_date, tracking_id, id_kind, id, first_event_at, hits from present
    union all
    select event_date, '(all)' as tracking_id, id_kind, id, min(first_event_at) as first_event_at, sum(hits) as hits
    from present
    group by event_date, id_kind, id

)

select
    present_scoped.event_date,
    present_scoped.tracking_id,
    present_scoped.id_kind,
    present_scoped.id,
    present_scoped.first_event_at,
    cast(present_scoped.hits as bigint) as hits,
    newness.previous_date is null
    or newness.previous_date < {{ minus('present_scoped.event_date', var('lookback_days'), 'days') }} as is_new
from present_scoped
inner join newness
    on
        present_scoped.event_date = newness.event_date
        and present_scoped.tracking_id = newness.tracking_id
        and present_scoped.id_kind = newness.id_kind
        and present_scoped.id = newness.id
