-- Hits that are another hit again, with the kind of repetition, for the dates that the marts lack when the view is read.

{{ select_duplicates(scope="live") }}
