{# Every difference between the warehouses, one dispatched macro each, both sides side by side. Models know of none. #}

{# ---- text of a hit's parameter, of the request's context, or of a refusal ------------------------------------------------- #}
{% macro hit_text(name) -%}
    nullif(trim({{ record_text("body", name) }}), '')
{%- endmacro %}

{% macro record_text(part, name) -%}
    {{ return(adapter.dispatch("record_text")(part, name)) }}
{%- endmacro %}

{# RAW.LOGS of DuckDB holds the record typed (platform/resources/duckdb_sql.py). #}
{% macro duckdb__record_text(part, name) -%}
    record."{{ part }}"."{{ name }}"
{%- endmacro %}

{% macro snowflake__record_text(part, name) -%}
    {%- set path = {"body": "request.body", "context": "context", "rejected": "rejected"}[part] -%}
    data:{{ path }}."{{ name }}"::varchar
{%- endmacro %}

{# ---- the body of a hit as JSON text; null for a record without one --------------------------------------------------------- #}
{% macro body_json() -%}
    {{ return(adapter.dispatch("body_json")()) }}
{%- endmacro %}

{% macro duckdb__body_json() -%}
    data
{%- endmacro %}

{% macro snowflake__body_json() -%}
    to_json(data:request.body)
{%- endmacro %}

{# ---- the whole record where it has no body (refused, or no record at all), for quarantine ----------------------------------- #}
{% macro record_json() -%}
    {{ return(adapter.dispatch("record_json")()) }}
{%- endmacro %}

{% macro duckdb__record_json() -%}
    cast(data as varchar)
{%- endmacro %}

{% macro snowflake__record_json() -%}
    to_json(case when data:request.body is null or is_null_value(data:request.body) then data else data:request.body end)
{%- endmacro %}

{# ---- uuid5 of text; as text it is in lower case ------------------------------------------------------------------------------ #}
{% macro uuid5(namespace, text) -%}
    {{ return(adapter.dispatch("uuid5")(namespace, text)) }}
{%- endmacro %}

{% macro snowflake__uuid5(namespace, text) -%}
    uuid_string('{{ namespace }}', {{ text }})
{%- endmacro %}

{% macro duckdb__uuid5(namespace, text) -%}
    {%- set digest -%} sha1(unhex('{{ namespace | replace("-", "") }}') || encode({{ text }})) {%- endset -%}
    cast(list_transform(
        [{{ digest }}],
        lambda h: substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-5' || substr(h, 14, 3) || '-'
            || substr('89ab89ab89ab89ab', strpos('0123456789abcdef', substr(h, 17, 1)), 1) || substr(h, 18, 3)
            || '-' || substr(h, 21, 12)
    )[1] as uuid)
{%- endmacro %}

{# ---- numbers from text: what is no plain number, or longer than any real one, is null ---------------------------------------- #}
{% macro to_decimal(text) -%}
    case
        when {{ full_match(text, "-?([0-9]{1,15}([.][0-9]*)?|[.][0-9]+)") }}
            then {{ dbt.safe_cast(text, "decimal(38, 9)") }}
    end
{%- endmacro %}

{# "2" and "2.0" are two; "2.5" is no count. #}
{% macro to_integer(text) -%}
    case
        when {{ full_match(text, "-?[0-9]{1,15}([.]0*)?") }}
            then {{ dbt.safe_cast("split_part(" ~ text ~ ", '.', 1)", "bigint") }}
    end
{%- endmacro %}

{% macro full_match(text, pattern) -%}
    {{ return(adapter.dispatch("full_match")(text, pattern)) }}
{%- endmacro %}

{% macro duckdb__full_match(text, pattern) -%}
    regexp_full_match({{ text }}, '{{ pattern }}')
{%- endmacro %}

{# RLIKE matches the whole text on Snowflake. #}
{% macro snowflake__full_match(text, pattern) -%}
    rlike({{ text }}, '{{ pattern }}')
{%- endmacro %}

{# dbt-duckdb has no safe_cast of its own: the default's plain cast fails on bad text. #}
{% macro duckdb__safe_cast(field, type) -%}
    try_cast({{ field }} as {{ type }})
{%- endmacro %}

{# ---- distinct values of a group as one text, sorted, null when there is none -------------------------------------------------- #}
{% macro distinct_list(expression) -%}
    {{ return(adapter.dispatch("distinct_list")(expression)) }}
{%- endmacro %}

{% macro duckdb__distinct_list(expression) -%}
    string_agg(distinct {{ expression }}, '|' order by {{ expression }})
{%- endmacro %}

{% macro snowflake__distinct_list(expression) -%}
    nullif(listagg(distinct {{ expression }}, '|') within group (order by {{ expression }}), '')
{%- endmacro %}

{# ---- the newest value up to a row that is not null ------------------------------------------------------------------------------ #}
{% macro last_known(expression, window) -%}
    {{ return(adapter.dispatch("last_known")(expression, window)) }}
{%- endmacro %}

{% macro duckdb__last_known(expression, window) -%}
    last_value({{ expression }} ignore nulls) over ({{ window }})
{%- endmacro %}

{% macro snowflake__last_known(expression, window) -%}
    last_value({{ expression }}) ignore nulls over ({{ window }})
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
