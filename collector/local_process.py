"""The local server as a subprocess of other Python code: the demo, the tests, the benchmarks.

with running_collector(data_dir) as collector:
    requests.post(f"{collector.url}/collect", ...)
# here it has drained: every acknowledged hit is in data_dir/archive
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

_ADDRESS = re.compile(rb"listening on (http://\S+)")
START_SECONDS = 30.0
DRAIN_SECONDS = 60.0


class CollectorFailed(RuntimeError):
    """The server did not start or did not end well. The message has what it said."""


class CollectorProcess:
    """A running server. `url` is its address without a path."""

    def __init__(self, process: subprocess.Popen[bytes], output: IO[bytes], url: str) -> None:
        self.process = process
        self.url = url
        self._output = output

    @property
    def output(self) -> str:
        """What it has said so far, warnings included."""
        self._output.seek(0)
        return self._output.read().decode("utf-8", "replace").strip()

    def stop(self) -> None:
        """End it with SIGTERM and wait until it has drained. Raises CollectorFailed where it does not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise CollectorFailed(f"the collector did not drain within {DRAIN_SECONDS:.0f} s") from None
        if code != 0:
            raise CollectorFailed(f"the collector ended with code {code}: {self.output}")

    def kill(self) -> None:
        """End it with SIGKILL, its workers too: nothing gets a chance to drain."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def start_collector(
    data_dir: Path, *, port: int = 0, workers: int = 1, environment: Mapping[str, str] | None = None
) -> CollectorProcess:
    """Start a server on `port` (0: any free one) and wait until it is healthy. Raises CollectorFailed.

    `environment` adds to this process's own: any of the variables of `collector.settings`.
    """
    output = tempfile.TemporaryFile()  # noqa: SIM115  (read until the process is gone)
    own = {"DATA_DIR": str(data_dir), "COLLECTOR_PORT": str(port), "COLLECTOR_WORKERS": str(workers)}
    # In a process group of its own: Ctrl+C ends whoever started it, who then decides how this one ends.
    process = subprocess.Popen(
        [sys.executable, "-m", "collector", "serve"],
        env={**os.environ, **(environment or {}), **own},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    collector = CollectorProcess(process, output, "")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CollectorFailed(collector.output)
        if not collector.url:
            announced = _ADDRESS.search(collector.output.encode())
            collector.url = announced[1].decode() if announced else ""
        if collector.url and _is_healthy(collector.url):
            return collector
        time.sleep(0.02)
    collector.kill()
    raise CollectorFailed(f"the collector was not healthy within {START_SECONDS:.0f} s: {collector.output}")


@contextlib.contextmanager
def running_collector(
    data_dir: Path, *, port: int = 0, workers: int = 1, environment: Mapping[str, str] | None = None
) -> Iterator[CollectorProcess]:
    """`start_collector`, stopped and drained at the end of the block (killed where the block fails)."""
    collector = start_collector(data_dir, port=port, workers=workers, environment=environment)
    try:
        yield collector
    except BaseException:
        collector.kill()
        raise
    if collector.process.poll() is None:
        collector.stop()


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False
