-- Hits that are another hit again, with the kind of repetition, for the run's window; the macro tells the rules.

{{ select_duplicates() }}
