-- The measures of every hour, by tracking id and in total. The macro tells the rules.

{{ select_overview('hour') }}
