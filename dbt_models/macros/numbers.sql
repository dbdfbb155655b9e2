{#
    Numbers from text, which has no blanks around it: ASCII digits with an optional sign, point and exponent, rounded half up (away
    from zero) to nine places. What is anything else, or is not below 10^15, is null.

    The usual forms are cast as they are. For the others the digits are laid out in 15 places before and 10 behind the point:
    what the warehouses' own casts make of exponents and of very many digits differs.
#}
{% macro to_decimal(text) -%}
    {%- set mantissa = "ltrim(split_part(lower(" ~ text ~ "), 'e', 1), '+-')" -%}
    {%- set exponent = "split_part(lower(" ~ text ~ "), 'e', 2)" -%}
    {%- set digits = "ltrim(replace(" ~ mantissa ~ ", '.', ''), '0')" -%}
    {%- set power -%}
        coalesce(
            {{ dbt.safe_cast("nullif(ltrim(" ~ exponent ~ ", '+'), '')", "integer") }},
            case when {{ exponent }} = '' then 0 when {{ exponent }} like '-%' then -999999999 else 999999999 end
        )
    {%- endset -%}
    {%- set zeros = "(15 + length(split_part(" ~ mantissa ~ ", '.', 2)) - length(" ~ digits ~ ") - " ~ power ~ ")" -%}
    {%- set places = "rpad(repeat('0', least(" ~ zeros ~ ", 25)) || left(" ~ digits ~ ", 25), 25, '0')" -%}
    case
        when {{ full_match(text, "-?([0-9]{1,15}([.][0-9]{0,9})?|[.][0-9]{1,9})") }}
            then {{ dbt.safe_cast(text, "decimal(38, 9)") }}
        when {{ full_match(text, "[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?") }}
            then case
                when {{ digits }} = '' then cast(0 as decimal(38, 9))
                when {{ zeros }} >= 0
                    then case when left({{ text }}, 1) = '-' then -1 else 1 end
                        * {{ dbt.safe_cast("left(" ~ places ~ ", 15) || '.' || substr(" ~ places ~ ", 16, 10)", "decimal(38, 9)") }}
            end
    end
{%- endmacro %}

{# Of a decimal: "2" and "2.0" are two; "2.5" is no count. #}
{% macro whole(number) -%}
    case when {{ number }} = floor({{ number }}) then cast({{ number }} as bigint) end
{%- endmacro %}

{# How many of these texts stand where a number is expected and are none: {number: text}. #}
{% macro unreadable(numbers) -%}
    {%- for number, text in numbers.items() -%}
    case when {{ text }} is not null and {{ number }} is null then 1 else 0 end{{ " + " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# `total` / `count` as an exact decimal of two places, rounded half up; null when there is nothing to divide by. #}
{% macro average(total, count) -%}
    case
        when {{ count }} > 0
            then cast(
                sign({{ total }}) * cast(0.01 as decimal(3, 2))
                * cast({{ whole_quotient("floor(200 * abs(" ~ total ~ ") + " ~ count ~ ")", "2 * " ~ count) }} as decimal(38, 0))
                as decimal(38, 2)
            )
    end
{%- endmacro %}
