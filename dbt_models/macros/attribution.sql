{#
    Enhanced e-commerce says by its action what a hit is, the older way by its type; a transaction hit of less than nothing gives
    money back. No hit is both. `revenue` is the number, `of` may name a table ("hits.").
#}
{% macro is_refund(revenue="transaction_revenue", of="") -%}
    coalesce({{ of }}product_action = 'refund' or ({{ of }}hit_type = 'transaction' and {{ revenue }} < 0), false)
{%- endmacro %}

{% macro is_purchase(revenue="transaction_revenue", of="") -%}
    (
        coalesce({{ of }}product_action = 'purchase' or {{ of }}hit_type = 'transaction', false)
        and not {{ is_refund(revenue, of) }}
    )
{%- endmacro %}

{# Ids that an advertiser's click leaves behind, as parameters of the hit or of its page's URL. #}
{% macro click_ids() -%}
    {{ return(["gclid", "gbraid", "wbraid", "dclid", "msclkid"]) }}
{%- endmacro %}

{# A parameter of a URL, decoded; null when it has none. #}
{% macro url_parameter(url, name) -%}
    case
        when {{ url }} like '%{{ name }}=%'
            then {{ text_or_null(url_decoded(regexp_group(url, "[?&]" ~ name ~ "=([^&#]*)", 1))) }}
    end
{%- endmacro %}

{# Of the relation `hits`: the campaign and click ids that a hit names itself, or else those of its page's URL. #}
{% macro campaign_columns() -%}
    {%- set parameters = {
        "campaign_name": "utm_campaign", "campaign_source": "utm_source", "campaign_medium": "utm_medium",
        "campaign_keyword": "utm_term", "campaign_content": "utm_content", "campaign_id": "utm_id"
    } -%}
    {%- for name in click_ids() -%}{%- do parameters.update({name: name}) -%}{%- endfor -%}
    {%- for column, parameter in parameters.items() %}
    coalesce(hits.{{ column }}, {{ url_parameter('hits.document_location', parameter) }}) as {{ column }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{# The host of a URL of any scheme, in lower case, without user, port and final point; empty when it has none. #}
{% macro url_host(url) -%}
    rtrim({{ regexp_group("lower(" ~ url ~ ")", "^[a-z][a-z0-9+.-]*://([^/?#@]*@)?([^/?#:@]*)", 2) }}, '.')
{%- endmacro %}

{#
    The channel that brought a session, by the usual default grouping, from its first hit. Search engines and social networks are
    told by their whole host: mail.google.com and google.evil.example are referrals like any other.
#}
{% macro channel(source, medium, click_id, referrer, location) -%}
    {%- set referrer_host = url_host(referrer) -%}
    {%- set engines = [
        "((www|m|images|encrypted)[.])?google[.](com|[a-z]{2}|com?[.][a-z]{2})", "((www|m|cn)[.])?bing[.]com",
        "((www|([a-z]+[.])*search)[.])?yahoo[.](com|co[.]jp)", "((www|html|lite|start|safe)[.])?duckduckgo[.]com", "((www|m)[.])?baidu[.]com",
        "(www[.])?ecosia[.]org", "((www|m)[.])?yandex[.]([a-z]{2,3}|com[.][a-z]{2})", "((www|m)[.])?ya[.]ru", "(www[.])?qwant[.]com",
        "(www[.])?startpage[.]com", "search[.]brave[.]com", "com[.]google[.]android[.]googlequicksearchbox"
    ] -%}
    {%- set networks = "(facebook|instagram|twitter|x|pinterest|linkedin|reddit|youtube|tiktok)[.]com|t[.]co|youtu[.]be|lnkd[.]in" -%}
    case
        when {{ click_id }} is not null or lower({{ medium }}) in ('cpc', 'ppc', 'paidsearch', 'paid_search') then 'paid search'
        when lower({{ medium }}) in ('display', 'cpm', 'banner') then 'display'
        when lower({{ medium }}) in ('email', 'e-mail', 'newsletter') then 'email'
        when lower({{ medium }}) in ('affiliate', 'affiliates') then 'affiliates'
        when lower({{ medium }}) in ('social', 'social-network', 'social-media') then 'social'
        when lower({{ medium }}) = 'organic' then 'organic search'
        when lower({{ medium }}) = 'referral' then 'referral'
        when {{ source }} is not null or {{ medium }} is not null then 'other campaign'
        when {{ referrer }} is null or {{ referrer_host }} = '' or {{ referrer_host }} = {{ url_host(location) }} then 'direct'
        when {{ full_match(referrer_host, engines | join("|")) }} then 'organic search'
        when {{ full_match(referrer_host, "([a-z0-9-]+[.])*(" ~ networks ~ ")") }} then 'social'
        else 'referral'
    end
{%- endmacro %}
