-- Purchases whose transaction was seen before, within the lookback, for the dates that the marts lack when the view is read.

{{ select_repeat_purchases(scope="live") }}
