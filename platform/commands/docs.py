"""`docs`: the project's pages and dbt's documentation as one folder, served to this machine until it is stopped."""

from __future__ import annotations

import shutil
import signal
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ingestion_platform.commands.dev import HOST, port_is_free
from ingestion_platform.commands.errors import CommandError
from ingestion_platform.commands.pages import write_pages
from ingestion_platform.resources import environments
from ingestion_platform.settings import PROJECT_DIR, Settings

FOLDER = PROJECT_DIR / "build" / "docs"


class _Handler(SimpleHTTPRequestHandler):
    """Files of the folder; says nothing of each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def serve_docs(settings: Settings) -> None:
    """Write the pages anew and serve them on 127.0.0.1. Raises CommandError when the port is taken."""
    if settings.docs_port and not port_is_free(settings.docs_port):
        raise CommandError(f"port {settings.docs_port} is in use; choose another: DOCS_PORT=3081 make docs")
    build_docs(settings, FOLDER)
    with ThreadingHTTPServer((HOST, settings.docs_port), partial(_Handler, directory=f"{FOLDER}")) as server:
        print(f"Pages at http://{HOST}:{server.server_port}/ (Ctrl-C stops); the files are in {FOLDER}", flush=True)
        # Who started it in the background of a script had it ignore Ctrl-C's signal.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def build_docs(settings: Settings, folder: Path) -> None:
    """Write the pages, and dbt's documentation under `dbt/`, in the place of what `folder` held."""
    shutil.rmtree(folder, ignore_errors=True)
    write_pages(PROJECT_DIR, folder)
    environments.dbt_project(settings).document(folder / "dbt")
