"""EVENTS.USER_AGENTS of the embedded warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from ingestion_platform.dates import REACH_DAYS
from ingestion_platform.resources.duckdb.sql import BLANKS
from ingestion_platform.resources.transaction import transaction
from ingestion_platform.user_agents import PARSER_VERSION

# The margin is wider than any model's, since an agent parsed early is parsed right.
_UNPARSED = f"""
select distinct coalesce(
    nullif(trim(record.body.ua, {BLANKS}), ''), nullif(trim(record.context.user_agent, {BLANKS}), '')
) as user_agent
from raw.logs
where event_date >= $start - to_days($days::integer)
  and event_date <= $end
  and user_agent is not null
  and user_agent not in (select known.user_agent from events.user_agents as known where known.parser_version = $version)
order by user_agent
"""

_REPLACE = """
delete from events.user_agents where user_agent in (select user_agent from parsed);
insert into events.user_agents by name select * from parsed;
"""


class DuckDBUserAgents:
    """The table in an open file; see `ingestion_platform.resources.parsed_agents.UserAgents`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def unparsed(self, start: date, end: date) -> list[str]:
        given = {"start": start, "end": end, "days": REACH_DAYS, "version": PARSER_VERSION}
        return [row[0] for row in self._connection.execute(_UNPARSED, given).fetchall()]

    def replace(self, rows: Sequence[dict[str, Any]]) -> None:
        self._connection.register("parsed", pa.Table.from_pylist(list(rows)))
        with transaction(self._connection.execute):
            self._connection.execute(_REPLACE)

    def counts(self) -> tuple[int, int]:
        ((total, bots),) = self._connection.execute(
            "select count(*), count_if(is_bot) from events.user_agents"
        ).fetchall()
        return total, bots
