-- User agents that hits carry, and what is known of them (user_agents.py).

-- name: unparsed_user_agents
select distinct found.user_agent
from (
    select
        coalesce(
            nullif(trim(data:request.body.ua::varchar, ' \t\n\x0b\f\r'), ''),
            nullif(trim(data:context.user_agent::varchar, ' \t\n\x0b\f\r'), '')
        ) as user_agent
    from raw.logs
    where event_date >= ? and event_date <= ?
) as found
where found.user_agent is not null
    and found.user_agent not in (select known.user_agent from events.user_agents as known where known.parser_version = ?)
order by found.user_agent;

-- name: delete_user_agents
delete from events.user_agents
where user_agent in (select value:user_agent::varchar from table(flatten(input => parse_json(?))));

-- name: insert_user_agents
insert into events.user_agents (
    user_agent_id, user_agent, browser_name, browser_version, browser_major, os_name, os_version, device_type, device_model,
    device_vendor, is_bot, bot_reason, parser_version
)
select
    value:user_agent_id::varchar, value:user_agent::varchar, value:browser_name::varchar, value:browser_version::varchar,
    value:browser_major::varchar, value:os_name::varchar, value:os_version::varchar, value:device_type::varchar,
    value:device_model::varchar, value:device_vendor::varchar, value:is_bot::boolean, value:bot_reason::varchar,
    value:parser_version::varchar
from table(flatten(input => parse_json(?)));

-- name: count_user_agents
select count(*), count_if(is_bot) from events.user_agents;
