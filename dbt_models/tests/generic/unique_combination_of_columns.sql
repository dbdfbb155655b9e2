{# Within the run's window no two rows share all of `columns`. #}
{% test unique_combination_of_columns(model, columns) %}
    select {{ columns | join(", ") }}, count(*) as copies
    from {{ model }}
    group by {{ columns | join(", ") }}
    having count(*) > 1
{% endtest %}
