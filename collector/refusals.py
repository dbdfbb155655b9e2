"""How a request that breaks a bound, or HTTP itself, is refused: like any other, not in uvicorn's plain text.

It is handed to the application with `scope["rejection"]` (status, reason, detail) and as much of it as came, so that it
is answered in JSON with the headers for other origins, and recorded. After it nothing more is read: the connection closes
once the client had time to read.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from collector.bodies import MAX_REJECTED_PAYLOAD
from collector.fragments import known_of
from collector.parting import Parting

# What is being read of a connection.
IDLE, HEAD, BODY = range(3)

# Requests that ended here rather than with the handler's outcome, by reason, since this process started.
refusals: Counter[str] = Counter()


class Refusing(HttpToolsProtocol):
    """A connection that can refuse. `_stage` tells what is being read, `_deadline` until when the client may take for it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._stage = IDLE
        self._deadline = math.inf
        self._over = False

    def _refuse(self, status: int, reason: str, detail: str, data: bytes = b"") -> None:
        """Have the request under way answered with this, and read nothing more."""
        if self._stage != BODY:
            cycle = self._fragment(data)
            self._end(cycle.scope, status, reason, detail)
        elif self.cycle.response_complete:  # it has its answer and does not stop sending
            self._end({}, status, reason, detail)
            self._parting().close()
            return
        else:
            cycle = self.cycle
            self._end(cycle.scope, status, reason, detail)
        self._part(cycle)

    def _end(self, scope: Any, status: int, reason: str, detail: str) -> None:
        scope["rejection"] = (status, reason, detail)
        refusals[reason] += 1
        self._over = True
        self._deadline = math.inf

    def _part(self, cycle: RequestResponseCycle) -> None:
        """Let the application hear that no more of the body comes, and the connection end with its answer."""
        cycle.keep_alive = False
        cycle.transport = self._parting()  # type: ignore[assignment]
        cycle.message_event.set()

    def _let_go(self) -> None:
        """Keep nothing of a refused request that has its answer: it may be long, and the client takes its time to leave."""
        if self._over and self.cycle.response_complete:
            self.headers = []
            self.scope = self.cycle.scope = {}  # type: ignore[typeddict-item]

    def _parting(self) -> Parting:
        return Parting(self.transport, self.flow, self.loop)

    def _fragment(self, data: bytes) -> RequestResponseCycle:
        """A call of the application for a request whose head is broken, with what is known of it."""
        if self._stage == IDLE:
            HttpToolsProtocol.on_message_begin(self)
        scope: Any = self.scope
        scope["method"] = self.parser.get_method().decode("ascii", "replace") if self.url else "GET"
        known = known_of(data, self.url)
        self.url = b""  # it may be long, and a crowd may send such at once
        scope["path"], scope["query_string"] = known.path, known.query[: MAX_REJECTED_PAYLOAD + 1]
        if known.origin and all(name != b"origin" for name, _ in self.headers):
            self.headers.append((b"origin", known.origin))
        before = self.cycle
        self.cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        self.cycle.body += known.rest
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.pipeline.appendleft((self.cycle, self.app))
        return self.cycle
