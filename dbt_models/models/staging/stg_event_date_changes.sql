{{ config(materialized='ephemeral') }}

-- The newest load that changed each event date (the ledger).

select event_date, load_id
from {{ source('raw', 'event_date_changes') }}
