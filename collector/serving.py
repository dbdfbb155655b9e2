"""How an ASGI application is served on this machine: uvicorn on uvloop and httptools, in one process or several.

The collector and the benchmark's empty application are served by these same lines.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import socket

import uvicorn
from uvicorn.supervisors import Multiprocess

from collector.connection import MAX_CONNECTIONS, MAX_UNANSWERED_CONNECTIONS, Connection

HOST = "127.0.0.1"
# Longer than clients keep an idle connection, so that it is not closed under a request.
KEEP_ALIVE_SECONDS = 75
FINISH_REQUESTS_SECONDS = 10
# Beside its connections a worker has a few files: journals, objects, the folder of either.
OPEN_FILES = MAX_CONNECTIONS + MAX_UNANSWERED_CONNECTIONS + 128


def listen(port: int) -> socket.socket:
    """A listening socket on this machine's own address (port 0: any free one). Raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def address_of(listener: socket.socket) -> str:
    """Where it listens, as a URL without a path."""
    return f"http://{HOST}:{listener.getsockname()[1]}"


def serve(factory: str, listener: socket.socket, workers: int) -> None:
    """Serve the application that `factory` ("module:function") makes, until SIGTERM or SIGINT, which drain it.

    Several workers are processes of their own, each with its own application; one that dies is replaced.
    """
    _allow_open_files()
    config = uvicorn.Config(
        factory,
        factory=True,
        workers=workers,
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="on",
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="error",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FINISH_REQUESTS_SECONDS,
    )
    if workers > 1:
        Multiprocess(config, sockets=[listener]).run()
        return
    # uvicorn drains on these and then raises them once more, for whoever listened before it: here that is nobody.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    uvicorn.Server(config).run(sockets=[listener])


def _allow_open_files() -> None:
    """Many systems allow a process 1,024 files unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
