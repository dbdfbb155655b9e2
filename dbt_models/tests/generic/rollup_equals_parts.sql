{# Within the run's window each of `measures` is the sum of the same measure over `parts`, for the same `keys`, both ways. #}
{% test rollup_equals_parts(model, parts, keys, measures) %}
    with whole as (
        select {{ keys | join(", ") }}, {{ measures | join(", ") }}
        from {{ model }}
    ),

    parts as (
        select
            {{ keys | join(", ") }},
            {% for measure in measures -%}
            cast(sum({{ measure }}) as decimal(38, 9)) as {{ measure }}{{ "," if not loop.last }}
            {% endfor %}
        from {{ parts }}
        where {{ in_window() }}
        group by {{ keys | join(", ") }}
    )

    select {% for key in keys %}coalesce(whole.{{ key }}, parts.{{ key }}) as {{ key }}{{ ", " if not loop.last }}{% endfor %}
    from whole
    full outer join parts
        on {% for key in keys %}whole.{{ key }} = parts.{{ key }}{{ " and " if not loop.last }}{% endfor %}
    where
        {% for measure in measures -%}
        coalesce(cast(whole.{{ measure }} as decimal(38, 9)), 0) <> coalesce(parts.{{ measure }}, 0){{ " or" if not loop.last }}
        {% endfor %}
{% endtest %}
