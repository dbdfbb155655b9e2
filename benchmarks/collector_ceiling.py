"""The least that the collector's server can do: read a request and answer an empty 204. Run as a process of its own."""

from __future__ import annotations

import sys
from typing import Any

from collector.serving import address_of, listen, serve


async def _application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def create_application() -> Any:
    """The application, for uvicorn."""
    return _application


if __name__ == "__main__":
    listener = listen(0)
    print(address_of(listener), flush=True)
    serve("benchmarks.collector_ceiling:create_application", listener, int(sys.argv[1]))
