-- What purchases and refunds come to, for the run's window; the macro tells the rules.

{{ select_orders() }}
