{# The promotions of hits (promoN...) as rows. #}
{% macro promotions(hits, columns) -%}
    {{ _indexed_rows(hits, columns, "promo([1-9][0-9]{0,2})", ["promotion_index"], ["id", "nm", "cr", "ps"], none) }}
{%- endmacro %}
