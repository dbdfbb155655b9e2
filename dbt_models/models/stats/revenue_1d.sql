-- Purchases and refunds of every day that has any, by tracking id (and in total) and currency.

{{ select_revenue('day') }}
