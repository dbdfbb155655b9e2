-- The measures of every hour, by tracking id and in total. See the macro for the rules.

{{ overview('hour') }}
