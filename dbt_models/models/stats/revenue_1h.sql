-- Purchases and refunds of every hour that has any, by tracking id (and in total) and currency.

{{ select_revenue('hour') }}
