{#
    The indexed families of the protocol as rows.

    `products(hits, columns)`, `impressions(hits, columns)` and `promotions(hits, columns)` each give a query: one row for each
    index for which a hit of the relation `hits` says anything, with the hit's `columns`, the index, one text column a field
    (trimmed, null when empty), and what else the client sent for that index (custom dimensions and metrics) as JSON text.
    `hits` has a column req_body (JSON text).
#}
{% macro product_fields() -%}
    {{ return(["id", "nm", "br", "ca", "va", "pr", "qt", "cc", "ps"]) }}
{%- endmacro %}

{# What a product of an action and one of an impression have in common, from their text columns. #}
{% macro product_columns() -%}
    id as product_id,
    nm as product_name,
    br as product_brand,
    ca as product_category,
    va as product_variant,
    {{ whole(to_decimal('ps')) }} as product_position,
    {{ to_decimal('pr') }} as product_price
{%- endmacro %}

{% macro products(hits, columns) -%}
    {{ return(adapter.dispatch("products")(hits, columns)) }}
{%- endmacro %}

{# The log_id of those of `hits` that name a product. #}
{% macro hits_with_products(hits) -%}
    {%- set prefix = "^pr([1-9]|[1-9][0-9]|1[0-9][0-9]|200)" -%}
    select distinct log_id
    from ({{ body_entries(hits, ["log_id"], prefix ~ "(" ~ product_fields() | join("|") ~ "|c[dm][1-9][0-9]{0,2})$") }}) as entries
    where {{ text_or_null("given") }} is not null
{%- endmacro %}

{% macro duckdb__products(hits, columns) -%}
    {%- set slots = [] -%}
    {%- for index in range(1, 6) -%}{%- do slots.append({"prefix": "pr" ~ index, "values": {"product_index": index}}) -%}{%- endfor -%}
    {%- set others = "regexp_matches(req_body, '\"pr([6-9]|[0-9]{2,}|[0-9]c[dm])')" -%}
    {{ _typed_rows("(select * from " ~ hits ~ " where not " ~ others ~ ")", columns, slots, product_fields()) }}
    union all by name
    {{ snowflake__products("(select * from " ~ hits ~ " where " ~ others ~ ")", columns) }}
{%- endmacro %}

{% macro snowflake__products(hits, columns) -%}
    {{ _indexed_rows(hits, columns, "pr([1-9][0-9]{0,2})", ["product_index"], product_fields(), "c[dm][1-9][0-9]{0,2}") }}
{%- endmacro %}

{% macro impression_fields() -%}
    {{ return(["id", "nm", "br", "ca", "va", "ps", "pr"]) }}
{%- endmacro %}

{# With the name of the product's list; `columns` must include log_id. #}
{% macro impressions(hits, columns) -%}
    {{ return(adapter.dispatch("impressions")(hits, columns)) }}
{%- endmacro %}

{% macro duckdb__impressions(hits, columns) -%}
    {%- set slots = [] -%}
    {%- for index in range(1, 13) -%}
        {%- do slots.append({"prefix": "il1pi" ~ index, "values": {"list_index": 1, "product_index": index}, "shared": {"list_name": "il1nm"}}) -%}
    {%- endfor -%}
    {%- set shown = "(select * from " ~ hits ~ " where regexp_matches(req_body, '\"il[1-9]'))" -%}
    {%- set others = "regexp_matches(req_body, '\"il([2-9]|1[0-9]|1pi(1[3-9]|[2-9][0-9]|[0-9]{3}|[0-9]+c[dm]))')" -%}
    {{ _typed_rows("(select * from " ~ shown ~ " where not " ~ others ~ ")", columns, slots, impression_fields()) }}
    union all by name
    {{ snowflake__impressions("(select * from " ~ shown ~ " where " ~ others ~ ")", columns) }}
{%- endmacro %}

{% macro snowflake__impressions(hits, columns) -%}
    {#- A list's name (il1nm) has no product index. -#}
    select products.*, lists.nm as list_name
    from (
        {{ _indexed_rows(
            hits, columns, "il([1-9][0-9]{0,2})pi([1-9][0-9]{0,2})", ["list_index", "product_index"],
            impression_fields(), "c[dm][1-9][0-9]{0,2}"
        ) }}
    ) as products
    left join (
        {{ _indexed_rows(hits, ["log_id"], "il([1-9][0-9]{0,2})", ["list_index"], ["nm"], none) }}
    ) as lists on products.log_id = lists.log_id and products.list_index = lists.list_index
{%- endmacro %}

{% macro promotions(hits, columns) -%}
    {{ _indexed_rows(hits, columns, "promo([1-9][0-9]{0,2})", ["promotion_index"], ["id", "nm", "cr", "ps"], none) }}
{%- endmacro %}

{#
    Nearly every hit names few products, of one list, and only the protocol's fields: those `slots` are read in one typed pass over
    the JSON, more than four times as fast as the general way, which the other hits take. Both give the same rows (a test
    compares them). A slot has the `prefix` of its keys, the `values` of its indexes, and keys that it has in common with others.
#}
{% macro _typed_rows(hits, columns, slots, fields) -%}
    {%- set keys = [] -%}
    {%- for slot in slots -%}
        {%- for field in fields -%}{%- do keys.append(slot.prefix ~ field) -%}{%- endfor -%}
        {%- for key in slot.get("shared", {}).values() if key not in keys -%}{%- do keys.append(key) -%}{%- endfor -%}
    {%- endfor -%}
    select *
    from (
        select
            {% for column in columns %}{{ column }}, {% endfor %}
            {% for index in slots[0]["values"] %}slot.{{ index }}, {% endfor %}
            {% for name in slots[0].get("shared", {}) %}{{ text_or_null("slot." ~ name) }} as {{ name }}, {% endfor %}
            {% for field in fields %}{{ text_or_null("slot." ~ field) }} as {{ field }}, {% endfor %}
            cast(null as varchar) as custom
        from (
            select
                {% for column in columns %}{{ column }}, {% endfor %}
                unnest(list_filter([
                    {%- for slot in slots %}
                    {
                        {%- for index, value in slot["values"].items() %}{{ index }}: {{ value }}, {% endfor %}
                        {%- for name, key in slot.get("shared", {}).items() %}{{ name }}: typed."{{ key }}", {% endfor %}
                        {%- for field in fields %}{{ field }}: typed."{{ slot.prefix }}{{ field }}"{{ ", " if not loop.last }}{% endfor -%}
                    }{{ "," if not loop.last }}
                    {%- endfor %}
                ], lambda s: coalesce({% for field in fields %}s.{{ field }}{{ ", " if not loop.last }}{% endfor %}) is not null)) as slot
            from (
                select *, json_transform(req_body, '{ {%- for key in keys %}"{{ key }}": "VARCHAR"{{ ", " if not loop.last }}{% endfor -%} }') as typed
                from {{ hits }}
            )
        )
    )
    where coalesce({{ fields | join(", ") }}) is not null
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
            {{ text_or_null("given") }} as value
        from ({{ body_entries(hits, columns, pattern) }}) as entries
    ) as named
    where value is not null and {% for index in indexes %}{{ index }} <= 200{{ " and " if not loop.last }}{% endfor %}
    group by
        {% for column in columns %}{{ column }}, {% endfor %}
        {% for index in indexes %}{{ index }}{{ ", " if not loop.last }}{% endfor %}
{%- endmacro %}

{# ---- (columns, name, given) of the body's scalar members whose name matches ---------------------------------------------------- #}
{% macro body_entries(hits, columns, pattern) -%}
    {{ return(adapter.dispatch("body_entries")(hits, columns, pattern)) }}
{%- endmacro %}

{% macro duckdb__body_entries(hits, columns, pattern) -%}
    {#- The letters before the first index: a quick look at the text spares most hits the way through a map. -#}
    {%- set letters = modules.re.match("\\^([a-z]+)", pattern).group(1) -%}
    select {% for column in columns %}{{ column }}, {% endfor %} entry.key as name, entry.value as given
    from (
        select
            {% for column in columns %}{{ column }}, {% endfor %}
            unnest(list_filter(
                map_entries(coalesce(json_transform(req_body, '"MAP(VARCHAR, VARCHAR)"'), {{ _last_of_each_name("req_body") }})),
                lambda e: e.value is not null and regexp_matches(e.key, '{{ pattern }}')
            )) as entry
        from {{ hits }}
        where regexp_matches(req_body, '"{{ letters }}[1-9]')
    )
{%- endmacro %}

{# A body that has a name twice makes no map; the last one counts. (Loading sees to that; rows of earlier loads may have it.) #}
{% macro _last_of_each_name(body) -%}
    {%- set names = "json_keys(" ~ body ~ ")" -%}
    {%- set last -%}
        list_filter(range(1, len({{ names }}) + 1), lambda i: not list_contains({{ names }}[i + 1:], {{ names }}[i]))
    {%- endset -%}
    case
        when json_type({{ body }}) = 'OBJECT' then map(
            list_transform({{ last }}, lambda i: {{ names }}[i]),
            list_transform({{ last }}, lambda i: json_extract_string({{ body }}, '$.*')[i])
        )
    end
{%- endmacro %}

{% macro snowflake__body_entries(hits, columns, pattern) -%}
    select {% for column in columns %}h.{{ column }}, {% endfor %} f.key as name, f.value::varchar as given
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
