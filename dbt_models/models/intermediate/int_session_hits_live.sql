-- Hits free of duplicates, each with its session, for the dates that the marts lack when the view is read.

{{ select_session_hits(scope="live") }}
