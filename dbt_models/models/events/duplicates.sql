-- Hits that repeat another one, and records that a later revision supersedes: not in logs (or quarantine), one row each, with its kind.

with hits as (

    select * from {{ ref('stg_hits') }}
    where {{ in_window() }}

),

duplicates as (

    select * from {{ ref('int_duplicates') }}

)

select
    hits.event_date,
    hits.event_at,
    hits.received_at,
    hits.event_id,
    hits.tracking_id,
    hits.client_id,
    hits.user_id,
    hits.request_id,
    duplicates.duplicate_kind,
    cast(hits.log_id as varchar) as log_id
from hits
inner join duplicates on hits.log_id = duplicates.log_id
