{# Where the warehouses differ in numbers and moments: one dispatched macro each, both sides side by side. Models know of none. #}

{# dbt-duckdb has no safe_cast of its own: the default's plain cast fails on bad text. #}
{% macro duckdb__safe_cast(field, type) -%}
    try_cast({{ field }} as {{ type }})
{%- endmacro %}

{# ---- how often a whole number goes into another, both of any size --------------------------------------------------------------- #}
{% macro whole_quotient(number, divisor) -%}
    {{ return(adapter.dispatch("whole_quotient")(number, divisor)) }}
{%- endmacro %}

{% macro duckdb__whole_quotient(number, divisor) -%}
    (cast({{ number }} as hugeint) // cast({{ divisor }} as hugeint))
{%- endmacro %}

{# Division rounds to six places on Snowflake, unless nothing is left to round. #}
{% macro snowflake__whole_quotient(number, divisor) -%}
    (({{ number }} - mod({{ number }}, {{ divisor }})) / ({{ divisor }}))
{%- endmacro %}

{# ---- moments ------------------------------------------------------------------------------------------------------------------ #}
{% macro plus(moment, number, unit) -%}
    {{ return(adapter.dispatch("plus")(moment, number, unit)) }}
{%- endmacro %}

{% macro minus(moment, number, unit) -%}
    {{ return(adapter.dispatch("plus")(moment, -number, unit)) }}
{%- endmacro %}

{% macro duckdb__plus(moment, number, unit) -%}
    {{ moment }} {{ "-" if number < 0 else "+" }} interval '{{ number | abs }} {{ unit }}'
{%- endmacro %}

{# Snowflake's intervals are constants without a documented sign. #}
{% macro snowflake__plus(moment, number, unit) -%}
    dateadd({{ unit[:-1] }}, {{ number }}, {{ moment }})
{%- endmacro %}

{% macro milliseconds_between(earlier, later) -%}
    {{ return(adapter.dispatch("milliseconds_between")(earlier, later)) }}
{%- endmacro %}

{% macro duckdb__milliseconds_between(earlier, later) -%}
    (epoch_ms({{ later }}) - epoch_ms({{ earlier }}))
{%- endmacro %}

{% macro snowflake__milliseconds_between(earlier, later) -%}
    datediff(millisecond, {{ earlier }}, {{ later }})
{%- endmacro %}
