-- What purchases and refunds come to, for the dates that the marts lack when the view is read.

{{ select_orders(scope="live") }}
