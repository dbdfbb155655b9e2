-- Every figure of overview_1h and overview_1d counted from the marts: an hour or a day of one property, or of all of them.
-- Goes on after overview_visits.sql and overview_sales.sql.

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
