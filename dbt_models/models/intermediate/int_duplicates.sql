-- Hits that are another hit again, with the kind of repetition, for the run's window and the date after it; the macro tells the rules.
{{ config(materialized="table" if target.type == "duckdb" else "ephemeral") }}

{{ select_duplicates() }}
