-- What the archive holds and no model can use, each row with its reason: refused hits, records that break the contract, bad lines.

with superseded as (

    {{ superseded() }}

),

hits as (

    select * from {{ ref('stg_hits') }}
    where
        quarantine_reason is not null and {{ in_window_or_before() }}
        and log_id not in (select log_id from superseded)

),

bad_lines as (

    select * from {{ ref('stg_bad_lines') }}
    where {{ in_window() }}

)

select
    greatest(event_date, {{ first_date() }}) as event_date,
    arrival_date,
    received_at,
    event_id,
    quarantine_reason as reason,
    case when rejected_reason is not null then 'rejected' else 'contract' end as kind,
    rejected_detail as detail,
    coalesce(rejected_payload, record_json) as payload,
    log_filename,
    cast(log_id as varchar) as log_id
from hits

union all

select
    event_date,
    arrival_date,
    cast(null as timestamp) as received_at,
    log_id as event_id,
    'malformed_json' as reason,
    'bad_line' as kind,
    cast(null as varchar) as detail,
    payload,
    log_filename,
    log_id
from bad_lines
