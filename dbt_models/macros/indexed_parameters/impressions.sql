{# The products that hits show in lists (ilNpiM...) as rows, each with the name of its list; `columns` must include log_id. #}
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

{% macro impression_fields() -%}
    {{ return(["id", "nm", "br", "ca", "va", "ps", "pr"]) }}
{%- endmacro %}
