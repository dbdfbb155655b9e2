-- The measures of every day, by tracking id and in total. See the macro for the rules.

{{ overview('day') }}
