"""EVENTS.USER_AGENTS on Snowflake."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from ingestion_platform.dates import REACH_DAYS
from ingestion_platform.resources.snowflake.session import Session, chunks
from ingestion_platform.user_agents import PARSER_VERSION


class SnowflakeUserAgents:
    """The table of a session; see `ingestion_platform.resources.parsed_agents.UserAgents`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def unparsed(self, start: date, end: date) -> list[str]:
        rows = self._session.run("unparsed_user_agents", start - timedelta(days=REACH_DAYS), end, PARSER_VERSION)
        return [row[0] for row in rows]

    def replace(self, rows: Sequence[dict[str, Any]]) -> None:
        with self._session.transaction():
            # Two runs may meet the same new agent: the second waits for the first, then replaces its row.
            self._session.run("next_load_id")
            for some in chunks(rows):
                self._session.run("delete_user_agents", some)
                self._session.run("insert_user_agents", some)

    def counts(self) -> tuple[int, int]:
        ((total, bots),) = self._session.run("count_user_agents")
        return int(total), int(bots)
