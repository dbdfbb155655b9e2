-- Hits free of duplicates, each with its session, for the run's window; the macro tells the rules.

{{ select_session_hits() }}
