"""Looks at all connections of a worker now and then, as long as it has any: cheaper than a timer for each."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

SWEEP_SECONDS = 1.0

# The collections that are being looked at, by identity: a worker has one.
_watched: set[int] = set()


def watch(loop: asyncio.AbstractEventLoop, connections: Collection[Any]) -> None:
    """Have each of them `look(now)` every `SWEEP_SECONDS`, until there is none; again at the next one that is watched."""
    if id(connections) not in _watched:
        _watched.add(id(connections))
        loop.call_later(SWEEP_SECONDS, _sweep, loop, connections)


def _sweep(loop: asyncio.AbstractEventLoop, connections: Collection[Any]) -> None:
    now = loop.time()
    for connection in list(connections):
        connection.look(now)
    if connections:
        loop.call_later(SWEEP_SECONDS, _sweep, loop, connections)
    else:
        _watched.discard(id(connections))
