{# `prefix` is a regular expression with a group for each of `indexes`; what follows it is a field, or matches `custom`. #}
{% macro _indexed_rows(hits, columns, prefix, indexes, fields, custom) -%}
    {%- set names = "(" ~ fields | join("|") ~ (("|" ~ custom) if custom else "") ~ ")" -%}
    {%- set pattern = "^" ~ prefix ~ names ~ "$" -%}
    select
        {% for column in columns %}{{ column }}, {% endfor %}
        {% for index in indexes %}{{ index }}, {% endfor %}
        {% for field in fields -%}
        max(case when field = '{{ field }}' then value end) as {{ field }}{{ "," if custom or not loop.last }}
        {% endfor %}
        {%- if custom %}
        {{ json_object_text("case when field not in ('" ~ fields | join("', '") ~ "') then field end", "value") }} as custom
        {%- endif %}
    from (
        select
            {% for column in columns %}{{ column }}, {% endfor %}
            {% for index in indexes -%}
            cast({{ regexp_group("name", pattern, loop.index) }} as integer) as {{ index }},
            {% endfor %}
            {{ regexp_group("name", pattern, indexes | length + 1) }} as field,
            {{ text_or_null("given") }} as value
        from ({{ body_entries(hits, columns, pattern) }}) as entries
    ) as named
    where value is not null and {% for index in indexes %}{{ index }} <= 200{{ " and " if not loop.last }}{% endfor %}
    group by
        {% for column in columns %}{{ column }}, {% endfor %}
        {% for index in indexes %}{{ index }}{{ ", " if not loop.last }}{% endfor %}
{%- endmacro %}
