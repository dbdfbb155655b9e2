"""One `make dev`, one `make demo` and one `make upgrade` on a DATA_DIR: two would share an instance, a port or a log, and one would end the other's work.

A lock is a file that its process holds open: it is free again when that has ended, however it ended. What the file says (pid,
and where it answers) is for whoever is refused.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestion_platform.commands.errors import CommandError
from ingestion_platform.settings import Settings

DEV = "make dev"
DEMO = "make demo"
UPGRADE = "make upgrade"


def _path(settings: Settings, command: str) -> Path:
    return settings.data_dir / f".{command.replace(' ', '-')}.lock"


@contextmanager
def only_one(settings: Settings, command: str, where: str = "") -> Iterator[int]:
    """Hold the lock of `command` on DATA_DIR; gives its descriptor, which a child that inherits it holds as well. Raises CommandError."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    path = _path(settings, command)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(_refusal(settings, command)) from None
        file.truncate(0)
        file.write(f"pid {os.getpid()}{where and f', {where}'}")
        file.flush()
        yield file.fileno()
        file.truncate(0)


def refuse_if_used(settings: Settings, commands: Collection[str] = (DEV, DEMO, UPGRADE)) -> None:
    """Raise CommandError while one of `commands` runs on DATA_DIR."""
    for command in commands:
        if not _path(settings, command).exists():
            continue
        with _path(settings, command).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CommandError(_refusal(settings, command)) from None


def _refusal(settings: Settings, command: str) -> str:
    holder = _path(settings, command).read_text() or "starting or ending"
    return (
        f"{command} runs on {settings.data_dir} already ({holder}): use that one, stop it, or choose another DATA_DIR"
    )
