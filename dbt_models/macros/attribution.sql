{# Whether a hit is a purchase: enhanced e-commerce says so by its action, the older way by its type. `of` may name a table ("hits."). #}
{% macro is_purchase(of="") -%}
    ({{ of }}product_action = 'purchase' or {{ of }}hit_type = 'transaction')
{%- endmacro %}

{# The utm parameter of a URL, as it stands there (not decoded); null when it has none. #}
{% macro utm_parameter(url, name) -%}
    case
        when {{ url }} like '%utm_{{ name }}=%'
            then nullif({{ regexp_group(url, "[?&]utm_" ~ name ~ "=([^&#]*)", 1) }}, '')
    end
{%- endmacro %}

{# The channel that brought a session, by the usual default grouping, from its first hit. #}
{% macro channel(source, medium, gclid, referrer, location) -%}
    {%- set referrer_host = "lower(" ~ regexp_group(referrer, "^[a-z]+://([^/?#:]+)", 1) ~ ")" -%}
    {%- set own_host = "lower(" ~ regexp_group(location, "^[a-z]+://([^/?#:]+)", 1) ~ ")" -%}
    case
        when {{ gclid }} is not null or lower({{ medium }}) in ('cpc', 'ppc', 'paidsearch', 'paid_search') then 'paid search'
        when lower({{ medium }}) in ('display', 'cpm', 'banner') then 'display'
        when lower({{ medium }}) in ('email', 'e-mail', 'newsletter') then 'email'
        when lower({{ medium }}) in ('affiliate', 'affiliates') then 'affiliates'
        when lower({{ medium }}) in ('social', 'social-network', 'social-media') then 'social'
        when lower({{ medium }}) = 'organic' then 'organic search'
        when lower({{ medium }}) = 'referral' then 'referral'
        when {{ source }} is not null or {{ medium }} is not null then 'other campaign'
        when {{ referrer }} is null or {{ referrer_host }} = '' or {{ referrer_host }} = {{ own_host }} then 'direct'
        when {{ regexp_group(referrer_host, "(^|[.])(google|bing|yahoo|duckduckgo|baidu|ecosia|yandex)[.]", 2) }} <> '' then 'organic search'
        when {{ regexp_group(referrer_host, "(^|[.])(facebook|instagram|twitter|t|x|pinterest|linkedin|reddit|youtube|tiktok)[.](com|co)$", 2) }} <> ''
            then 'social'
        else 'referral'
    end
{%- endmacro %}
