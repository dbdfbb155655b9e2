-- Hits free of duplicates, each with its session, for the date after the run's window, of visitors who came over its end.

{{ select_session_hits(scope="next_day") }}
