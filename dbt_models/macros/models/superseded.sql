{#
    Rows of RAW.LOGS whose event a later revision tells otherwise (log_id, event_date), hits and what is in quarantine alike: a rule of the
    collector was mended, and its record appended anew with the same event id, the same time of receipt and a higher revision.

    The newest revision counts, wherever it belongs. It may lie on the date before or after the row's own: the queue time may be what
    was mended. What happened before the first date is in quarantine for that, and stays there.
#}
{% macro superseded(scope="window", days_before=0, days_after=0) -%}
    select revisions.log_id, revisions.event_date
    from {{ ref('stg_revisions') }} as revisions
    inner join (
        select event_id, received_at, max(revision) as revision
        from {{ ref('stg_revisions') }}
        where revision > 0 and {{ in_window(scope=scope, days_before=days_before + 1, days_after=days_after + 1) }}
        group by event_id, received_at
    ) as newest
        on
            revisions.event_id = newest.event_id
            and revisions.received_at = newest.received_at
            and coalesce(revisions.revision, 0) < newest.revision
    where
        {{ in_window(column="revisions.event_date", scope=scope, days_before=days_before, days_after=days_after) }}
        and revisions.event_date >= {{ first_date() }}
{%- endmacro %}
