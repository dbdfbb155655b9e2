"""How a connection ends that has answered and may still be sent to: to close under a client that sends would tear its answer from its hands."""

from __future__ import annotations

import asyncio
from typing import Any

# How long a client may go on sending into a connection that has answered, so that it gets to read the answer.
LINGER_SECONDS = 2.0


class Parting:
    """What the last request of a connection writes to."""

    def __init__(self, transport: Any, flow: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._flow, self._loop = transport, flow, loop
        self.write = transport.write
        self.is_closing = transport.is_closing

    def close(self) -> None:
        """Close for writing now and altogether soon."""
        if not self._transport.is_closing():
            self._flow.resume_reading()
            self._transport.write_eof()
            self._loop.call_later(LINGER_SECONDS, self._transport.close)
