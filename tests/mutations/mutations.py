"""Defects that a careless edit of the models could make: the file, what stands there, and what it would say instead.

Each of them changes a figure that is published, or a mart that figures are made of. What stands there must be in the file once:
a mutation whose text is gone fails, so that the table cannot go stale in silence.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """One careless edit. `file` is a path in dbt_models/."""

    name: str
    file: str
    old: str
    new: str


_OVERVIEW, _FIGURES = "macros/models/select_overview.sql", "macros/models/overview_figures.sql"
_PERIODS, _REVENUE = "macros/models/overview_periods.sql", "macros/models/select_revenue.sql"
_WINDOWS, _NUMBERS = "macros/windows.sql", "macros/numbers.sql"
_PRODUCTS, _GENERAL = "macros/indexed_parameters/products.sql", "macros/indexed_parameters/general_rows.sql"
_SESSION_HITS, _LOGS = "macros/models/select_session_hits.sql", "macros/models/select_logs.sql"
_DUPLICATES, _REPEATS = "macros/models/select_duplicates.sql", "macros/models/select_orders.sql"
_PURCHASES, _ACTIONS = "macros/models/select_purchases.sql", "macros/models/select_product_actions.sql"
_SESSIONS, _VISITORS, _HITS = (
    "models/events/sessions.sql",
    "models/events/daily_visitors.sql",
    "models/staging/stg_hits.sql",
)

MUTATIONS = (
    # overview_1h and overview_1d
    Mutation("doubled revenue", _OVERVIEW, "then coalesce(purchase_figures.transaction_revenue, 0) end", "then 2 * coalesce(purchase_figures.transaction_revenue, 0) end"),
    Mutation("tax is shipping", _OVERVIEW, "then coalesce(purchase_figures.transaction_tax, 0) end", "then coalesce(purchase_figures.transaction_shipping, 0) end"),
    Mutation("bots among the hits", _FIGURES, "count(case when not is_bot then 1 end) as hits", "count(*) as hits"),
    Mutation("bots among the purchases", _OVERVIEW, "from {{ ref('purchases') }}\n    where not is_bot and", "from {{ ref('purchases') }}\n    where"),
    Mutation("bots among the product actions", _OVERVIEW, "from {{ ref('product_actions') }}\n    where not is_bot and", "from {{ ref('product_actions') }}\n    where"),
    Mutation("sessions counted by hit", _FIGURES, "count(distinct case when not is_bot then session_id end)", "count(case when not is_bot then session_id end)"),
    Mutation("users are clients", _FIGURES, "count(distinct case when not is_bot then user_id end)", "count(distinct case when not is_bot then client_id end)"),
    Mutation("new users are new clients", _FIGURES, "count(case when id_kind = 'user' and is_new then 1 end) as count_new_users", "count(case when id_kind = 'client' and is_new then 1 end) as count_new_users"),
    Mutation("everybody is new", _FIGURES, "count(case when id_kind = 'client' and is_new then 1 end)", "count(case when id_kind = 'client' then 1 end)"),
    Mutation("pageviews with screenviews", _FIGURES, "hit_type = 'pageview' and not is_bot", "hit_type in ('pageview', 'screenview') and not is_bot"),
    Mutation("product without id counts", _FIGURES, "and product_id is not null then 1 end", "then 1 end"),
    Mutation("products by client and not by session", _FIGURES, "group by event_date, period, tracking_id, product_action, session_id, product_id", "group by event_date, period, tracking_id, product_action, session_id, product_id, event_id"),
    Mutation("items are rows", _FIGURES, "sum(product_quantity) as quantity", "count(product_quantity) as quantity"),
    Mutation("first currency wins", _OVERVIEW, "case when purchase_figures.currencies = 1 then purchase_figures.currency_code end", "purchase_figures.currency_code"),
    Mutation("currencies added up", _OVERVIEW, "case when coalesce(purchase_figures.currencies, 0) <= 1 then coalesce(purchase_figures.transaction_shipping, 0) end", "coalesce(purchase_figures.transaction_shipping, 0)"),
    Mutation("hours without hits left out", _OVERVIEW, "left join activity on", "inner join activity on"),
    Mutation("23 hours a day", _PERIODS, "range(24)", "range(23)"),
    Mutation("a property is lost", _PERIODS, "    union\n    select event_date, tracking_id from hits\n", "    union\n    select event_date, tracking_id from hits where tracking_id <> '(not set)'\n"),
    Mutation("an hour late", _OVERVIEW, "dbt.date_trunc(unit, \"event_at\")", "dbt.date_trunc(unit, \"event_at + interval '1 hour'\")"),
    # revenue_1h and revenue_1d
    Mutation("refunds of bots", _REVENUE, "where is_refund and not is_repeat_refund and not is_bot and", "where is_refund and not is_repeat_refund and"),
    Mutation("refunds twice", _REVENUE, "where is_refund and not is_repeat_refund and not is_bot and", "where is_refund and not is_bot and"),
    Mutation("refunds are what was paid", _REVENUE, "1 as refunds, refund_amount as refunded_revenue", "1 as refunds, transaction_revenue as refunded_revenue"),
    Mutation("average of every movement", _REVENUE, "{{ average('transaction_revenue', 'transactions') }}", "{{ average('transaction_revenue', '(transactions + refunds)') }}"),
    Mutation("a purchase counts as two", _REVENUE, "1 as transactions, 0 as refunds", "2 as transactions, 0 as refunds"),
    Mutation("without a currency is EUR", _REVENUE, "coalesce(currency_code, '(not set)') as currency\n", "coalesce(currency_code, 'EUR') as currency\n"),
    # hits and what they are read from
    Mutation("events at their receipt", _HITS, "        event_at,\n        request_timestamp,", "        request_timestamp as event_at,\n        request_timestamp,"),
    Mutation("tax from the wrong parameter", _HITS, "{{ hit_text('tt') }} as transaction_tax", "{{ hit_text('ts') }} as transaction_tax"),
    Mutation("actions keep their case", _HITS, "lower({{ hit_text('pa') }}) as product_action", "upper({{ hit_text('pa') }}) as product_action"),
    Mutation("property without a label", _HITS, "coalesce(nullif(tracking_id, '(all)'), '(not set)') as tracking_id", "coalesce(nullif(tracking_id, '(all)'), client_id) as tracking_id"),
    Mutation("two decimals", _NUMBERS, "then {{ dbt.safe_cast(text, \"decimal(38, 9)\") }}", "then {{ dbt.safe_cast(text, \"decimal(38, 1)\") }} + cast(0 as decimal(38, 9))"),
    Mutation("no quantity from two digits on", _NUMBERS, "case when {{ number }} = floor({{ number }}) then", "case when {{ number }} < 10 and {{ number }} = floor({{ number }}) then"),
    Mutation("bots unknown", _LOGS, "coalesce(user_agents.is_bot, false) as is_bot", "false as is_bot"),
    Mutation("only hits of known agents", _LOGS, "left join {{ ref('stg_user_agents') }} as user_agents on", "inner join {{ ref('stg_user_agents') }} as user_agents on user_agents.device_type <> 'mobile' and"),
    Mutation("shipping for tax", _LOGS, "hits.tax_number as transaction_tax", "hits.shipping_number as transaction_tax"),
    Mutation("a window too short", _WINDOWS, "{{ column }} >= {{ window_start(-days_before) }} and {{ column }} < {{ window_end(days_after) }}", "{{ column }} > {{ window_start(-days_before) }} and {{ column }} < {{ window_end(days_after) }}"),
    Mutation("brand is category", _PRODUCTS, "    br as product_brand,\n", "    ca as product_brand,\n"),
    Mutation("products up to the fifth", _GENERAL, "{{ index }} <= 200", "{{ index }} <= 5"),
    Mutation("labels are actions", _LOGS, "    hits.event_label,", "    hits.event_action as event_label,"),
    # duplicates and repeats
    Mutation("last copy kept", _DUPLICATES, "where copy_number > 1", "where copy_number = 1"),
    Mutation("retries after 23 hours", _DUPLICATES, "var('client_retry_hours')", "var('client_retry_hours') - 1"),
    Mutation("retries of anybody", _DUPLICATES, "partition by hits.tracking_id, hits.visitor_id, hits.cache_buster", "partition by hits.tracking_id, hits.cache_buster"),
    Mutation("repeats after 29 days", _REPEATS, "{{ plus('purchase_at', var('lookback_days'), 'days') }}", "{{ plus('purchase_at', var('lookback_days') - 1, 'days') }}"),
    Mutation("repeats of any property", _REPEATS, "partition by tracking_id, transaction_id order by", "partition by transaction_id order by"),
    Mutation("repeats before the instant", _REPEATS, "is_purchase and event_at <= {{ plus(", "is_purchase and event_at < {{ plus("),
    Mutation("bots' purchases make repeats", _REPEATS, "max(case when is_purchase and not is_bot and transaction_id is not null then event_at end)", "max(case when is_purchase and transaction_id is not null then event_at end)"),
    Mutation("whole refunds count again", _REPEATS, "event_at <= {{ plus('whole_refund_at', var('lookback_days'), 'days') }}", "event_at <= {{ plus('whole_refund_at', 0, 'days') }}"),
    Mutation("refunds of less than nothing", _REPEATS, "coalesce(abs(paid.revenue),", "coalesce(paid.revenue,"),
    Mutation("refunds in no currency", _REPEATS, "coalesce(paid.currency_code, purchases.currency_code)", "paid.currency_code"),
    Mutation("retries of any content", _DUPLICATES, ", contents.{{ retry_content() | join(\", contents.\") }}", ""),
    Mutation("repeats count again", _PURCHASES, "        and not is_repeat_purchase\n", ""),
    Mutation("products of repeats", _ACTIONS, "        and not (is_repeat_purchase and product_action = 'purchase')\n", ""),
    # sessions
    Mutation("sessions of 31 minutes", _SESSION_HITS, "event_at >= {{ plus('previous_at', var('session_timeout_minutes'), 'minutes') }} as follows_gap", "event_at >= {{ plus('previous_at', var('session_timeout_minutes') + 1, 'minutes') }} as follows_gap"),
    Mutation("a pause of exactly 30 minutes", _SESSION_HITS, "event_at >= {{ plus('previous_at', var('session_timeout_minutes'), 'minutes') }} as follows_gap", "event_at > {{ plus('previous_at', var('session_timeout_minutes'), 'minutes') }} as follows_gap"),
    Mutation("sessions end at midnight", _SESSION_HITS, "{%- if var('sessions_end_at_midnight') %}", "{%- if true %}"),
    Mutation("session start unheard", _SESSION_HITS, "or coalesce(gaps.session_control = 'start', false)", ""),
    Mutation("endless sessions", _SESSION_HITS, "or forced_cuts.log_id is not null as is_session_start", "as is_session_start"),
    Mutation("one bot's hit makes a bot", _SESSIONS, "count(case when not is_bot then 1 end) = 0", "count(case when is_bot then 1 end) > 0"),
    Mutation("sessions without their next day", _SESSIONS, "from next_day\n    where {{ in_window('session_started_at') }}\n", "from next_day\n    where 1 = 0\n"),
    Mutation("cart removals are additions", _SESSIONS, "count(case when product_action = 'remove' then 1 end)", "count(case when product_action = 'add' then 1 end)"),
    # who was there
    Mutation("known for 29 days", _VISITORS, "{{ minus('present_scoped.event_date', var('lookback_days'), 'days') }}", "{{ minus('present_scoped.event_date', var('lookback_days') - 1, 'days') }}"),
    Mutation("known beyond the lookback", _VISITORS, "    newness.previous_date is null\n    or newness.previous_date <", "    newness.previous_date is null\n    or newness.previous_date <="),
    Mutation("bots are visitors", _VISITORS, "where not is_bot and {{ in_window() }}", "where {{ in_window() }}"),
    Mutation("visitors by their last hit", _VISITORS, "min(event_at) as first_event_at, count(*) as hits", "max(event_at) as first_event_at, count(*) as hits"),
    Mutation("visitors of all properties once each", _VISITORS, "group by event_date, id_kind, id\n\n)\n\nselect", "group by event_date, id_kind, id, tracking_id\n\n)\n\nselect"),
)  # fmt: skip
"""All of them; some guard the same line from two sides."""
