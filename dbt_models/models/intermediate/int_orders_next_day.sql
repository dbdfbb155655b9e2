-- What purchases and refunds come to, for the date after the run's window; the macro tells the rules.

{{ select_orders(scope="next_day") }}
