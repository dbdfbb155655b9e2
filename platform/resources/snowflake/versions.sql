-- What was built, and what each publication made of it (publications.py). `?` are bound; a list is bound as one JSON text.

-- name: current_versions
select
    b.model, b.event_date, b.code_version, b.inputs, b.load_id, b.publication_id, v.row_count, v.engine, v.digests
from raw.build_history as b
left join raw.versions as v
    on v.model = b.model and v.event_date = b.event_date and v.publication_id = coalesce(b.publication_id, 0)
where b.event_date >= ? and b.event_date < ?
    and b.model in (select value::varchar from table(flatten(input => parse_json(?))));

-- name: versions_of
select model, event_date, code_version, inputs, load_id, publication_id, row_count, engine, digests
from raw.versions
where publication_id = ?;

-- The versions that the cells of a publication had when it changed them.
-- name: versions_before
select v.model, v.event_date, v.code_version, v.inputs, v.load_id, v.publication_id, v.row_count, v.engine, v.digests
from raw.versions as v
join raw.versions as made on made.model = v.model and made.event_date = v.event_date
where made.publication_id = ? and v.publication_id < ?
qualify row_number() over (partition by v.model, v.event_date order by v.publication_id desc) = 1;

-- name: note_definition
update raw.versions set definition = ? where publication_id = ? and model = ?;

-- By view that a publication changed, how the last one before it had made it.
-- name: definitions_before
select v.model, max_by(v.definition, v.publication_id)
from raw.versions as v
join (select distinct model from raw.versions where publication_id = ?) as made on made.model = v.model
where v.publication_id < ? and v.definition is not null
group by v.model;

-- name: replace_builds
delete from raw.build_history
using (
    select
        value:model::varchar as model, value:event_date::varchar::date as event_date, value:load_id::number as load_id,
        value:code_version::varchar as code_version, value:inputs::varchar as inputs,
        value:publication_id::number as publication_id
    from table(flatten(input => parse_json(?)))
) as made
where build_history.model = made.model and build_history.event_date = made.event_date
    and (
        build_history.load_id <> made.load_id or coalesce(build_history.code_version, '') <> made.code_version
        or coalesce(build_history.inputs, '') <> made.inputs
        or coalesce(build_history.publication_id, 0) <> made.publication_id
    );

-- name: note_builds
insert into raw.build_history (model, event_date, load_id, code_version, inputs, publication_id)
select made.model, made.event_date, made.load_id, made.code_version, made.inputs, made.publication_id
from (
    select
        value:model::varchar as model, value:event_date::varchar::date as event_date, value:load_id::number as load_id,
        value:code_version::varchar as code_version, value:inputs::varchar as inputs,
        value:publication_id::number as publication_id
    from table(flatten(input => parse_json(?)))
) as made
left join raw.build_history as known on known.model = made.model and known.event_date = made.event_date
where known.model is null;

-- A fingerprint that another engine made is replaced.
-- name: replace_versions
delete from raw.versions
using (
    select
        value:model::varchar as model, value:event_date::varchar::date as event_date,
        value:publication_id::number as publication_id, value:engine::varchar as engine
    from table(flatten(input => parse_json(?)))
) as made
where versions.model = made.model and versions.event_date = made.event_date
    and versions.publication_id = made.publication_id and versions.engine <> made.engine;

-- name: note_versions
insert into raw.versions
    (publication_id, model, event_date, load_id, code_version, inputs, row_count, engine, digests)
select
    made.publication_id, made.model, made.event_date, made.load_id, made.code_version, made.inputs, made.row_count,
    made.engine, made.digests
from (
    select
        value:publication_id::number as publication_id, value:model::varchar as model,
        value:event_date::varchar::date as event_date, value:load_id::number as load_id,
        value:code_version::varchar as code_version, value:inputs::varchar as inputs, value:row_count::number as row_count,
        value:engine::varchar as engine, value:digests::varchar as digests
    from table(flatten(input => parse_json(?)))
) as made
left join raw.versions as known
    on known.model = made.model and known.event_date = made.event_date and known.publication_id = made.publication_id
where known.model is null;

-- name: close_versions
update raw.versions
set load_id = built.load_id, code_version = built.code_version, inputs = built.inputs
from (
    select known.model, known.event_date, known.publication_id, known.load_id, known.code_version, known.inputs
    from raw.build_history as known
    join (
        select value:model::varchar as model, value:event_date::varchar::date as event_date
        from table(flatten(input => parse_json(?)))
    ) as cells on cells.model = known.model and cells.event_date = known.event_date
) as built
where versions.model = built.model and versions.event_date = built.event_date
    and versions.publication_id = built.publication_id;

-- Kept are the current ones, those that a held audit was compared with, and those that a publication replaced of which the rows are kept.
-- name: forget_versions
delete from raw.versions
using (
    select v.model, v.event_date, v.publication_id
    from raw.versions as v
    left join raw.build_history as b
        on b.model = v.model and b.event_date = v.event_date and coalesce(b.publication_id, 0) = v.publication_id
    left join (
        select distinct model, event_date, before_publication from raw.audits where state = 'held'
    ) as a on a.model = v.model and a.event_date = v.event_date and a.before_publication = v.publication_id
    left join (
        select later.model, later.event_date, max(later.publication_id) as publication_id
        from raw.versions as later
        join raw.publications as p on p.publication_id = later.publication_id
        where p.rows_kept
        group by later.model, later.event_date
    ) as kept
        on kept.model = v.model and kept.event_date = v.event_date and kept.publication_id > v.publication_id
    where b.model is null and a.model is null and kept.model is null
) as gone
where versions.model = gone.model and versions.event_date = gone.event_date
    and versions.publication_id = gone.publication_id;
