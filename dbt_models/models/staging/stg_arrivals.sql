{{ config(materialized='ephemeral') }}

-- The dates and the object of each row of RAW.LOGS, without its contents: live_dates stands in every live view many times over,
-- and each time it would have all of stg_hits worked into its plan.

select event_date, arrival_date, log_filename
from {{ source('raw', 'logs') }}
