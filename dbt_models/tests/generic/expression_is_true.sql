{# Within the run's window every row satisfies `expression`; unknown counts as false. #}
{% test expression_is_true(model, expression) %}
    select * from {{ model }}
    where not coalesce({{ expression }}, false)
{% endtest %}
