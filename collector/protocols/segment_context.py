"""The context of Segment's messages as v1's parameters: what messages share is translated once."""

from __future__ import annotations

from typing import Any

from collector.contract import Hit
from collector.protocols import segment_events as table
from collector.protocols.events import as_parameter, put, says_something, take
from collector.protocols.shared import Shared


def put_context(hit: Hit, context: dict[str, Any], rest: dict[str, Any], shared: Shared | None) -> None:
    """The context in a hit; what is left of it into `rest`. What messages share is translated once, where that does not depend on the rest of
    a message."""
    if shared is not None and context is shared.value:
        if shared.translated is None:
            shared.translated = _translated(context)
        of_hit, of_rest = shared.translated
        if of_hit and hit.keys().isdisjoint(of_hit):
            hit |= of_hit
            rest |= of_rest
            return
    _read_context(hit, context, rest)


def _translated(context: dict[str, Any]) -> tuple[Hit, dict[str, Any]]:
    """What a context puts into any hit, and what is left of it; nothing where that is no text, since a hit's own objects are cut in place."""
    hit: Hit = {}
    rest: dict[str, Any] = {}
    _read_context(hit, context, rest)
    return (hit, rest) if all(value.__class__ is str for value in hit.values()) else ({}, {})


def _read_context(hit: Hit, context: dict[str, Any], rest: dict[str, Any]) -> None:
    """Its fields and those of its objects; the screen's size as v1 writes it; what is left into `rest`."""
    fields, objects = table.CONTEXT, table.CONTEXT_OF
    for name, value in context.items():
        if name in fields:
            if put(hit, fields[name], value):
                continue
        elif value.__class__ is dict:
            left = dict(value)
            if name in objects:
                take(hit, left, objects[name])
            elif name == "screen" and says_something(value.get("width")) and says_something(value.get("height")):
                put(hit, "sr", f"{as_parameter(left.pop('width'))}x{as_parameter(left.pop('height'))}")
            if not left:
                continue
            value = left
        rest[f"context.{name}"] = value
