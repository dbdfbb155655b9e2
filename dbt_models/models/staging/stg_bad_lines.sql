-- Lines of the archive that are no JSON, under the date at which they arrived.

select
    log_id,
    log_filename,
    arrival_date,
    arrival_date as event_date,
    payload
from {{ source('raw', 'bad_lines') }}
