"""The other processes of the same server: each has the hits of its own connections, and only together they are what came.

A process listens on a socket in a folder that belongs to the user alone and is named after the server; who is asked for the hits asks
all that are there. A process that died leaves a socket that nobody answers: it is removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ANSWER_SECONDS = 2.0
# An answer is one line; it has at most the bytes that a process keeps, written anew.
_MAX_ANSWER = 64 * 1024 * 1024

Question = dict[str, Any]


class Siblings:
    """One process among the others. `answer` is what it says to a question of theirs, as plain JSON types."""

    def __init__(self, answer: Callable[[Question], Any]) -> None:
        self._answer = answer
        # Short, whatever TMPDIR is called: a socket's path may have 107 letters.
        self._folder = Path(tempfile.gettempdir()) / f"live-{os.getuid()}-{os.getppid()}"
        self._path = self._folder / f"{os.getpid()}"
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Be there for the others. Raises OSError, also where the folder is somebody else's."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        found = self._folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(f"{self._folder} is not this user's alone")
        self._server = await asyncio.start_unix_server(self._serve, self._path)

    async def stop(self) -> None:
        """Be gone; the last one takes the folder along."""
        if self._server is not None:
            self._server.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
            self._folder.rmdir()

    async def ask(self, question: Question) -> list[Any]:
        """What the others answer."""
        others = [path for path in sorted(self._folder.glob("*")) if path != self._path]
        answers = await asyncio.gather(*(self._ask(path, question) for path in others))
        return [answer for answer in answers if answer is not None]

    async def _ask(self, path: Path, question: Question) -> Any:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(path, limit=_MAX_ANSWER)
                with contextlib.closing(writer):
                    writer.write(json.dumps(question).encode() + b"\n")
                    return json.loads(await reader.readline())
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except (OSError, ValueError, TimeoutError):
            pass  # it is about to start, to end, or hangs: what is known of the others is shown
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            answer = self._answer(json.loads(await reader.readline()))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
