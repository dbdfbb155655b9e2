-- What is staged, what was published and what waits for a person (staged.py, publications.py). `?` are bound; a list is bound as one
-- JSON text.

-- name: staged_objects
select 'view' as kind, table_name from information_schema.views where table_schema = 'STAGED'
union all
select 'table' as kind, table_name from information_schema.tables where table_schema = 'STAGED' and table_type = 'BASE TABLE'
order by kind desc, table_name;

-- Columns of tables by these names, with what makes their types.
-- name: columns_of
select
    lower(c.table_schema || '.' || c.table_name), lower(c.column_name), c.data_type, c.numeric_precision, c.numeric_scale
from information_schema.columns as c
join information_schema.tables as t on t.table_schema = c.table_schema and t.table_name = c.table_name
where t.table_type = 'BASE TABLE' and lower(c.table_name) in (select value::varchar from table(flatten(input => parse_json(?))))
order by c.table_schema, c.table_name, c.ordinal_position;

-- Under the lock of the ledger's writers: numbers have the order of commits.
-- name: note_publication
insert into raw.publications (publication_id, published_at, models, start_date, end_date, kind, about, rows_kept)
select
    coalesce(max(publication_id), 0) + 1, cast(? as timestamp_ntz), parse_json(?), cast(? as date), cast(? as date), ?, ?, true
from raw.publications;

-- name: latest_publication
select coalesce(max(publication_id), 0) from raw.publications;

-- name: publications
select publication_id, published_at, to_json(models), start_date, end_date, coalesce(kind, 'run'), coalesce(about, '')
from raw.publications
order by publication_id desc
limit ?;

-- Of one: whether the rows that it replaced are kept, and the models that it changed.
-- name: publication
select coalesce(rows_kept, false), to_json(models) from raw.publications where publication_id = ?;

-- name: roll_backs
select publication_id, about from raw.publications where kind = 'roll back';

-- name: version_numbers
select model, event_date, publication_id
from raw.versions
where event_date >= ? and event_date < ?
    and model in (select value::varchar from table(flatten(input => parse_json(?))));

-- name: newest_before
select max(publication_id) from raw.publications where rows_kept and published_at < cast(? as timestamp_ntz);

-- name: note_rows_dropped
update raw.publications set rows_kept = false where publication_id <= ? and rows_kept;

-- name: model_tables
select lower(table_schema), lower(table_name)
from information_schema.tables
where table_schema in ('EVENTS', 'STATS') and table_type = 'BASE TABLE'
    and lower(table_name) in (select value::varchar from table(flatten(input => parse_json(?))));
