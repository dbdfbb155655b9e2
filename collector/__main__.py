"""The collector's commands.

    python -m collector serve    answer /collect, /batch and /health here and deliver to DATA_DIR/archive
    python -m collector drain    deliver now what a server that was killed has left in DATA_DIR/spool

Options stand for the environment variables of `collector.settings`, and overrule them; these overrule `.env`. Both end with one line and a non-zero code where
something keeps them from their work.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from collector.env_file import read_env_file
from collector.errors import ExpectedError
from collector.local_delivery import Drained, drain
from collector.serving import address_of, listen, serve
from collector.settings import LocalSettings, Settings


class CommandError(ExpectedError):
    """What the operator has to fix."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the process's exit code."""
    options = _options(arguments)
    try:
        read_env_file()
        _to_environment(options)
        settings = LocalSettings.from_environment(os.environ)
        Settings.from_environment(os.environ)
        _prepare_folders(settings)
        return _serve(settings) if options.command == "serve" else _drain(settings, options.salvage)
    except ExpectedError as error:
        print(f"collector: {error}", file=sys.stderr)
        return 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m collector", description="Collect hits over HTTP on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    server = commands.add_parser("serve", help="answer /collect, /batch and /health, deliver to DATA_DIR/archive")
    server.add_argument("--port", help="COLLECTOR_PORT (8080; 0: any free port)")
    server.add_argument("--workers", help="COLLECTOR_WORKERS (1): processes that answer")
    server.add_argument(
        "--live",
        action="store_const",
        const="yes",
        help="COLLECTOR_LIVE (no): show the last hits under /live, to this machine",
    )
    server.add_argument("--rotate-seconds", help="ROTATE_SECONDS (30): oldest an undelivered record gets")
    server.add_argument("--rotate-bytes", help="ROTATE_BYTES (5242880): largest journal before it is delivered")
    drainer = commands.add_parser("drain", help="deliver what a killed server left in DATA_DIR/spool")
    drainer.add_argument("--salvage", action="store_true", help="deliver what is whole of a damaged journal")
    for command in (server, drainer):
        command.add_argument("--data-dir", help="DATA_DIR (./data)")
    return parser.parse_args(arguments)


def _to_environment(options: argparse.Namespace) -> None:
    """Options overrule the environment, which is what workers inherit."""
    names = {
        "port": "COLLECTOR_PORT",
        "workers": "COLLECTOR_WORKERS",
        "live": "COLLECTOR_LIVE",
        "rotate_seconds": "ROTATE_SECONDS",
        "rotate_bytes": "ROTATE_BYTES",
        "data_dir": "DATA_DIR",
    }
    for option, name in names.items():
        value = getattr(options, option, None)
        if value is not None:
            os.environ[name] = value


def _prepare_folders(settings: LocalSettings) -> None:
    for folder in (settings.archive, settings.spool):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise CommandError(
                f"cannot write to {folder} ({error.strerror}): set DATA_DIR to a folder of yours"
            ) from None


def _drain(settings: LocalSettings, salvage: bool) -> int:
    drained = _drained(settings, salvage)
    print(f"delivered {drained.records} records in {drained.objects} objects to {settings.archive}")
    if drained.put_aside:
        print(f"put {drained.put_aside} damaged journals aside in {settings.spool / 'damaged'}")
    if drained.held:
        raise CommandError(f"{drained.held} journals belong to a running server: stop it, and it delivers them")
    return 0


def _drained(settings: LocalSettings, salvage: bool = False) -> Drained:
    try:
        return drain(settings.archive, settings.spool, salvage=salvage)
    except OSError as error:
        raise CommandError(
            f"cannot deliver to {settings.archive} ({error.strerror}): nothing is lost, try again"
        ) from None


def _serve(settings: LocalSettings) -> int:
    """Serve until SIGTERM or SIGINT, which drain and end with 0."""
    _drained(settings)
    try:
        listener = listen(settings.port)
    except OSError as error:
        raise CommandError(
            f"cannot listen on port {settings.port} ({error.strerror}): choose another with COLLECTOR_PORT"
        ) from None
    workers = f"{settings.workers} workers" if settings.workers > 1 else "1 worker"
    address = address_of(listener)
    shown = f"; what it takes and refuses: {address}/live" if settings.live else ""
    print(f"collector listening on {address} ({workers}); archive {settings.archive}{shown}", flush=True)
    serve("collector.server:create_application", listener, settings.workers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
