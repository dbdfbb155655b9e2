{# Schemas are named as the design names them (events, stats), not prefixed with the profile's. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
