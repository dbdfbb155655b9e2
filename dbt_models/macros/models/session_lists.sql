{#
    Who is behind each session, as common table expressions: `session_bounds` has its least and greatest user id and address, and
    `user_ids` and `user_ips` the lists of those sessions that have more than one.
#}
{% macro session_lists() -%}
-- A session's hits of the next day count too: the lists are the same whichever date is built. An event id that came on two
-- dates may have begun a session on each, of one id.
session_bounds as (

    select
        session_id,
        session_started_at,
        min(visitor_hit_number) as first_hit_number,
        min(user_id) as least_user_id,
        max(user_id) as greatest_user_id,
        min(user_ip) as least_user_ip,
        max(user_ip) as greatest_user_ip
    from session_hits
    group by session_id, session_started_at

),

{{ session_list("user_ids", "user_id") }},

{{ session_list("user_ips", "user_ip") }}
{%- endmacro %}

{#
    A common table expression: the distinct values of `column` in each session that has more than one, sorted, joined by |. Every hit
    carries the list, so it is bounded (var `session_list_length`): with all ids of a session that has a new one a hit, the
    lists would grow with the square of the hits. How many there are says sessions.
#}
{% macro session_list(name, column) -%}
{{ name }} as (

    select session_id, session_started_at, {{ joined(column) }} as list
    from (
        select
            several.session_id,
            several.session_started_at,
            several.{{ column }},
            row_number() over (partition by several.session_id, several.session_started_at order by several.{{ column }}) as place
        from (
            select distinct session_hits.session_id, session_hits.session_started_at, session_hits.{{ column }}
            from session_hits
            inner join session_bounds
                on
                    session_hits.session_id = session_bounds.session_id
                    and session_hits.session_started_at = session_bounds.session_started_at
            where
                session_bounds.least_{{ column }} <> session_bounds.greatest_{{ column }}
                and session_hits.{{ column }} is not null
        ) as several
    ) as placed
    where place <= {{ var('session_list_length') }}
    group by session_id, session_started_at

)
{%- endmacro %}
