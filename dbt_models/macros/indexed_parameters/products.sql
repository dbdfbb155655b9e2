{#
    The products of hits (prN...) as rows.

    `products(hits, columns)`, as `impressions` and `promotions` beside it, gives a query: one row for each index for which a hit of
    the relation `hits` says anything, with the hit's `columns`, the index, one text column a field (trimmed, null when empty),
    and what else the client sent for that index (custom dimensions and metrics) as JSON text. `hits` has a column req_body
    (JSON text).
#}
{% macro products(hits, columns) -%}
    {{ return(adapter.dispatch("products")(hits, columns)) }}
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

{# The log_id of those of `hits` that name a product. #}
{% macro hits_with_products(hits) -%}
    {%- set prefix = "^pr([1-9]|[1-9][0-9]|1[0-9][0-9]|200)" -%}
    select distinct log_id
    from ({{ body_entries(hits, ["log_id"], prefix ~ "(" ~ product_fields() | join("|") ~ "|c[dm][1-9][0-9]{0,2})$") }}) as entries
    where {{ text_or_null("given") }} is not null
{%- endmacro %}
