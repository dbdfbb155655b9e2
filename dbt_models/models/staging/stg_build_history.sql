{{ config(materialized='ephemeral') }}

-- The newest load that the last build of each model saw, by event date (the ledger).

select model, event_date, load_id
from {{ source('raw', 'build_history') }}
