-- Purchases and refunds of each period as {revenue} has them, in the currencies shown.
with shown as ({shown}),
currencies as ({currencies})
select
    {at} as shown_period, tracking_id, currency_code, transactions, refunds, transaction_revenue, transaction_tax,
    transaction_shipping, refunded_revenue
from stats.{revenue}
where
    event_date >= :first and event_date < :end
    and (tracking_id = '(all)' or tracking_id in (select tracking_id from shown))
    and currency_code in (select currency_code from currencies)
