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
