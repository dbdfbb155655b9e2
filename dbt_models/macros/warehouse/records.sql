{# Where the warehouses differ in how RAW.LOGS holds a record: one dispatched macro each, both sides side by side. Models know of none. #}

{# ---- text of a hit's parameter, of the request or its context, or of a refusal --------------------------------------------- #}
{% macro hit_text(name) -%}
    {{ text_or_null(record_text("body", name)) }}
{%- endmacro %}

{% macro record_text(part, name) -%}
    {{ return(adapter.dispatch("record_text")(part, name)) }}
{%- endmacro %}

{# RAW.LOGS of DuckDB holds the record typed (platform/resources/duckdb/sql.py). #}
{% macro duckdb__record_text(part, name) -%}
    record."{{ part }}"."{{ name }}"
{%- endmacro %}

{% macro snowflake__record_text(part, name) -%}
    {%- set path = {"body": "request.body", "context": "context", "rejected": "rejected", "request": "request"}[part] -%}
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

{# ---- which revision of its event a record is, a whole number from 1; null of one that corrects no other ------------------------------ #}
{% macro revision_number() -%}
    {{ return(adapter.dispatch("revision_number")()) }}
{%- endmacro %}

{% macro duckdb__revision_number() -%}
    revision
{%- endmacro %}

{% macro snowflake__revision_number() -%}
    nullif(try_to_number(nullif(regexp_substr(data:revision::varchar, '^[0-9]{1,9}$'), '')), 0)
{%- endmacro %}
