-- Hits that are another hit again, with the kind of repetition, for the date after the run's window; the macro tells the rules.

{{ select_duplicates(scope="next_day") }}
