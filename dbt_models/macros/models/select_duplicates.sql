{#
    Hits that are another hit again, with the kind of repetition: delivered twice, or sent again by the client; and rows, hits or not, that a
    later revision supersedes.

    Reads the dates that sessions read, and a day more for retries.
#}
{% macro select_duplicates(scope="window") -%}
with superseded as (

    {{ superseded(scope, days_before=3, days_after=1) }}

),

hits as (

    select log_id, event_id, event_date, event_at, received_at, tracking_id, visitor_id, cache_buster
    from {{ ref('stg_hits') }}
    where
        quarantine_reason is null
        and {{ in_window(scope=scope, days_before=3, days_after=1) }}
        and log_id not in (select log_id from superseded)

),

contents as (

    select log_id, {{ retry_content() | join(", ") }}
    from {{ ref('stg_hits') }}
    where
        cache_buster is not null
        and {{ in_window(scope=scope, days_before=3, days_after=1) }}

),

{{ duplicates_among("hits", "contents") }}

select log_id, duplicate_kind from duplicates
union all
select log_id, 'superseded' as duplicate_kind from superseded
{%- endmacro %}

{# What a hit and its retry have in common beside tracking id, visitor and cache buster. #}
{% macro retry_content() -%}
    {{ return([
        "hit_type", "product_action", "transaction_id", "document_location", "event_category", "event_action", "event_label"
    ]) }}
{%- endmacro %}

{#
    Common table expressions, the last of them `duplicates` (log_id, duplicate_kind): copies and retries among `hits`, whose
    `contents` are joined only where a cache buster came more than once. Copies are told by groups of more than one, so that
    the great majority of hits is counted and never sorted.
#}
{% macro duplicates_among(hits, contents) -%}
delivered_again as (

    select event_date, event_id
    from {{ hits }}
    group by event_date, event_id
    having count(*) > 1

),

copies as (

    select
        hits.log_id,
        row_number() over (
            partition by hits.event_date, hits.event_id order by hits.received_at, hits.log_id
        ) as copy_number
    from {{ hits }} as hits
    inner join delivered_again
        on hits.event_date = delivered_again.event_date and hits.event_id = delivered_again.event_id

),

sent_again as (

    select tracking_id, visitor_id, cache_buster
    from {{ hits }}
    where cache_buster is not null
    group by tracking_id, visitor_id, cache_buster
    having count(*) > 1

),

attempts as (

    select
        hits.log_id,
        hits.event_at,
        lag(hits.event_at) over (
            partition by hits.tracking_id, hits.visitor_id, hits.cache_buster, contents.{{ retry_content() | join(", contents.") }}
            order by hits.event_at, hits.received_at, hits.event_id
        ) as previous_attempt_at
    from {{ hits }} as hits
    inner join sent_again
        on
            hits.tracking_id = sent_again.tracking_id
            and hits.visitor_id = sent_again.visitor_id
            and hits.cache_buster = sent_again.cache_buster
    inner join {{ contents }} as contents on hits.log_id = contents.log_id
    left join copies on hits.log_id = copies.log_id
    where coalesce(copies.copy_number, 1) = 1

),

duplicates as (

    select log_id, 'duplicate_delivery' as duplicate_kind
    from copies
    where copy_number > 1
    union all
    select log_id, 'client_retry' as duplicate_kind
    from attempts
    where event_at <= {{ plus('previous_attempt_at', var('client_retry_hours'), 'hours') }}

)
{%- endmacro %}
