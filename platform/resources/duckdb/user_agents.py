"""EVENTS.USER_AGENTS of the embedded warehouse: one file, written anew when there are agents that it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from ingestion_platform.dates import REACH_DAYS
from ingestion_platform.resources.duckdb.lake import Lake
from ingestion_platform.resources.duckdb.sql import BLANKS
from ingestion_platform.resources.duckdb.tables import USER_AGENTS
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

_REPLACED = """
select * from events.user_agents where user_agent not in (select user_agent from parsed)
union all by name
select * from parsed
"""


class LakeUserAgents:
    """The table as `connection` shows it; see `ingestion_platform.resources.parsed_agents.UserAgents`."""

    def __init__(self, lake: Lake, connection: duckdb.DuckDBPyConnection) -> None:
        self._lake = lake
        self._connection = connection
        self._rows = "events.user_agents"

    def unparsed(self, start: date, end: date) -> list[str]:
        given = {"start": start, "end": end, "days": REACH_DAYS, "version": PARSER_VERSION}
        return [row[0] for row in self._connection.execute(_UNPARSED, given).fetchall()]

    def replace(self, rows: Sequence[dict[str, Any]]) -> None:
        types = {column.name: column.type for column in USER_AGENTS.columns}
        self._connection.register("given", pa.Table.from_pylist(list(rows)))
        typed = ", ".join(f"{name}::{types[name]} as {name}" for name in rows[0])
        self._connection.execute(f"create or replace temp table parsed as select {typed} from given")
        self._connection.execute(f"create or replace temp table replaced as {_REPLACED}")
        file = self._lake.write(self._connection, "from replaced", USER_AGENTS, None)
        assert file is not None
        with self._lake.catalog.change(f"user agents: {len(rows)} parsed") as change:
            change.replace(USER_AGENTS.name, [None], [file])
        self._rows = "replaced"

    def counts(self) -> tuple[int, int]:
        ((total, bots),) = self._connection.execute(f"select count(*), count_if(is_bot) from {self._rows}").fetchall()
        return total, bots
