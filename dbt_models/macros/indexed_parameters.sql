{#
    The indexed families of the protocol as rows.

    `products(hits, columns)`, `impressions(hits, columns)` and `promotions(hits, columns)` each give a query: one row for each
    index that a hit of the relation `hits` uses, with the hit's `columns`, the index, one text column a field, and what else the
    client sent for that index (custom dimensions and metrics) as JSON text. `hits` has a column req_body (JSON text).
#}
{% macro product_fields() -%}
    {{ return(["id", "nm", "br", "ca", "va", "pr", "qt", "cc", "ps"]) }}
{%- endmacro %}

{% macro products(hits, columns) -%}
    {{ return(adapter.dispatch("products")(hits, columns)) }}
{%- endmacro %}

{#
    Nearly every hit names at most five products and only the protocol's fields: those are read in one typed pass over the JSON,
    more than four times as fast as the general way, which the other hits take. Both give the same rows (a test compares them).
#}
{% macro duckdb__products(hits, columns) -%}
    {%- set fields = product_fields() -%}
    {%- set typed = range(1, 6) -%}
    select
        {% for column in columns %}{{ column }}, {% endfor %}
        product.product_index,
        {% for field in fields %}product.{{ field }}, {% endfor %}
        cast(null as varchar) as custom
    from (
        select
            {% for column in columns %}{{ column }}, {% endfor %}
            unnest(list_filter([
                {%- for index in typed %}
                {product_index: {{ index }}, {% for field in fields %}{{ field }}: typed."pr{{ index }}{{ field }}"{{ ", " if not loop.last }}{% endfor %}}
                {{- "," if not loop.last }}
                {%- endfor %}
            ], lambda p: coalesce({% for field in fields %}p.{{ field }}{{ ", " if not loop.last }}{% endfor %}) is not null)) as product
        from (
            select
                *,
                json_transform(req_body, '{
                    {%- for index in typed -%}{%- set last = loop.last -%}
                    {%- for field in fields -%}"pr{{ index }}{{ field }}": "VARCHAR"{{ ", " if not (last and loop.last) }}{%- endfor -%}
                    {%- endfor -%}
                }') as typed
            from {{ hits }}
            where not regexp_matches(req_body, '"pr([6-9]|[0-9]{2,}|[0-9]c[dm])')
        )
    )
    union all by name
    {{ _indexed_rows(
        "(select * from " ~ hits ~ " where regexp_matches(req_body, '\"pr([6-9]|[0-9]{2,}|[0-9]c[dm])'))",
        columns, "pr([1-9][0-9]{0,2})", ["product_index"], fields, "c[dm][1-9][0-9]{0,2}"
    ) }}
{%- endmacro %}

{% macro snowflake__products(hits, columns) -%}
    {{ _indexed_rows(hits, columns, "pr([1-9][0-9]{0,2})", ["product_index"], product_fields(), "c[dm][1-9][0-9]{0,2}") }}
{%- endmacro %}

{% macro impressions(hits, columns) -%}
    {#- A list's name (il1nm) has no product index; it is joined to the products of its list by the model. -#}
    {{ _indexed_rows(
        hits, columns, "il([1-9][0-9]{0,2})pi([1-9][0-9]{0,2})", ["list_index", "product_index"],
        ["id", "nm", "br", "ca", "va", "ps", "pr"], "c[dm][1-9][0-9]{0,2}"
    ) }}
{%- endmacro %}

{% macro impression_lists(hits, columns) -%}
    {{ _indexed_rows(hits, columns, "il([1-9][0-9]{0,2})", ["list_index"], ["nm"], none) }}
{%- endmacro %}

{% macro promotions(hits, columns) -%}
    {{ _indexed_rows(hits, columns, "promo([1-9][0-9]{0,2})", ["promotion_index"], ["id", "nm", "cr", "ps"], none) }}
{%- endmacro %}

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
            value
        from ({{ body_entries(hits, columns, pattern) }}) as entries
    ) as named
    where {% for index in indexes %}{{ index }} <= 200{{ " and " if not loop.last }}{% endfor %}
    group by
        {% for column in columns %}{{ column }}, {% endfor %}
        {% for index in indexes %}{{ index }}{{ ", " if not loop.last }}{% endfor %}
{%- endmacro %}

{# ---- (columns, name, value) of the body's scalar members whose name matches ---------------------------------------------------- #}
{% macro body_entries(hits, columns, pattern) -%}
    {{ return(adapter.dispatch("body_entries")(hits, columns, pattern)) }}
{%- endmacro %}

{% macro duckdb__body_entries(hits, columns, pattern) -%}
    {#- The letters before the first index: a quick look at the text spares most hits the way through a map. -#}
    {%- set letters = modules.re.match("\\^([a-z]+)", pattern).group(1) -%}
    select {% for column in columns %}{{ column }}, {% endfor %} entry.key as name, entry.value as value
    from (
        select
            {% for column in columns %}{{ column }}, {% endfor %}
            unnest(list_filter(
                map_entries(json_transform(req_body, '"MAP(VARCHAR, VARCHAR)"')),
                lambda e: e.value is not null and regexp_matches(e.key, '{{ pattern }}')
            )) as entry
        from {{ hits }}
        where regexp_matches(req_body, '"{{ letters }}[1-9]')
    )
{%- endmacro %}

{% macro snowflake__body_entries(hits, columns, pattern) -%}
    select {% for column in columns %}h.{{ column }}, {% endfor %} f.key as name, f.value::varchar as value
    from {{ hits }} as h, lateral flatten(input => parse_json(h.req_body)) as f
    where rlike(f.key, '{{ pattern }}') and not is_null_value(f.value)
{%- endmacro %}

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
