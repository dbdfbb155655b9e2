{# Where the warehouses differ in aggregates and windows: one dispatched macro each, both sides side by side. Models know of none. #}

{# ---- values of a group as one text, sorted -------------------------------------------------------------------------------------- #}
{% macro joined(expression) -%}
    {{ return(adapter.dispatch("joined")(expression)) }}
{%- endmacro %}

{% macro duckdb__joined(expression) -%}
    string_agg({{ expression }}, '|' order by {{ expression }})
{%- endmacro %}

{% macro snowflake__joined(expression) -%}
    listagg({{ expression }}, '|') within group (order by {{ expression }})
{%- endmacro %}

{# ---- names and values of a group as the text of a JSON object, names sorted, null when there is none ----------------------------- #}
{% macro json_object_text(name, value) -%}
    {{ return(adapter.dispatch("json_object_text")(name, value)) }}
{%- endmacro %}

{% macro duckdb__json_object_text(name, value) -%}
    cast(to_json(map(
        list({{ name }} order by {{ name }}) filter ({{ name }} is not null),
        list({{ value }} order by {{ name }}) filter ({{ name }} is not null)
    )) as varchar)
{%- endmacro %}

{% macro snowflake__json_object_text(name, value) -%}
    nullif(to_json(object_agg({{ name }}, to_variant({{ value }}))), '{}')
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
