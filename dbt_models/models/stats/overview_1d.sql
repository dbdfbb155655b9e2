-- The measures of every day, by tracking id and in total. The macro tells the rules.

{{ select_overview('day') }}
