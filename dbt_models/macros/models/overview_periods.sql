{# The rows that the overview has, as common table expressions; the last of them is `periods`. #}
{% macro overview_periods(unit) -%}
window_dates as (

    {{ window_dates(ref('logs')) }}

),

scopes as (

    select event_date, '(all)' as tracking_id from window_dates
    union
    select event_date, tracking_id from hits

),

periods as (

    select
        scopes.event_date,
        scopes.tracking_id,
        {% if unit == "hour" -%}
        {{ dbt.dateadd("hour", "hours.hour", "cast(scopes.event_date as timestamp)") }} as period
        {%- else -%}
        cast(scopes.event_date as timestamp) as period
        {%- endif %}
    from scopes
    {%- if unit == "hour" %}
    cross join (
        {%- for hour in range(24) %}
        select {{ hour }} as hour{{ " union all" if not loop.last }}
        {%- endfor %}
    ) as hours
    {%- endif %}

)
{%- endmacro %}
