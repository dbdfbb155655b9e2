"""One keep-alive HTTP/1.1 connection that sends a request at a time: the least there is between a hit and its answer.

A general client spends five times as much on each request. No redirects, no proxies: a collector has none.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import NamedTuple, cast
from urllib.parse import SplitResult

import httptools


class Answer(NamedTuple):
    """Status, the seconds that Retry-After asks for (None: it does not), and the body."""

    status: int
    retry_after: float | None
    body: bytes


class Target:
    """Where hits go to: an http or https URL, taken apart once."""

    def __init__(self, url: SplitResult) -> None:
        if url.hostname is None:
            raise ValueError(f"{url.geturl()} names no host")
        self.host, self.port = url.hostname, url.port or (443 if url.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if url.scheme == "https" else None
        self._path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        # Where a collector has its other paths: beside the one for hits.
        self._folder = url.path.rpartition("/")[0]
        self._host = url.netloc.rpartition("@")[2]

    def request(self, user_agent: str, body: str, path: str = "", content_type: str = "application/json") -> bytes:
        """The bytes of a request that posts `body` to the URL, or to a path (with its query) of the same collector."""
        content = body.encode()
        return (
            f"POST {self._folder + path if path else self._path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Content-Type: {content_type}\r\nUser-Agent: {user_agent}\r\nContent-Length: {len(content)}\r\n\r\n"
        ).encode() + content

    async def connect(self, timeout: float) -> Connection:
        """A new connection. Raises OSError (TimeoutError included)."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout):
            _, connection = await loop.create_connection(Connection, self.host, self.port, ssl=self._tls)
        return connection


class Connection(asyncio.Protocol):
    """A connection; `is_open` is false once the peer has closed it or an answer was no HTTP."""

    def __init__(self) -> None:
        self.is_open = False
        self._waiter: asyncio.Future[Answer] | None = None
        self._retry_after: float | None = None
        self._body: list[bytes] = []

    async def send(self, request: bytes, timeout: float) -> Answer:
        """Send a request and wait for its answer. Raises OSError (TimeoutError included) and is closed then."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Answer] = loop.create_future()
        self._waiter = waiter
        self._retry_after, self._body = None, []
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)
        alarm = loop.call_later(timeout, self._lose, TimeoutError(f"no answer within {timeout:g} s"))
        try:
            return await waiter
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            alarm.cancel()

    def close(self) -> None:
        """Close it now."""
        self.is_open = False
        self._transport.close()

    # What asyncio calls.
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._lose(ConnectionError("the answer was no HTTP"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(ConnectionError("the connection was closed before the answer"))

    # What httptools calls.
    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after" and value.isdigit():
            self._retry_after = float(value)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        waiter, self._waiter = self._waiter, None
        if not self._parser.should_keep_alive():
            self.close()
        if waiter is not None and not waiter.done():
            waiter.set_result(Answer(self._parser.get_status_code(), self._retry_after, b"".join(self._body)))

    def _lose(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        self.close()
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
