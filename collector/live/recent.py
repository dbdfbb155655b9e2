"""The last hits of one process and what became of them, in bounded memory; and the counts since the start or the last reset.

Noting a hit is one entry in a ring: its record is kept as the line that goes to the archive, and read only when somebody looks.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from collector.outcomes import ACCEPTED, HitOutcome
from collector.web import Request, Response

MAX_HITS = 500
MAX_BYTES = 8 * 1024 * 1024
_MAX_PATH = 500
_MAX_DIGITS = 100
# What hits can be chosen by, as they are shown.
FILTERS = ("verdict", "reason", "protocol", "hit_type", "event", "tracking_id", "client_id", "event_id", "path")

_NOT_STORED = "stream_unavailable", "the hit could not be stored; it has to be sent again"

Shown = dict[str, Any]
# When it came, its record, event id, status, reason and detail; of a request that left no record its method and path.
_Noted = tuple[int, bytes, str, int, str, str, str, str]


class Recent:
    """What one process noted. Times are epoch milliseconds."""

    def __init__(self) -> None:
        self._worker = os.getpid()
        self._number = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._noted: deque[_Noted] = deque()
        self._bytes = 0
        self._reasons: dict[str, int] = {}
        self._since = time.time_ns() // 1_000_000

    def note(self, at: int, outcomes: Sequence[HitOutcome], stored: bool) -> None:
        """Take down what became of a request's hits. On the way of every hit, so no more than that: plain tuples of plain values, which
        Python's search for cycles leaves alone."""
        for record, event_id, status, reason, detail in outcomes:
            if not stored:
                status, (reason, detail) = 503, _NOT_STORED
            self._add((at, record, event_id, status, reason, detail, "", ""))

    def note_refusal(self, at: int, request: Request, response: Response) -> None:
        """Take down a refusal that left no record: an unknown path, a request that broke off before a hit came."""
        said = json.loads(response.body)
        path = request.path[:_MAX_PATH]
        self._add((at, b"", "", response.status, said["error"], said["detail"], request.method, path))

    def _add(self, noted: _Noted) -> None:
        reason = noted[4]
        self._reasons[reason] = self._reasons.get(reason, 0) + 1
        self._number += 1
        self._noted.append(noted)
        self._bytes += len(noted[1])
        while self._bytes > MAX_BYTES or len(self._noted) > MAX_HITS:
            self._bytes -= len(self._noted.popleft()[1])

    def counts(self) -> Shown:
        """How many were accepted and rejected since the start or the last reset, and why."""
        reasons = dict(self._reasons)
        accepted = reasons.pop(ACCEPTED, 0)
        return {
            "since": self._since,
            "accepted": accepted,
            "rejected": sum(reasons.values()),
            "reasons": reasons,
            "kept": len(self._noted),
            "workers": 1,
        }

    def hits(self, wanted: Mapping[str, str], since: int, limit: int) -> list[Shown]:
        """The last `limit` hits that came at `since` or later and have these values, newest first."""
        return list(self._found(wanted, since, limit))

    def _found(self, wanted: Mapping[str, str], since: int, limit: int) -> Iterator[Shown]:
        for back, noted in enumerate(reversed(self._noted)):
            if limit <= 0:
                return
            if noted[0] < since:  # not the end: they are in the order in which they were stored
                continue
            shown = {"id": f"{self._worker}-{self._number - back}", **_shown(noted)}
            if all(shown[name] == value for name, value in wanted.items()):
                limit -= 1
                yield shown


def _shown(noted: _Noted) -> Shown:
    """A hit as it is shown: what tells it from others, and its record as the archive has it."""
    at, line, event_id, status, reason, detail, method, path = noted
    record = json.loads(line, parse_float=_float, parse_int=_int) if line else None
    request, context = (record["request"], record["context"]) if record else ({}, {})
    body, given = request.get("body") or {}, request.get("given") or {}
    return {
        "received_at": at,
        "verdict": "accepted" if reason == ACCEPTED else "rejected",
        "reason": "" if reason == ACCEPTED else reason,
        "detail": detail,
        "status": status,
        "protocol": (request.get("protocol") or "v1") if record else None,
        "hit_type": body.get("t"),
        "event": _event_of(body),
        "tracking_id": context.get("tracking_id") or given.get("tid"),
        "client_id": context.get("client_id") or given.get("cid"),
        "event_id": event_id or None,
        "method": request.get("method") or method,
        "path": request.get("path") or path,
        "invalid_parameters": sorted(record.get("invalid_parameters", ())) if record else [],
        "record": record,
    }


def _float(letters: str) -> float | str:
    """A number; as its letters, where it is one that JSON has no word for when it is written again."""
    return number if math.isfinite(number := float(letters)) else letters


def _int(letters: str) -> int | str:
    """A number; as its letters, where Python reads none that long."""
    return int(letters) if len(letters) <= _MAX_DIGITS else letters


def _event_of(body: Mapping[str, Any]) -> Any:
    """The event by the name that its client gave it: GA4's and Segment's own, of v1 the action of an event or a shop."""
    return body.get("_en") or body.get("ea") or body.get("pa") or body.get("t")
