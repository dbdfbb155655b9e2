{# Every difference between the warehouses, one dispatched macro each, both sides side by side. Models know of none. #}

{# ---- text of a hit's parameter, of the request's context, or of a refusal ------------------------------------------------- #}
{% macro hit_text(name) -%}
    {{ text_or_null(record_text("body", name)) }}
{%- endmacro %}

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

{% macro record_text(part, name) -%}
    {{ return(adapter.dispatch("record_text")(part, name)) }}
{%- endmacro %}

{# RAW.LOGS of DuckDB holds the record typed (platform/resources/duckdb/sql.py). #}
{% macro duckdb__record_text(part, name) -%}
    record."{{ part }}"."{{ name }}"
{%- endmacro %}

{% macro snowflake__record_text(part, name) -%}
    {%- set path = {"body": "request.body", "context": "context", "rejected": "rejected"}[part] -%}
    data:{{ path }}."{{ name }}"::varchar
{%- endmacro %}

{# ---- the body of a hit as JSON text; null for a record without one --------------------------------------------------------- #}
{% macro body_json() -%}
    {{ return(adapter.dispatch("body_json")()) }}
{%- endmacro %}

{% macro duckdb__body_json() -%}
    data
{%- endmacro %}

{% macro snowflake__body_json() -%}
    to_json(data:request.body)
{%- endmacro %}

{# ---- the whole record where it has no body (refused, or no record at all), for quarantine ----------------------------------- #}
{% macro record_json() -%}
    {{ return(adapter.dispatch("record_json")()) }}
{%- endmacro %}

{% macro duckdb__record_json() -%}
    cast(data as varchar)
{%- endmacro %}

{% macro snowflake__record_json() -%}
    to_json(case when data:request.body is null or is_null_value(data:request.body) then data else data:request.body end)
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

{# dbt-duckdb has no safe_cast of its own: the default's plain cast fails on bad text. #}
{% macro duckdb__safe_cast(field, type) -%}
    try_cast({{ field }} as {{ type }})
{%- endmacro %}

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

{# ---- moments ------------------------------------------------------------------------------------------------------------------ #}
{% macro plus(moment, number, unit) -%}
    {{ return(adapter.dispatch("plus")(moment, number, unit)) }}
{%- endmacro %}

{% macro minus(moment, number, unit) -%}
    {{ return(adapter.dispatch("plus")(moment, -number, unit)) }}
{%- endmacro %}

{% macro duckdb__plus(moment, number, unit) -%}
    {{ moment }} {{ "-" if number < 0 else "+" }} interval '{{ number | abs }} {{ unit }}'
{%- endmacro %}

{# Snowflake's intervals are constants without a documented sign. #}
{% macro snowflake__plus(moment, number, unit) -%}
    dateadd({{ unit[:-1] }}, {{ number }}, {{ moment }})
{%- endmacro %}

{% macro milliseconds_between(earlier, later) -%}
    {{ return(adapter.dispatch("milliseconds_between")(earlier, later)) }}
{%- endmacro %}

{% macro duckdb__milliseconds_between(earlier, later) -%}
    (epoch_ms({{ later }}) - epoch_ms({{ earlier }}))
{%- endmacro %}

{% macro snowflake__milliseconds_between(earlier, later) -%}
    datediff(millisecond, {{ earlier }}, {{ later }})
{%- endmacro %}

{# ---- how often a whole number goes into another, both of any size --------------------------------------------------------------- #}
{% macro whole_quotient(number, divisor) -%}
    {{ return(adapter.dispatch("whole_quotient")(number, divisor)) }}
{%- endmacro %}

{% macro duckdb__whole_quotient(number, divisor) -%}
    (cast({{ number }} as hugeint) // cast({{ divisor }} as hugeint))
{%- endmacro %}

{# Division rounds to six places on Snowflake, unless nothing is left to round. #}
{% macro snowflake__whole_quotient(number, divisor) -%}
    (({{ number }} - mod({{ number }}, {{ divisor }})) / {{ divisor }})
{%- endmacro %}

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
