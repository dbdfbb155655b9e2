{{ config(materialized='ephemeral') }}

-- What tells which row of RAW.LOGS corrects which, without its contents: it stands in most models, where stg_hits once more would cost
-- as much to plan as the model.

select
    log_id,
    event_id,
    event_date,
    request_timestamp as received_at,
    {{ revision_number() }} as revision
from {{ source('raw', 'logs') }}
where arrival_date >= {{ first_date() }}
