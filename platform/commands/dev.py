"""`dev`: open the Dagster UI, with the daemon that runs schedules, sensors and backfills, on the data of DATA_DIR."""

from __future__ import annotations

import os
import socket
import sys
import urllib.request
from pathlib import Path

from ingestion_platform.commands.errors import CommandError
from ingestion_platform.instance import open_instance
from ingestion_platform.settings import PROJECT_DIR, Settings

HOST = "127.0.0.1"


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


def dev(settings: Settings) -> None:
    """Replace this process by `dagster dev`. Raises CommandError when the port is taken."""
    if not port_is_free(settings.dagster_port):
        raise CommandError(_taken(settings.dagster_port))
    open_instance(settings).dispose()
    dagster = Path(sys.executable).with_name("dagster")
    print(f"Dagster opens at http://{HOST}:{settings.dagster_port} in about 20 seconds; Ctrl-C stops it.", flush=True)
    arguments = ["dev", "-w", f"{PROJECT_DIR / 'workspace.yaml'}", "-h", HOST, "-p", f"{settings.dagster_port}"]
    os.execv(dagster, [f"{dagster}", *arguments])
