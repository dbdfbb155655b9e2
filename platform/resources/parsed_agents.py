"""EVENTS.USER_AGENTS is brought up to date: the same steps on every warehouse, over three statements of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Protocol

from ingestion_platform.user_agents import parse_all


class UserAgents(Protocol):
    """EVENTS.USER_AGENTS of an open warehouse."""

    def unparsed(self, start: date, end: date) -> list[str]:
        """What the hits that event dates [start, end) read carry, and no row of the present parser has; sorted."""
        ...

    def replace(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write these rows, in one transaction, in place of those of the same strings."""
        ...

    def counts(self) -> tuple[int, int]:
        """Rows in all, and those of bots."""
        ...


def parse_missing(agents: UserAgents, start: date, end: date) -> dict[str, int]:
    """Parse what hits carry and the table lacks; counts by kind."""
    parsed = parse_all(agents.unparsed(start, end))
    if parsed:
        agents.replace([agent._asdict() for agent in parsed])
    total, bots = agents.counts()
    return {"parsed": len(parsed), "user_agents": total, "bots": bots}
