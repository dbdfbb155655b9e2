-- What is held for a person, and which code a person has published (publications.py). `?` are bound; a list is bound as one JSON text.

-- name: note_audit
insert into raw.audits (
    audit_id, token, created_at, event_date, model, state, reason, decision, changed_columns, load_id, code_version, inputs,
    row_count, engine, digests, before_publication
)
select
    value:audit_id::varchar, value:token::varchar, value:created_at::varchar::timestamp_ntz,
    value:event_date::varchar::date, value:model::varchar, value:state::varchar, value:reason::varchar,
    value:decision::varchar, value:changed_columns, value:load_id::number, value:code_version::varchar,
    value:inputs::varchar, value:row_count::number, value:engine::varchar, value:digests::varchar,
    value:before_publication::number
from table(flatten(input => parse_json(?)));

-- name: supersede_audits
update raw.audits set state = 'superseded'
where state = 'held' and event_date in (select value::varchar::date from table(flatten(input => parse_json(?))));

-- name: settle_audit
update raw.audits set state = ?
where audit_id = ? and event_date in (select value::varchar::date from table(flatten(input => parse_json(?))));

-- name: newest_audits
select audit_id from raw.audits group by audit_id order by max(created_at) desc, audit_id limit ?;

-- name: held_audits
select distinct audit_id from raw.audits where state = 'held';

-- name: forget_settled
delete from raw.audits
where audit_id in (
    select audit_id
    from raw.audits
    group by audit_id
    having max(created_at) < cast(? as timestamp_ntz) and count_if(state = 'held') = 0
);

-- name: audits
select
    a.audit_id, a.created_at, a.event_date, a.model, a.state, a.reason, a.decision, to_json(a.changed_columns), a.load_id,
    a.code_version, a.inputs, a.row_count, a.engine, a.digests, a.before_publication, v.code_version, v.inputs, v.load_id,
    v.row_count, v.engine, v.digests
from raw.audits as a
left join raw.versions as v
    on v.model = a.model and v.event_date = a.event_date and v.publication_id = a.before_publication
where a.audit_id in (select value::varchar from table(flatten(input => parse_json(?))))
order by a.created_at desc, a.audit_id, a.event_date, a.model;

-- name: token_of_audit
select max(token) from raw.audits where audit_id = ?;

-- name: held_tokens
select distinct token from raw.audits where state = 'held';

-- name: approvals
select model, code_version from raw.approvals;

-- name: approve
insert into raw.approvals (model, code_version, audit_id, approved_at)
select made.model, made.code_version, made.audit_id, made.approved_at
from (
    select
        value:model::varchar as model, value:code_version::varchar as code_version, value:audit_id::varchar as audit_id,
        value:approved_at::varchar::timestamp_ntz as approved_at
    from table(flatten(input => parse_json(?)))
) as made
left join raw.approvals as known on known.model = made.model and known.code_version = made.code_version
where known.model is null;

-- name: withdraw
delete from raw.approvals
using (
    select value:model::varchar as model, value:code_version::varchar as code_version
    from table(flatten(input => parse_json(?)))
) as taken_back
where approvals.model = taken_back.model and approvals.code_version = taken_back.code_version;
