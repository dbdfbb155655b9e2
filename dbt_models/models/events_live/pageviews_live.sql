-- The pageviews among the hits up to now.

select * from {{ ref('logs_live') }}
where hit_type = 'pageview'
