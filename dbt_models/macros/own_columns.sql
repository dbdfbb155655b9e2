{# The model's columns by name: a column that was added to a table stands at its end, wherever the model has it. #}
{% macro own_columns() -%}
    {{ model.columns.keys() | join(", ") }}
{%- endmacro %}
