"""`dev`: open the Dagster UI, with the daemon that runs schedules, sensors and backfills, on the data of DATA_DIR.

This process stays as the parent of `dagster dev`: it shows the lines that matter, and sees to it that webserver, daemon, code
server and run workers end together, however one of them ended. Left behind, they hold the port and the warehouse.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from ingestion_platform.commands.dev_lines import DevLines
from ingestion_platform.commands.errors import CommandError
from ingestion_platform.commands.locks import DEV, only_one
from ingestion_platform.instance import open_instance
from ingestion_platform.settings import PROJECT_DIR, Settings

HOST = "127.0.0.1"

_SECONDS_TO_STOP = 8.0

# `dagster dev` advises to use another program at every start.
_SUPERSEDED = "Function `dev_command` is superseded"

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def port_is_free(port: int) -> bool:
    """Whether something could listen on `port` of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _taken(port: int) -> str:
    """What to tell of a port in use: another Dagster, which outlives its terminal when that is killed, or something else."""
    address = f"http://{HOST}:{port}"
    try:
        with urllib.request.urlopen(f"{address}/server_info", timeout=2) as answer:
            dagster = b"dagster_webserver_version" in answer.read()
    except OSError:
        dagster = False
    if dagster:
        return f"Dagster answers at {address} already: open it, or stop it first (Ctrl-C where it runs, or fuser -k {port}/tcp)"
    return f"port {port} is in use; stop what listens there, or choose another: DAGSTER_PORT=3001 make dev"


def dev(settings: Settings) -> int:
    """Run `dagster dev` until it ends or is stopped; 0 when it was stopped. Raises CommandError when it cannot run, or ended."""
    address = f"http://{HOST}:{settings.dagster_port}"
    with only_one(settings, DEV, address) as lock:
        return _dev(settings, address, lock)


def _dev(settings: Settings, address: str, lock: int) -> int:
    if not port_is_free(settings.dagster_port):
        raise CommandError(_taken(settings.dagster_port))
    open_instance(settings).dispose()
    print(f"Dagster opens at {address} in about 20 seconds; Ctrl-C stops it.", flush=True)
    command = [sys.executable, "-W", f"ignore:{_SUPERSEDED}", "-m", "dagster", "dev"]
    arguments = ["-w", f"{PROJECT_DIR / 'workspace.yaml'}", "-h", HOST, "-p", f"{settings.dagster_port}"]
    lines = DevLines(address)
    # `dagster dev` reads a .env where it stands and lets it overrule the environment: it stands in a folder with nothing in it.
    folder = settings.dagster_home / "working"
    folder.mkdir(exist_ok=True)
    if not supervise([*command, *arguments], lines.write, folder, lock):
        raise CommandError(
            "Dagster ended by itself: a process of it was killed or could not start (see above). Run make dev again: "
            "runs and backfills go on where they were"
        )
    return 0


def supervise(
    command: list[str], write: Callable[[str], object], folder: Path | None = None, lock: int | None = None
) -> bool:
    """Run `command`, in `folder`, and whatever it starts, and leave none of it behind; whether this process was told to stop.
    `write` takes each line that they say. `command` holds `lock` too: where it outlives this process, nobody takes its place."""
    signals: list[int] = []

    def stop(number: int, _: object) -> None:
        signals.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup means it
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)
    # A group of its own: Ctrl-C in the terminal reaches this process only, and `dagster dev` then stops its services in order.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
        cwd=folder,
        pass_fds=() if lock is None else (lock,),
        preexec_fn=_die_with_parent,
    )
    assert process.stdout is not None
    reader = threading.Thread(target=_hand_on, args=(process.stdout, write), daemon=True)
    reader.start()
    try:
        process.wait()
    except KeyboardInterrupt:
        print("Stopping. What is running goes on at the next make dev: nothing is lost.", flush=True)
        process.send_signal(signal.SIGINT)
        with suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
            process.wait(_SECONDS_TO_STOP)
    finally:
        # Services whose `dagster dev` was killed, and workers in the middle of a run, would go on without it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join(_SECONDS_TO_STOP)
    return bool(signals)


def _hand_on(stream: IO[str], write: Callable[[str], object]) -> None:
    for line in stream:
        write(line)


def _die_with_parent() -> None:
    """In the child: be interrupted when the parent is killed. Linux can; elsewhere the next start says what is still there."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
