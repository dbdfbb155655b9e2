{# Tests look at the dates that the run wrote: a backfill of a day need not read a year. Without a window they look at everything. #}
{% macro get_where_subquery(relation) -%}
    {%- set seen = as_seen_by_run(relation) -%}
    {%- if invocation_args_dict.get("event_time_start") -%}
        (select * from {{ seen }} where {{ in_window() }}) as window_rows
    {%- else -%}
        {{ seen }}
    {%- endif -%}
{%- endmacro %}
