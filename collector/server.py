"""The local server's application: sockets in front of the handler that Lambda runs, the local stream behind it.

Plain ASGI under uvicorn. A request is judged in the event loop, its records wait for their group commit, and only then
is it answered. What arrives broken, late or too long comes from `collector.connection` with the rejection it has earned. At shutdown (SIGTERM) uvicorn finishes the requests in flight, then the stream delivers what it holds.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from collector.fast_json import encode
from collector.intake import process_request
from collector.local_stream import LocalDeliveryStream, settle
from collector.outcomes import Rejection, RequestOutcome
from collector.privacy import KEPT_HEADERS
from collector.refusals import refusals
from collector.routes import longest_body
from collector.settings import LocalSettings, Settings
from collector.web import Request, Response, cors_headers, hostname_of, json_response

if TYPE_CHECKING:  # imported where it is wanted
    from collector.live.answers import Live

logger = logging.getLogger("collector")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_WANTED = {name.encode(): name for name in {*KEPT_HEADERS, "authorization", "content-encoding", "cookie", "host"}}


class Application:
    """One worker's application. Its stream is made when the worker starts, since it lives in the worker's loop."""

    def __init__(self, settings: Settings, local: LocalSettings) -> None:
        self._settings, self._local = settings, local
        self._stream: LocalDeliveryStream
        self._batch: list[tuple[list[bytes], asyncio.Future[bool]]] = []
        self._shown = _live(local)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._serve(receive, send)

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        now = time.time_ns() // 1_000_000
        request = await self._request(scope, receive)
        try:
            response = await self._response(request, scope, now)
        except Exception as error:  # a defect of ours; uvicorn's own answer to it no page of another origin can read
            logger.error("a request failed: %s", type(error).__name__)
            failure = {"error": "internal_error", "detail": "the collector failed; nothing was stored, send it again"}
            origin = request.headers.get("origin")
            response = json_response(500, failure, cors_headers(origin, self._settings.allowed_origins))
        await _send(response, request.method, send)

    async def _response(self, request: Request, scope: Message, now: int) -> Response:
        rejection: tuple[int, str, str] | None = scope.get("rejection")
        refused = Rejection(*rejection) if rejection is not None else None
        outcome = process_request(request, self._settings, now, now, encode, refused)
        outcomes = outcome.outcomes
        if not outcomes:
            own = await self._own(request, scope) if refused is None else None
            return own or self._without_hits(request, outcome, now)
        durable: asyncio.Future[bool] = self._loop.create_future()
        if not self._batch:
            self._loop.call_soon(self._submit)
        self._batch.append((outcome.records, durable))
        stored = await durable
        if self._shown is not None:
            self._shown.recent.note(now, outcomes, stored)
        return outcome.answer(() if stored else range(len(outcomes)))

    async def _own(self, request: Request, scope: Message) -> Response | None:
        """The answer to a request about this server itself."""
        if request.path == "/health" and request.method in ("GET", "HEAD"):
            return self._health()
        return await self._shown.answer(request, scope["headers"]) if self._shown is not None else None

    def _without_hits(self, request: Request, outcome: RequestOutcome, now: int) -> Response:
        response = outcome.answer()
        if self._shown is not None and response.status >= 400:
            self._shown.recent.note_refusal(now, request, response)
        return response

    def _submit(self) -> None:
        """Hand over what came in one turn of the loop: one hand-over wakes the commit's thread once."""
        batch, self._batch = self._batch, []
        self._stream.submit(batch)

    async def _request(self, scope: Message, receive: Receive) -> Request:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            wanted = _WANTED.get(name)
            if wanted is not None:
                headers[wanted] = value.decode("latin-1")
        body = b""
        if scope["method"] not in ("GET", "HEAD") or "rejection" in scope:
            message = await receive()
            body = message.get("body", b"")
            if message.get("more_body", True) and "rejection" not in scope:
                body = await self._rest_of_body(body, scope, receive)
        client = scope.get("client")
        return Request(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("utf-8", "replace"),
            headers=headers,
            body=body,
            hostname=hostname_of(headers.get("host", "")),
            address=client[0] if client else None,
        )

    async def _rest_of_body(self, body: bytes, scope: Message, receive: Receive) -> bytes:
        """What is kept of a body (`longest_body`), or as much of that as came before it broke off."""
        parts, more = [body], True
        while more and "rejection" not in scope:
            message = await receive()
            if message["type"] != "http.request":
                scope["rejection"] = (400, "incomplete_body", "the connection ended before the body did")
                refusals["incomplete_body"] += 1
                break
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        return b"".join(parts)

    def longest_body(self, path: str) -> int:
        """How many bytes of a body to this path are worth keeping; the connection drops the others as they come."""
        return longest_body(path, self._settings)

    def _health(self) -> Response:
        health = self._stream.health()
        if refusals:
            health["refused"] = dict(refusals)
        headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
        return Response(200 if health["status"] == "ok" else 503, headers, json.dumps(health).encode())

    async def _serve(self, receive: Receive, send: Send) -> None:
        await receive()
        self._loop = asyncio.get_running_loop()
        # A commit's thread gets its turn after this long beside a busy event loop; Python's own 5 ms would be latency.
        sys.setswitchinterval(0.0005)
        self._stream = LocalDeliveryStream(
            self._local.archive,
            self._local.spool,
            rotate_seconds=self._local.rotate_seconds,
            rotate_bytes=self._local.rotate_bytes,
            settle=lambda waiters, durable: self._loop.call_soon_threadsafe(settle, waiters, durable),
        )
        self._stream.start()
        if self._shown is not None:
            await self._shown.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._shown is not None:
            await self._shown.stop()
        await asyncio.to_thread(self._stream.close)
        await send({"type": "lifespan.shutdown.complete"})


def _live(local: LocalSettings) -> Live | None:
    if not local.live:
        return None
    from collector.live.answers import Live

    return Live(local.workers)


@lru_cache(maxsize=64)
def _header_name(name: str) -> bytes:
    return name.lower().encode()


async def _send(response: Response, method: str, send: Send) -> None:
    headers = [(_header_name(name), value.encode("latin-1")) for name, value in response.headers.items()]
    if response.status != 204:
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else response.body})


def create_application() -> Application:
    """A worker's application with the settings of its environment."""
    logging.basicConfig(format="collector: %(message)s", level=logging.WARNING)
    return Application(Settings.from_environment(os.environ), LocalSettings.from_environment(os.environ))
