-- Purchases whose transaction was seen before, within the lookback, for the date after the run's window; the macro tells the rules.

{{ select_repeat_purchases(scope="next_day") }}
