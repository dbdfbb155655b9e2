"""A client's connection to the local server: uvicorn's, with bounds, and with refusals that are answered like any other.

Bounded are the head of a request, its body, the time that either may take, requests under way on one connection, the
time that a connection idles, and the number of connections: what a client can make the server hold is small, and what
it can make it wait for ends.

A request that breaks a bound, or HTTP itself, is refused as `collector.refusals` says.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from collector.bodies import MAX_REJECTED_PAYLOAD
from collector.refusals import BODY, HEAD, IDLE, Refusing, refusals
from collector.sweep import watch

# A request's line and headers; also a chunked body's trailers and whatever else carries no body. As API Gateway's
# limits of body and time below, these are no clients' limits: queries and bodies that are too long are told earlier.
MAX_HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 15.0
MAX_BODY_BYTES = 10 * 1024 * 1024
BODY_SECONDS = 30.0
# Requests that one connection may send ahead of their answers, and the time it may take to read those.
MAX_PIPELINED = 64
ANSWER_SECONDS = 30.0
# Connections of a worker: more are answered with 503, many more not at all.
MAX_CONNECTIONS = 1024
MAX_UNANSWERED_CONNECTIONS = 256


def _all_of_it(path: str) -> int:
    return MAX_BODY_BYTES


class _Stop(Exception):
    """Ends the parser's work on a connection that is over."""


class Connection(Refusing):
    """One connection. `_stage` tells what is being read, `_deadline` until when the client may take for it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._write_deadline = math.inf
        self._without_body = 0
        self._body_bytes = 0
        self._crowded = False
        self._answering: RequestResponseCycle | None = None
        # How much of a body to a path an application wants, if it knows: reads are of up to 256 KB.
        self._longest_body: Callable[[str], int] = getattr(self.app, "longest_body", _all_of_it)

    # -- the connection ----------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._crowded = len(self.connections) > MAX_CONNECTIONS
        if len(self.connections) > MAX_CONNECTIONS + MAX_UNANSWERED_CONNECTIONS:
            refusals["too_many_connections"] += 1
            transport.abort()
            return
        self._deadline = self.loop.time() + HEAD_SECONDS
        watch(self.loop, self.connections)

    def data_received(self, data: bytes) -> None:
        if len(data) > MAX_HEAD_BYTES:
            for start in range(0, len(data), MAX_HEAD_BYTES):
                self.data_received(data[start : start + MAX_HEAD_BYTES])
            return
        if self._over:
            return
        self._without_body += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:  # to a protocol that is not spoken here: HTTP goes on
            self._feed_rest(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._malformed(data)
        if self._without_body > MAX_HEAD_BYTES and not self._over:
            if self._stage == HEAD and not self.headers:
                self._refuse(414, "too_large", f"the URL is longer than {MAX_HEAD_BYTES} bytes", data)
            else:
                self._refuse(431, "too_large", f"the headers are longer than {MAX_HEAD_BYTES} bytes", data)

    def _feed_rest(self, data: bytes) -> None:
        while data and not self._over:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
            except httptools.HttpParserError:
                self._malformed(data)

    def _malformed(self, data: bytes) -> None:
        if not self._over:
            self._refuse(400, "malformed_request", "the request is no HTTP/1.1", data)

    def connection_lost(self, exc: Exception | None) -> None:
        """uvicorn tells its latest request only; the one that is being answered may be an earlier one."""
        super().connection_lost(exc)
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_deadline = self.loop.time() + ANSWER_SECONDS

    def resume_writing(self) -> None:
        super().resume_writing()
        self._write_deadline = math.inf

    def shutdown(self) -> None:
        """A body that is under way gets half of the time that the server takes to end."""
        super().shutdown()
        if self._stage == BODY:
            self._deadline = min(self._deadline, self.loop.time() + (self.config.timeout_graceful_shutdown or 10) / 2)

    def look(self, now: float) -> None:
        """End what takes too long."""
        if now > self._write_deadline:
            self.transport.abort()
        elif now > self._deadline:
            if self._stage == IDLE:
                self.transport.close()
            else:
                self._refuse(408, "request_timeout", "the request did not arrive in time")

    # -- the parser's calls: several a request, for which super() is dear --------------------------------------------
    def on_message_begin(self) -> None:
        HttpToolsProtocol.on_message_begin(self)
        self._stage = HEAD
        self._deadline = self.loop.time() + HEAD_SECONDS
        self._without_body = self._body_bytes = 0

    def on_headers_complete(self) -> None:
        if self._crowded:
            self._end(self.scope, 503, "too_many_connections", "there are too many connections, try again later")
        elif len(self.pipeline) >= MAX_PIPELINED:
            self._end(self.scope, 503, "too_many_requests", "read the answers first, then send more")
        HttpToolsProtocol.on_headers_complete(self)
        if b"#" in self.url:  # a fragment is the browser's own; what sends one means it as a part of the value
            self.scope["query_string"] = self.url.partition(b"?")[2]
        self._stage = BODY
        if self._over:
            self._part(self.cycle)
            raise _Stop
        self._deadline = self.loop.time() + BODY_SECONDS

    def on_body(self, body: bytes) -> None:
        self._without_body = 0
        before = self._body_bytes
        self._body_bytes += len(body)
        if self._body_bytes > MAX_REJECTED_PAYLOAD:  # so much is kept of any
            body = body[: max(0, self._longest_body(self.scope["path"]) - before)]
        if body:
            HttpToolsProtocol.on_body(self, body)
        if self._body_bytes > MAX_BODY_BYTES:
            self._refuse(413, "too_large", f"the body is longer than {MAX_BODY_BYTES} bytes")
            raise _Stop

    def on_message_complete(self) -> None:
        HttpToolsProtocol.on_message_complete(self)
        self._stage = IDLE
        self._deadline = math.inf
        if self.cycle.response_complete:
            self._deadline = self.loop.time() + self.timeout_keep_alive

    def on_response_complete(self) -> None:
        """uvicorn's, but for its timer: idle connections are found by looking at all of them now and then."""
        self.server_state.total_requests += 1
        self._let_go()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._stage == IDLE:
            self._deadline = self.loop.time() + self.timeout_keep_alive

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        HttpToolsProtocol._start_asgi_task(self, cycle, app)
