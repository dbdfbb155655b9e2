-- What {overview} holds of each period: of all properties, which is not the sum of each (a client may visit two), and of those shown.
with shown as ({shown})
select
    {at} as shown_period, tracking_id, hits, bot_hits, pageviews, count_active_sessions, count_new_sessions, count_active_clients,
    count_new_clients, count_active_users, count_new_users, sum_of_pa_detail, sum_of_pa_add, transactions, purchased_items
from stats.{overview}
where
    event_date >= :first and event_date < :end
    and (tracking_id = '(all)' or tracking_id in (select tracking_id from shown))
