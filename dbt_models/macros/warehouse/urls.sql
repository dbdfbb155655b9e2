{# Where the warehouses differ in URLs: one dispatched macro each, both sides side by side. Models know of none. #}

{# ---- a value of a URL without its escapes; as it stands where they are no UTF-8 --------------------------------------------------- #}
{% macro url_decoded(text) -%}
    {{ return(adapter.dispatch("url_decoded")(text)) }}
{%- endmacro %}

{% macro duckdb__url_decoded(text) -%}
    coalesce(try(url_decode(replace({{ text }}, '+', ' '))), {{ text }})
{%- endmacro %}

{#
    Snowflake has no such function: the text is written as hexadecimal bytes, in which the three bytes of an escape become the one that
    it means, the first digit in one pass and the second in another. An underscore keeps what was decoded from being decoded again.
#}
{% macro snowflake__url_decoded(text) -%}
    {%- set digit = "(3[0-9]|[46][1-6])" -%}
    {%- set passes = [("25 3([0-9]) " ~ digit ~ " ", "25:\\\\1 \\\\2 "), ("25:([0-9A-F]) 3([0-9]) ", "\\\\1_\\\\2 ")] -%}
    {%- for letter in "ABCDEF" -%}
        {%- do passes.insert(0, ("25 [46]" ~ loop.index ~ " " ~ digit ~ " ", "25:" ~ letter ~ " \\\\1 ")) -%}
        {%- do passes.append(("25:([0-9A-F]) [46]" ~ loop.index ~ " ", "\\\\1_" ~ letter ~ " ")) -%}
    {%- endfor -%}
    {%- set bytes = namespace(sql="regexp_replace(hex_encode(replace(" ~ text ~ ", '+', ' ')), '(..)', '\\\\1 ')") -%}
    {%- for pattern, replacement in passes -%}
        {%- set bytes.sql = "regexp_replace(" ~ bytes.sql ~ ", '" ~ pattern ~ "', '" ~ replacement ~ "')" -%}
    {%- endfor -%}
    coalesce(try_hex_decode_string(replace(replace({{ bytes.sql }}, ' ', ''), '_', '')), {{ text }})
{%- endmacro %}
