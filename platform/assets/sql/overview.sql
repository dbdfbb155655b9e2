-- Every figure of overview_1h and overview_1d counted from the marts: an hour or a day of one property, or of all of them.
with dates as (
    $dates
),
hits as (
    select
        event_date, extract(hour from event_at) as at_hour, tracking_id, session_id, client_id, user_id, is_bot,
        count(*) as hits,
        count(case when is_session_start then 1 end) as starts,
        count(case when hit_type = 'pageview' then 1 end) as pageviews
    from events.logs
    where event_date >= $start and event_date < $end
    group by event_date, extract(hour from event_at), tracking_id, session_id, client_id, user_id, is_bot
),
activity as (
    select
        event_date, at_hour, tracking_id, grouping(at_hour) as whole_day, grouping(tracking_id) as all_properties,
        sum(case when is_bot then 0 else hits end) as hits,
        sum(case when is_bot then hits else 0 end) as bot_hits,
        count(distinct case when not is_bot then session_id end) as count_active_sessions,
        sum(case when is_bot then 0 else starts end) as count_new_sessions,
        count(distinct case when not is_bot then user_id end) as count_active_users,
        count(distinct case when not is_bot then client_id end) as count_active_clients,
        sum(case when is_bot then 0 else pageviews end) as pageviews
    from hits
    group by grouping sets (
        (event_date, at_hour, tracking_id), (event_date, at_hour), (event_date, tracking_id), (event_date)
    )
),
-- Both scopes are in daily_visitors, since who is new to a property may be known to another.
arrivals as (
    select *, extract(hour from first_event_at) as at_hour from events.daily_visitors
    where event_date >= $start and event_date < $end and is_new
),
newcomers as (
    select
        event_date, at_hour, tracking_id, grouping(at_hour) as whole_day,
        count(case id_kind when 'user' then id end) as count_new_users,
        count(case id_kind when 'client' then id end) as count_new_clients
    from arrivals
    group by grouping sets ((event_date, at_hour, tracking_id), (event_date, tracking_id))
),
products as (
    select
        event_date, extract(hour from event_at) as at_hour, 0 as whole_day, tracking_id, product_action, session_id, product_id,
        count(*) as actions, sum(product_quantity) as quantity
    from events.product_actions
    where
        event_date >= $start and event_date < $end and not is_bot
        and product_action in ('click', 'detail', 'add', 'remove', 'purchase')
    group by event_date, extract(hour from event_at), tracking_id, product_action, session_id, product_id
),
-- A product that is acted on twice in a session counts once an hour, and once a day.
session_products as (
    select * from products
    union all
    select event_date, null, 1, tracking_id, product_action, session_id, product_id, sum(actions), sum(quantity)
    from products
    group by event_date, tracking_id, product_action, session_id, product_id
),
actions as (
    select
        event_date, at_hour, tracking_id, whole_day, grouping(tracking_id) as all_properties,
        sum(case product_action when 'click' then actions end) as sum_of_pa_click,
        count(case product_action when 'click' then product_id end) as pa_clicks,
        sum(case product_action when 'detail' then actions end) as sum_of_pa_detail,
        count(case product_action when 'detail' then product_id end) as pa_details,
        sum(case product_action when 'add' then actions end) as sum_of_pa_add,
        count(case product_action when 'add' then product_id end) as pa_adds,
        sum(case product_action when 'remove' then actions end) as sum_of_pa_remove,
        count(case product_action when 'remove' then product_id end) as pa_removes,
        sum(case product_action when 'purchase' then quantity end) as purchased_items,
        count(distinct case product_action when 'purchase' then product_id end) as purchased_products
    from session_products
    group by grouping sets ((event_date, at_hour, whole_day, tracking_id), (event_date, at_hour, whole_day))
),
bought as (
    select *, extract(hour from event_at) as at_hour, coalesce(currency_code, '(not set)') as currency from events.purchases
    where event_date >= $start and event_date < $end and not is_bot
),
purchases as (
    select
        event_date, at_hour, tracking_id, grouping(at_hour) as whole_day, grouping(tracking_id) as all_properties,
        count(*) as transactions,
        case when min(currency) = max(currency) then min(currency) end as currency_code,
        case when min(currency) = max(currency) then coalesce(sum(transaction_revenue), 0) end as transaction_revenue,
        case when min(currency) = max(currency) then coalesce(sum(transaction_tax), 0) end as transaction_tax,
        case when min(currency) = max(currency) then coalesce(sum(transaction_shipping), 0) end as transaction_shipping
    from bought
    group by grouping sets (
        (event_date, at_hour, tracking_id), (event_date, at_hour), (event_date, tracking_id), (event_date)
    )
),
-- Every property of a date, and all of them, have a row for the day and one for each of its hours.
properties as (
    select event_date, tracking_id, 0 as all_properties from hits
    union
    select event_date, '(all)', 1 from dates
),
periods as (
    select event_date, tracking_id, all_properties, 0 as whole_day, at_hour from properties cross join ($hours) as hours
    union all
    select event_date, tracking_id, all_properties, 1, null from properties
),
must as (
    select
        p.event_date, p.tracking_id || case p.whole_day when 1 then ' day' else ' hour ' || p.at_hour end as place,
        coalesce(a.hits, 0) as hits,
        coalesce(a.bot_hits, 0) as bot_hits,
        coalesce(a.count_active_sessions, 0) as count_active_sessions,
        coalesce(a.count_new_sessions, 0) as count_new_sessions,
        coalesce(a.count_active_users, 0) as count_active_users,
        coalesce(n.count_new_users, 0) as count_new_users,
        coalesce(a.count_active_clients, 0) as count_active_clients,
        coalesce(n.count_new_clients, 0) as count_new_clients,
        coalesce(a.pageviews, 0) as pageviews,
        coalesce(c.sum_of_pa_click, 0) as sum_of_pa_click,
        coalesce(c.pa_clicks, 0) as pa_clicks,
        coalesce(c.sum_of_pa_detail, 0) as sum_of_pa_detail,
        coalesce(c.pa_details, 0) as pa_details,
        coalesce(c.sum_of_pa_add, 0) as sum_of_pa_add,
        coalesce(c.pa_adds, 0) as pa_adds,
        coalesce(c.sum_of_pa_remove, 0) as sum_of_pa_remove,
        coalesce(c.pa_removes, 0) as pa_removes,
        coalesce(b.transactions, 0) as transactions,
        b.currency_code,
        case when b.transactions is null then 0 else b.transaction_revenue end as transaction_revenue,
        case when b.transactions is null then 0 else b.transaction_tax end as transaction_tax,
        case when b.transactions is null then 0 else b.transaction_shipping end as transaction_shipping,
        coalesce(c.purchased_items, 0) as purchased_items,
        coalesce(c.purchased_products, 0) as purchased_products
    from periods as p
    left join activity as a
        on
            p.event_date = a.event_date and p.whole_day = a.whole_day and p.all_properties = a.all_properties
            and coalesce(p.at_hour, -1) = coalesce(a.at_hour, -1) and (p.all_properties = 1 or p.tracking_id = a.tracking_id)
    left join newcomers as n
        on
            p.event_date = n.event_date and p.whole_day = n.whole_day and p.tracking_id = n.tracking_id
            and coalesce(p.at_hour, -1) = coalesce(n.at_hour, -1)
    left join actions as c
        on
            p.event_date = c.event_date and p.whole_day = c.whole_day and p.all_properties = c.all_properties
            and coalesce(p.at_hour, -1) = coalesce(c.at_hour, -1) and (p.all_properties = 1 or p.tracking_id = c.tracking_id)
    left join purchases as b
        on
            p.event_date = b.event_date and p.whole_day = b.whole_day and p.all_properties = b.all_properties
            and coalesce(p.at_hour, -1) = coalesce(b.at_hour, -1) and (p.all_properties = 1 or p.tracking_id = b.tracking_id)
),
made as (
    select *, tracking_id || ' hour ' || extract(hour from period) as place from stats.overview_1h
    where event_date >= $start and event_date < $end
    union all
    select *, tracking_id || ' day' from stats.overview_1d
    where event_date >= $start and event_date < $end
)
