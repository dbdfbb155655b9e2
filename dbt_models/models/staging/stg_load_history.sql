{{ config(materialized='ephemeral') }}

-- The objects of the archive that RAW.LOGS holds (the ledger).

select object_key, arrival_date
from {{ source('raw', 'load_history') }}
