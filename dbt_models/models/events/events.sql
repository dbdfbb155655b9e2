{{ config(materialized='view', contract={'enforced': false}) }}

-- The events among the hits, with what Universal Analytics calls category, action, label and value. A view, as pageviews.

select * from {{ ref('logs') }}
where hit_type = 'event'
