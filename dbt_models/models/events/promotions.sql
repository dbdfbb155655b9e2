-- One row a promotion that a hit names (promoN): shown, or clicked when the hit says promoa=click.

with hits as (

    select * from {{ ref('logs') }}
    where {{ in_window() }}

),

promotions as (

    {{ promotions('hits', [
        'event_date', 'event_at', 'event_id', 'tracking_id', 'session_id', 'client_id', 'user_id', 'document_location', 'is_bot',
        'promotion_action', 'log_id'
    ]) }}

)

select
    event_date,
    event_at,
    event_id,
    tracking_id,
    session_id,
    client_id,
    user_id,
    promotion_index,
    coalesce(promotion_action, 'view') as promotion_action,
    id as promotion_id,
    nm as promotion_name,
    cr as promotion_creative,
    ps as promotion_position,
    document_location,
    is_bot,
    log_id
from promotions
