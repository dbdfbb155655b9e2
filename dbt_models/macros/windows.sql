{#
    The window of a run: the event dates [start, end) that its models write, from dbt's own flags
    --event-time-start and --event-time-end. Without them a run writes everything.

    Bounds are literals worked out while compiling, so that both warehouses can prune by them. `days` and `minutes` move a bound
    for models that read more than they write; platform/dates.py says by how much, and the inverse.

    What is built for the window is also needed for two other sets of dates, so macros take a `scope`:

    window      the run's window
    next_day    the one date after it, on which sessions of the window may end
    live        the dates that the marts lack, known when a live view is queried (`first_live_date`): no run
#}
{% macro scope_suffix(scope) -%}
    {{ return({"window": "", "next_day": "_next_day", "live": "_live"}[scope]) }}
{%- endmacro %}

{% macro _window_bound(flag, unbounded, days, minutes) -%}
    {%- set given = invocation_args_dict.get(flag) or unbounded -%}
    {%- set moment = modules.datetime.datetime.fromisoformat((given | string)[:10]) -%}
    {{ return(moment + modules.datetime.timedelta(days=days, minutes=minutes)) }}
{%- endmacro %}

{#
    The first date that is modelled, PARTITIONS_START. What arrived before it is not read, whoever loaded it; what happened before it
    and arrived later is quarantined under it. Without the variable everything is modelled.
#}
{% macro first_date() -%}
    cast('{{ env_var("PARTITIONS_START", "") or "1970-03-01" }}' as date)
{%- endmacro %}

{# Dates before the first one count as it: the quarantine of the first date looks back without a bound. #}
{% macro in_window_or_before() -%}
    {%- set first = env_var("PARTITIONS_START", "") or "1970-03-01" -%}
    {%- set start = _window_bound("event_time_start", "1970-03-01", 0, 0).strftime("%Y-%m-%d") -%}
    {%- if start <= first -%} event_date < {{ window_end() }} {%- else -%} {{ in_window() }} {%- endif -%}
{%- endmacro %}

{% macro window_start(days=0) -%}
    cast('{{ _window_bound("event_time_start", "1970-03-01", days, 0).strftime("%Y-%m-%d") }}' as date)
{%- endmacro %}

{% macro window_end(days=0) -%}
    cast('{{ _window_bound("event_time_end", "2100-01-01", days, 0).strftime("%Y-%m-%d") }}' as date)
{%- endmacro %}

{#
    The first date of `live_dates`, null when there is none. In DuckDB a macro of the warehouse's file, which is written anew with whatever
    changes those dates (platform/resources/duckdb/views.py): to its planner that is a constant, by which files are left unread.
#}
{% macro first_live_date() -%}
    {%- if target.type == "duckdb" -%}
    events_live.first_live_date()
    {%- else -%}
    (select min(event_date) from {{ ref("live_dates") }})
    {%- endif -%}
{%- endmacro %}

{# The first instant of the dates, moved; event_at is compared with it where a margin is no whole number of days. #}
{% macro window_start_at(days=0, minutes=0, scope="window") -%}
    {%- if scope == "live" -%}
    {{ plus(plus("cast(" ~ first_live_date() ~ " as timestamp)", days, "days"), minutes, "minutes") }}
    {%- else -%}
    {%- set first = _window_bound("event_time_start", "1970-03-01", days, minutes) if scope == "window"
        else _window_bound("event_time_end", "2100-01-01", days, minutes) -%}
    cast('{{ first.strftime("%Y-%m-%d %H:%M:%S") }}' as timestamp)
    {%- endif -%}
{%- endmacro %}

{# Rows of the dates themselves, or of more around them: `where {{ in_window() }}`. #}
{% macro in_window(column="event_date", days_before=0, days_after=0, scope="window") -%}
    {%- if scope == "live" -%}
    {{ column }} >= {{ minus(first_live_date(), days_before, "days") }}
    {%- elif scope == "next_day" -%}
    {{ column }} >= {{ window_end(-days_before) }} and {{ column }} < {{ window_end(days_after + 1) }}
    {%- else -%}
    {{ column }} >= {{ window_start(-days_before) }} and {{ column }} < {{ window_end(days_after) }}
    {%- endif -%}
{%- endmacro %}

{# The dates of the run's window, as texts; none of a run without a window. #}
{% macro window_days() -%}
    {%- set days = [] -%}
    {%- if invocation_args_dict.get("event_time_start") -%}
        {%- set first = _window_bound("event_time_start", none, 0, 0) -%}
        {%- for offset in range((_window_bound("event_time_end", none, 0, 0) - first).days) -%}
            {%- do days.append((first + modules.datetime.timedelta(days=offset)).strftime("%Y-%m-%d")) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(days) }}
{%- endmacro %}

{#
    A relation of one column, event_date: the dates of the window. A run without a window has the dates that `model` holds.
#}
{% macro window_dates(model) -%}
    {%- for day in window_days() %}
        select cast('{{ day }}' as date) as event_date
        {%- if not loop.last %} union all {%- endif %}
    {%- else -%}
        select distinct event_date from {{ model }}
    {%- endfor -%}
{%- endmacro %}

{# The run's window in words, for tags. #}
{% macro in_window_label() -%}
    [{{ invocation_args_dict.get("event_time_start") or "" }}, {{ invocation_args_dict.get("event_time_end") or "" }})
{%- endmacro %}
