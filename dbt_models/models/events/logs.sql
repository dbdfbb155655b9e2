-- Hits, enriched and sessionized: one row an accepted hit that repeats no other.

{{ select_logs() }}
