-- What is staged and what was published (proposal.py, ledger.py). `?` are bound; a list is bound as one JSON text.

-- name: staged_objects
select 'view' as kind, table_name from information_schema.views where table_schema = 'STAGED'
union all
select 'table' as kind, table_name from information_schema.tables where table_schema = 'STAGED' and table_type = 'BASE TABLE'
order by kind desc, table_name;

-- name: staged_columns
select table_name, column_name from information_schema.columns where table_schema = 'STAGED' order by table_name, ordinal_position;

-- Under the lock of the ledger's writers: numbers have the order of commits.
-- name: note_publication
insert into raw.publications (publication_id, published_at, models, start_date, end_date)
select coalesce(max(publication_id), 0) + 1, cast(? as timestamp_ntz), parse_json(?), cast(? as date), cast(? as date)
from raw.publications;

-- name: latest_publication
select coalesce(max(publication_id), 0) from raw.publications;

-- name: publications
select publication_id, published_at, to_json(models), start_date, end_date
from raw.publications
order by publication_id desc
limit ?;

-- name: published_since
select to_json(models), start_date
from raw.publications
where publication_id > ? and start_date < ? and end_date > ?
order by publication_id;
