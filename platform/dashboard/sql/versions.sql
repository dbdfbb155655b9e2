-- What the newest publications changed: models and rows by date.
select publication_id, event_date, count(*) as models, sum(row_count) as rows_published
from raw.versions
where publication_id > (select max(publication_id) from raw.publications) - 20
group by publication_id, event_date
