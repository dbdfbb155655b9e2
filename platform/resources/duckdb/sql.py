"""The one query that turns archive lines into rows of RAW.LOGS, and the one that quarantines the lines that are none.

RAW.LOGS holds a row for every line that parses. A record is parsed once in its life: one pass of DuckDB's JSON reader types the
envelope and every parameter that is not indexed into `record`, and keeps the body's JSON in `data` for the indexed families
(products, impressions, promotions, custom dimensions). Models reach both through the macro `hit_text`, which reads
the VARIANT on Snowflake.
"""

from __future__ import annotations

from collector.contract import MAX_QUEUE_TIME_MS
from ingestion_platform.resources.duckdb.tables import BODY_FIELDS, CONTEXT_FIELDS, REJECTED_FIELDS, REQUEST_FIELDS
from ingestion_platform.resources.strict_lines import LONG_LINE, REFUSED
from ingestion_platform.resources.warehouse import LOG_ID_NAMESPACE

# A timestamp beyond these is no time of a hit: it would not fit a TIMESTAMP, or it is not milliseconds.
_FIRST_MS, _LAST_MS = 0, 4_102_444_800_000  # 1970-01-01, 2100-01-01

# An event may lie this far from its object's arrival; further off it is quarantined under its arrival date.
MAX_DAYS_BEFORE_ARRIVAL, MAX_DAYS_AFTER_ARRIVAL = 400, 1


def _json_object(fields: tuple[str, ...]) -> str:
    return "{" + ", ".join(f'"{name}": "VARCHAR"' for name in fields) + "}"


_ENVELOPE = (
    '{"event_id": "VARCHAR", "service": {"id": "VARCHAR"}, '
    f'"context": {_json_object((*CONTEXT_FIELDS, "client_id", "user_id", "tracking_id"))}, '
    f'"request": {_json_object((*REQUEST_FIELDS, "id", "timestamp"))[:-1]}, "body": "JSON"}}, '
    '"response": {"id": "VARCHAR", "timestamp": "VARCHAR"}, '
    f'"rejected": {_json_object(REJECTED_FIELDS)}, "revision": "VARCHAR"}}'
)


def _uuid5(digest: str) -> str:
    """The uuid5 of a SHA-1 in hexadecimal."""
    variant = f"substr('89ab89ab89ab89ab', strpos('0123456789abcdef', substr({digest}, 17, 1)), 1)"
    return f"cast(substr({digest}, 1, 12) || '5' || substr({digest}, 14, 3) || {variant} || substr({digest}, 18, 15) as uuid)"


_DIGEST = f"sha1(unhex('{LOG_ID_NAMESPACE.replace('-', '')}') || encode(object_key || ':' || row_number::varchar))"


def _milliseconds(value: str) -> str:
    return f"case when {value} between {_FIRST_MS} and {_LAST_MS} then epoch_ms({value}) end"


def _whole(text: str) -> str:
    """The whole number that a text of digits gives, a fraction left out; null for any other and for one too large for a time."""
    number = f"try_cast({text} as bigint)"
    # Nearly every number is written as it would be written again, which is seen faster than a pattern is matched.
    return f"""case
        when {number} >= 0 and {number}::varchar = {text} then {number}
        when regexp_full_match({text}, '[0-9]{{1,18}}([.][0-9]*)?') then try_cast(split_part({text}, '.', 1) as bigint)
    end"""


BLANKS = " || ".join(["' '", *(f"chr({code})" for code in (9, 10, 11, 12, 13))])


def _present(*values: str) -> str:
    """The first value that is neither missing nor blank, without ASCII blanks around it.

    Reads `plain`: whether nothing is escaped in the line, so that no blank but the space can be. Few values need the trimming,
    which costs more than to see that.
    """
    trimmed = (
        f"nullif(case when plain and {value} > '!' and not ends_with({value}, ' ') then {value} else trim({value}, {BLANKS}) end, '')"
        for value in values
    )
    return f"coalesce({', '.join(trimmed)})"


# The rule of `collector.contract.queue_time_ms`, as SQL; a test compares the two.
QUEUE_TIME_MS = f"""case
        when body.qt is null then 0
        when regexp_full_match(body.qt, '[0-9]+([.][0-9]*)?')
            then least(coalesce(try_cast(split_part(body.qt, '.', 1) as bigint), {MAX_QUEUE_TIME_MS}), {MAX_QUEUE_TIME_MS})
        else 0
    end"""

# Of a name that a body gives twice the last counts; DuckDB's readers of JSON take the first. To look for such a name costs an eighth of
# a load, so it is not looked for where it cannot be: the collector writes what was a dict, without blanks, in this order of names.
# Long lines come without repetition (strict_lines.py). CASE within CASE, since AND would compute everything for every row.
_OF_THE_COLLECTOR = '{"schema_version":1,"event_id":"'
_KEYS, _VALUES = "json_keys(r.request.body)", "json_extract(r.request.body, '$.*')"
_BODY = f"""case
        when not starts_with(r.request.body, '{{') then null
        when starts_with(line, '{_OF_THE_COLLECTOR}') or strlen(line) > {LONG_LINE} then r.request.body
        when list_unique({_KEYS}) = len({_KEYS}) then r.request.body
        else '{{' || array_to_string(list_transform(
            list_filter(range(1, len({_KEYS}) + 1), lambda n: not list_contains({_KEYS}[n + 1:], {_KEYS}[n])),
            lambda n: to_json({_KEYS}[n]) || ':' || {_VALUES}[n]
        ), ',') || '}}'
    end"""

LOGS = f"""
with parsed as (
    select
        object_key, arrival_date, row_number, line, {_DIGEST} as digest, not contains(line, '\\') as plain,
        json_transform(line, '{_ENVELOPE}') as r
    from lines
    -- A condition on r would be pushed below it, and every line parsed twice.
    where json_valid(line)
),
bodies as (
    select *, {_BODY} as body_text
    from parsed
),
typed as (
    select *, json_transform(body_text, '{_json_object(BODY_FIELDS)}') as body, {_whole("r.request.timestamp")} as received
    from bodies
),
dated as (
    -- A whole number of 18 digits at most: nothing that is subtracted from it can overflow.
    select *, {_milliseconds(f"received - {QUEUE_TIME_MS}")} as event_at
    from typed
)
select
    r.service.id as service_id,
    coalesce(r.request.id, r.event_id) as request_id,
    {_milliseconds("received")} as request_timestamp,
    r.response.id as response_id,
    {_milliseconds(_whole("r.response.timestamp"))} as response_timestamp,
    {_present("r.context.client_id", "body.cid")} as client_id,
    coalesce(body_text, rtrim(line, chr(10))::json) as data,
    {_uuid5("digest")} as log_id,
    object_key as log_filename,
    row_number as log_file_row_number,
    current_localtimestamp() as log_timestamp,
    {_present("r.event_id")} as event_id,
    event_at,
    case
        when event_at >= arrival_date - interval {MAX_DAYS_BEFORE_ARRIVAL} day
            and event_at < arrival_date + interval {MAX_DAYS_AFTER_ARRIVAL + 1} day
            then event_at::date
        else arrival_date
    end as event_date,
    arrival_date,
    {_present("r.context.tracking_id", "body.tid")} as tracking_id,
    {_present("r.context.user_id", "body.uid")} as user_id,
    {{
        'context': {{{", ".join(f"'{f}': r.context.{f}" for f in CONTEXT_FIELDS)}}},
        'body': body,
        'rejected': r.rejected,
        'request': {{{", ".join(f"'{f}': r.request.{f}" for f in REQUEST_FIELDS)}}}
    }} as record,
    case when regexp_full_match(r.revision, '[0-9]{{1,9}}') then nullif(r.revision::integer, 0) end as revision
from dated
"""
"""Reads a relation that the caller supplies: lines(object_key, arrival_date, row_number, line), see `line_reader`."""

BAD_LINES = f"""
select
    {_uuid5("digest")}::varchar as log_id,
    object_key as log_filename,
    row_number as log_file_row_number,
    arrival_date,
    rtrim(left(payload, 8192), chr(10)) as payload
from (
    select
        *, {_DIGEST} as digest,
        case when starts_with(line, '{REFUSED}') then substr(line, 2) else line end as payload
    from lines
    where not json_valid(line)
)
"""
"""Reads the same relation."""
