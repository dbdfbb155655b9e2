-- Products belong to hits of logs: of their action, session and time, and to no repeated purchase. Bots are marked as in logs.
with of_hits as (
    select p.event_date, p.product_action, p.event_id, p.event_at, p.tracking_id, p.session_id, p.is_bot, p.log_id
    from events.product_actions as p
    where p.event_date >= $start and p.event_date < $end
),
hits as (
    select
        event_date, case when is_refund then 'refund' else product_action end as product_action,
        event_id, event_at, tracking_id, session_id, is_bot, log_id
    from events.logs
    where
        event_date >= $start and event_date < $end and product_action is not null
        and not (product_action = 'purchase' and is_repeat_purchase)
),
strangers as (
    select * from of_hits
    except
    select * from hits
),
made as (
    select event_date, 'products of hit ' || event_id as place, product_action from strangers
),
must as (
    select * from made where false
)
