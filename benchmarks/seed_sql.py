"""The way of the platform that this project grew out of, written afresh from its description as plain SQL on the same DuckDB.

What is typical of it, and what it costs:

- the record is kept whole as JSON, and every model takes what it needs out of it by JSON paths;
- sessions are windows over (client, UTC day) of the whole table: `lag`, a running sum, and a text id made for every row;
- the ids and addresses of a session are window aggregates, a list for every row;
- products are flattened by taking the body's keys apart and putting them together again by index;
- an "incremental" model reads everything and merges everything, which every run after the first pays for.

Generous to it: no user agents are parsed, no test is run, no Snowflake start-up or orchestrator is counted, lines are read by
our own reader, and money is typed the way that is right. Its rules differ from ours: a hit's time is the time it was received, only
purchases are deduplicated (by transaction id), sessions end at midnight, ids of several shops share one name space.

    python -m benchmarks.seed_sql ARCHIVE DATABASE FIRST END     dates of arrival, END is exclusive
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from ingestion_platform.resources.folder_archive import FolderArchive
from ingestion_platform.resources.line_reader import LineStream

TABLES = """
create schema if not exists raw;
create schema if not exists events;
create schema if not exists stats;
create or replace table raw.logs (
    service_id varchar, request_id varchar, request_timestamp timestamp, response_id varchar, response_timestamp timestamp,
    client_id varchar, data json, log_id varchar, log_filename varchar, log_file_row_number bigint
);
"""

INSERT_RAW = """
insert into raw.logs
select
    data ->> '$.service.id',
    data ->> '$.request.id',
    epoch_ms((data ->> '$.request.timestamp')::bigint),
    data ->> '$.response.id',
    epoch_ms((data ->> '$.response.timestamp')::bigint),
    data ->> '$.context.client_id',
    data,
    md5(object_key || ':' || row_number),
    object_key,
    row_number
from (
    select object_key, row_number, line::json as data
    from lines
    where json_valid(line)
)
"""

MODELS: Mapping[str, tuple[str, str]] = {
    # name: (key of the merge, select)
    "events.logs": (
        "log_id",
        """
        with hits as (
            select
                log_id,
                request_id,
                request_timestamp,
                request_timestamp::date as event_date,
                client_id,
                data ->> '$.context.user_id' as user_id,
                data ->> '$.context.user_ip' as user_ip,
                data ->> '$.request.body.t' as hit_type,
                data ->> '$.request.body.pa' as product_action,
                data ->> '$.context.document_location' as document_location,
                data ->> '$.context.document_referrer' as document_referrer,
                md5(data ->> '$.context.user_agent') as user_agent_id,
                data ->> '$.request.body.dt' as document_title,
                data ->> '$.request.body.sr' as screen_resolution,
                data ->> '$.request.body.de' as document_encoding,
                data ->> '$.request.body.sd' as screen_colors,
                data ->> '$.request.body.ul' as user_language,
                data -> '$.request.body' as req_body
            from raw.logs
            where service_id = 'api.collect' and client_id is not null and data ->> '$.request.body.t' is not null
        ),
        gaps as (
            select
                *,
                lag(request_timestamp) over (
                    partition by client_id, event_date order by request_timestamp, log_id
                ) as previous_timestamp
            from hits
        ),
        numbered as (
            select
                *,
                sum(
                    case
                        when previous_timestamp is null or request_timestamp >= previous_timestamp + interval 30 minute then 1
                        else 0
                    end
                ) over (partition by client_id, event_date order by request_timestamp, log_id) as session_number
            from gaps
        ),
        sessions as (
            select
                * exclude (previous_timestamp, session_number),
                md5(client_id || '|' || event_date::varchar || '|' || session_number::varchar) as session_id
            from numbered
        )
        select
            *,
            array_agg(distinct user_id) filter (where user_id is not null) over (partition by session_id)
                as session_based_user_ids,
            array_agg(distinct user_ip) filter (where user_ip is not null) over (partition by session_id)
                as session_based_user_ips
        from sessions
        """,
    ),
    "events.pageviews": (
        "log_id",
        """
        select * exclude (hit_type, product_action, req_body),
            req_body ->> '$.dp' as document_path,
            req_body ->> '$.dh' as document_host
        from events.logs
        where hit_type = 'pageview'
        """,
    ),
    "events.events": (
        "log_id",
        """
        select * exclude (hit_type, req_body),
            req_body ->> '$.ec' as event_category,
            req_body ->> '$.ea' as event_action,
            req_body ->> '$.el' as event_label,
            try_cast(req_body ->> '$.ev' as bigint) as event_value
        from events.logs
        where hit_type = 'event'
        """,
    ),
    "events.product_actions": (
        "product_action_id",
        """
        with keys as (
            select *, unnest(json_keys(req_body)) as key
            from events.logs
            where product_action is not null
        ),
        product_keys as (
            select
                log_id,
                regexp_extract(key, '^pr([0-9]+)', 1)::integer as product_index,
                regexp_extract(key, '^pr[0-9]+([a-z0-9]+)$', 1) as field,
                req_body ->> ('$.' || key) as value
            from keys
            where regexp_full_match(key, 'pr[0-9]+[a-z0-9]+')
        ),
        products as (
            select
                log_id,
                product_index,
                max(value) filter (where field = 'id') as product_id,
                max(value) filter (where field = 'nm') as product_name,
                max(value) filter (where field = 'br') as product_brand,
                max(value) filter (where field = 'ca') as product_category,
                max(value) filter (where field = 'va') as product_variant,
                try_cast(max(value) filter (where field = 'ps') as bigint) as product_position,
                try_cast(max(value) filter (where field = 'qt') as bigint) as product_quantity,
                try_cast(max(value) filter (where field = 'pr') as decimal(38, 9)) as product_price,
                json_group_object(field, value) as product_raw_data
            from product_keys
            group by log_id, product_index
        )
        select
            products.log_id || ':' || product_index as product_action_id,
            products.* exclude (log_id),
            logs.* exclude (req_body),
            logs.req_body ->> '$.pal' as product_action_list,
            logs.req_body ->> '$.cu' as currency_code,
            logs.req_body ->> '$.ti' as transaction_id
        from products
        join events.logs as logs on logs.log_id = products.log_id
        """,
    ),
    "events.purchases": (
        "transaction_id",
        """
        select
            * exclude (req_body),
            req_body ->> '$.ti' as transaction_id,
            req_body ->> '$.ta' as transaction_affiliation,
            try_cast(req_body ->> '$.tr' as decimal(38, 9)) as transaction_revenue,
            try_cast(req_body ->> '$.tt' as decimal(38, 9)) as transaction_tax,
            try_cast(req_body ->> '$.ts' as decimal(38, 9)) as transaction_shipping,
            req_body ->> '$.tcc' as transaction_coupon_code,
            req_body ->> '$.cu' as currency_code
        from events.logs
        where product_action = 'purchase' and req_body ->> '$.ti' is not null
        qualify row_number() over (partition by req_body ->> '$.ti' order by request_timestamp, log_id) = 1
        """,
    ),
    "stats.overview_1h": (
        "period",
        """
        with hits as (
            select
                date_trunc('hour', request_timestamp) as period,
                count(distinct session_id) as count_active_sessions,
                count(distinct client_id) as count_active_clients,
                count(distinct user_id) as count_active_users,
                count(*) filter (where hit_type = 'pageview') as pageviews,
                count(*) filter (where hit_type = 'event') as events
            from events.logs
            group by period
        ),
        newcomers as (
            select date_trunc('hour', first_seen) as period, count(*) as count_new_clients
            from (select client_id, min(request_timestamp) as first_seen from events.logs group by client_id)
            group by period
        ),
        products as (
            select
                date_trunc('hour', request_timestamp) as period,
                count(*) filter (where product_action = 'detail') as product_details,
                sum(product_quantity) filter (where product_action = 'add') as added_products,
                sum(product_quantity) filter (where product_action = 'purchase') as purchased_products
            from events.product_actions
            group by period
        ),
        revenue as (
            select
                date_trunc('hour', request_timestamp) as period,
                count(*) as transactions,
                sum(transaction_revenue) as transaction_revenue
            from events.purchases
            group by period
        )
        select *
        from hits
        left join newcomers using (period)
        left join products using (period)
        left join revenue using (period)
        """,
    ),
}


def load(connection: duckdb.DuckDBPyConnection, archive: Path, start: date, end: date) -> None:
    """Fill RAW.LOGS with every line of the arrival dates [start, end) that is JSON."""
    connection.execute(TABLES)
    source = FolderArchive(archive)
    connection.register("lines", LineStream(source, source.objects(start, end)).reader())
    connection.execute(INSERT_RAW)


def build(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Create a model that is not there; else compute all of it again and merge it into what is there."""
    key, select = MODELS[name]
    schema, _, table = name.partition(".")
    known = connection.execute(
        "select count(*) from information_schema.tables where table_schema = ? and table_name = ?", [schema, table]
    ).fetchall()[0][0]
    if not known:
        connection.execute(f"create table {name} as {select}")
        return
    connection.execute(
        f"merge into {name} using ({select}) as fresh using ({key}) "
        "when matched then update when not matched then insert"
    )


def run(archive: Path, database: Path, start: date, end: date, *, again: bool = False) -> dict[str, Any]:
    """Load and build everything into `database`; returns seconds by stage, and hits and sessions found. `again` loads
    nothing: a second run over what is there."""
    stages: dict[str, float] = {}
    spent = time.process_time()
    # Its lists of window aggregates do not go to disk: held to 5 GB as our models are, it fails at a million hits.
    with duckdb.connect(str(database), config={"preserve_insertion_order": "false"}) as connection:
        if not again:
            stages["raw.logs"] = _timed(lambda: load(connection, archive, start, end))
        for name in MODELS:
            stages[name] = _timed(lambda name=name: build(connection, name))  # type: ignore[misc]
        hits, sessions = connection.execute("select count(*), count(distinct session_id) from events.logs").fetchall()[
            0
        ]
    return {
        "seconds": round(sum(stages.values()), 2),
        "cpu_seconds": round(time.process_time() - spent, 2),
        "stages": stages,
        "hits": hits,
        "sessions": sessions,
    }


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return round(time.perf_counter() - started, 2)


def main() -> int:
    """Do the work in this process and print what it took as one JSON line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("archive", type=Path)
    options.add_argument("database", type=Path)
    options.add_argument("first", type=date.fromisoformat)
    options.add_argument("end", type=date.fromisoformat)
    options.add_argument("--again", action="store_true", help="load nothing: a second run over what is there")
    chosen = options.parse_args()
    print(json.dumps(run(chosen.archive, chosen.database, chosen.first, chosen.end, again=chosen.again)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
