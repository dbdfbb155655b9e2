-- What the statistics say of each other: a day is its hours, all is every property, and the money of overview is revenue's.
with hours as (
    select
        event_date, tracking_id,
        sum(hits) as hits, sum(bot_hits) as bot_hits, sum(count_new_sessions) as new_sessions,
        sum(count_new_users) as new_users, sum(count_new_clients) as new_clients, sum(pageviews) as pageviews,
        sum(sum_of_pa_click + sum_of_pa_detail + sum_of_pa_add + sum_of_pa_remove) as product_actions,
        sum(transactions) as transactions, sum(purchased_items) as items,
        -- Who or what is there in several hours counts once a day.
        max(count_active_sessions) as least_sessions, sum(count_active_sessions) as most_sessions,
        max(count_active_users) as least_users, sum(count_active_users) as most_users,
        max(count_active_clients) as least_clients, sum(count_active_clients) as most_clients,
        max(purchased_products) as least_products, sum(purchased_products) as most_products
    from stats.overview_1h
    where event_date >= $start and event_date < $end
    group by event_date, tracking_id
),
days as (
    select * from stats.overview_1d
    where event_date >= $start and event_date < $end
),
properties as (
    select
        event_date,
        sum(hits) as hits, sum(bot_hits) as bot_hits, sum(count_new_sessions) as new_sessions, sum(pageviews) as pageviews,
        sum(sum_of_pa_click + sum_of_pa_detail + sum_of_pa_add + sum_of_pa_remove) as product_actions,
        sum(transactions) as transactions, sum(purchased_items) as items, sum(count_active_sessions) as sessions,
        max(count_active_users) as least_users, sum(count_active_users) as most_users,
        max(count_active_clients) as least_clients, sum(count_active_clients) as most_clients,
        max(purchased_products) as least_products, sum(purchased_products) as most_products
    from days
    where tracking_id <> '(all)'
    group by event_date
),
money as (
    select
        event_date, tracking_id, sum(transactions) as transactions,
        case when min(currency_code) = max(currency_code) then sum(transaction_revenue) end as revenue,
        case when min(currency_code) = max(currency_code) then sum(transaction_tax) end as tax,
        case when min(currency_code) = max(currency_code) then sum(transaction_shipping) end as shipping
    from stats.revenue_1d
    where event_date >= $start and event_date < $end and transactions > 0
    group by event_date, tracking_id
),
must as (
    select
        d.event_date, d.tracking_id || ' day, by its hours' as place,
        h.hits, h.bot_hits, h.new_sessions, h.new_users, h.new_clients, h.pageviews, h.product_actions, h.transactions, h.items,
        least(greatest(d.count_active_sessions, h.least_sessions), h.most_sessions) as sessions,
        least(greatest(d.count_active_users, h.least_users), h.most_users) as users,
        least(greatest(d.count_active_clients, h.least_clients), h.most_clients) as clients,
        least(greatest(d.purchased_products, h.least_products), h.most_products) as products,
        null as revenue, null as tax, null as shipping
    from days as d
    left join hours as h on d.event_date = h.event_date and d.tracking_id = h.tracking_id
    union all
    select
        d.event_date, 'all day, by its properties',
        coalesce(p.hits, 0), coalesce(p.bot_hits, 0), coalesce(p.new_sessions, 0), d.count_new_users, d.count_new_clients,
        coalesce(p.pageviews, 0), coalesce(p.product_actions, 0), coalesce(p.transactions, 0), coalesce(p.items, 0),
        coalesce(p.sessions, 0),
        coalesce(least(greatest(d.count_active_users, p.least_users), p.most_users), 0),
        coalesce(least(greatest(d.count_active_clients, p.least_clients), p.most_clients), 0),
        coalesce(least(greatest(d.purchased_products, p.least_products), p.most_products), 0),
        null, null, null
    from days as d
    left join properties as p on d.event_date = p.event_date
    where d.tracking_id = '(all)'
    union all
    select
        d.event_date, d.tracking_id || ' day, by its revenue',
        null, null, null, null, null, null, null, coalesce(m.transactions, 0), null,
        null, null, null, null,
        case when m.transactions is null then 0 else m.revenue end,
        case when m.transactions is null then 0 else m.tax end,
        case when m.transactions is null then 0 else m.shipping end
    from days as d
    left join money as m on d.event_date = m.event_date and d.tracking_id = m.tracking_id
),
of_the_day as (
    select
        event_date, tracking_id, hits, bot_hits, count_new_sessions as new_sessions, count_new_users as new_users,
        count_new_clients as new_clients, pageviews,
        sum_of_pa_click + sum_of_pa_detail + sum_of_pa_add + sum_of_pa_remove as product_actions,
        transactions, purchased_items as items, count_active_sessions as sessions, count_active_users as users,
        count_active_clients as clients, purchased_products as products,
        transaction_revenue as revenue, transaction_tax as tax, transaction_shipping as shipping
    from days
),
made as (
    select
        event_date, tracking_id || ' day, by its hours' as place,
        hits, bot_hits, new_sessions, new_users, new_clients, pageviews, product_actions, transactions, items,
        sessions, users, clients, products, null as revenue, null as tax, null as shipping
    from of_the_day
    union all
    select
        event_date, 'all day, by its properties',
        hits, bot_hits, new_sessions, new_users, new_clients, pageviews, product_actions, transactions, items,
        sessions, users, clients, products, null, null, null
    from of_the_day
    where tracking_id = '(all)'
    union all
    select
        event_date, tracking_id || ' day, by its revenue',
        null, null, null, null, null, null, null, transactions, null, null, null, null, null, revenue, tax, shipping
    from of_the_day
)
