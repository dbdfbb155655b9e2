-- User agents as the platform parsed them: one row a distinct string.

select
    user_agent_id,
    user_agent,
    browser_name,
    os_name,
    device_type,
    is_bot,
    bot_reason
from {{ source('events', 'user_agents') }}
