{# Where the warehouses differ in texts: one dispatched macro each, both sides side by side. Models know of none. #}

{# ---- a text without the ASCII white space (space, tab, LF, VT, FF, CR) at its ends, and without anything else removed ----------- #}
{% macro trimmed(text) -%}
    {{ return(adapter.dispatch("trimmed")(text)) }}
{%- endmacro %}

{# What begins and ends with a visible character is left alone: a slice costs a third of what TRIM does. #}
{% macro duckdb__trimmed(text) -%}
    case
        when {{ text }}[1] > ' ' and {{ text }}[-1] > ' ' then {{ text }}
        else trim({{ text }}, E' \t\n\x0b\f\r')
    end
{%- endmacro %}

{% macro snowflake__trimmed(text) -%}
    trim({{ text }}, ' \t\n\x0b\f\r')
{%- endmacro %}

{% macro text_or_null(text) -%}
    nullif({{ trimmed(text) }}, '')
{%- endmacro %}

{# ---- whether all of a text matches ----------------------------------------------------------------------------------------- #}
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

{# ---- a group of the first match of a text; an empty text where nothing matches ---------------------------------------------------- #}
{% macro regexp_group(text, pattern, group) -%}
    {{ return(adapter.dispatch("regexp_group")(text, pattern, group)) }}
{%- endmacro %}

{% macro duckdb__regexp_group(text, pattern, group) -%}
    regexp_extract({{ text }}, '{{ pattern }}', {{ group }})
{%- endmacro %}

{% macro snowflake__regexp_group(text, pattern, group) -%}
    {#- No match is NULL on Snowflake and an empty text on DuckDB. #}
    case when {{ text }} is not null then coalesce(regexp_substr({{ text }}, '{{ pattern }}', 1, 1, 'e', {{ group }}), '') end
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
