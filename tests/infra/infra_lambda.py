"""A Lambda function here: the recorded code and environment, run by AWS's own runtime client in a process of its own.

`awslambdaric` is the program that runs handlers inside real Lambda. It asks a Runtime API for events; the one below
hands it what the test invokes. The process sees the unzipped package, the recorded environment and what Lambda itself
sets, nothing else of ours but the tests' clock: it counts down to a deadline.
"""

from __future__ import annotations

import base64
import json
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import pulumi

import tests_clock


def unpack(code: pulumi.AssetArchive, folder: Path) -> Path:
    """Write the archive's files below `folder`, as Lambda unpacks the zip."""
    for name, asset in code.assets.items():
        assert isinstance(asset, pulumi.FileAsset), name
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(Path(asset.path).read_bytes())
    return folder


class LambdaProcess:
    """Context manager around one running function; `invoke` gives what the handler returned, or raises what it
    raised.
    """

    def __init__(self, task_root: Path, handler: str, timeout_seconds: int, environment: Mapping[str, str]) -> None:
        self.seconds_left = timeout_seconds
        self._events: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._answers: queue.Queue[tuple[bool, bytes]] = queue.Queue()
        self._log: list[bytes] = []
        self._task_root, self._handler, self._environment = task_root, handler, environment

    def __enter__(self) -> LambdaProcess:
        process = self

        class RuntimeApi(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                request_id, event = process._events.get()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Lambda-Runtime-Aws-Request-Id", request_id)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + process.seconds_left) * 1000)))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:0:function:here")
                self.send_header("Content-Length", str(len(event)))
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                process._answers.put((self.path.endswith("/response"), body))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Keep the test's output quiet."""

        self._api = ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi)
        self._api.daemon_threads = True
        threading.Thread(target=self._api.serve_forever, daemon=True).start()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", self._handler],
            cwd=self._task_root,
            env={
                **tests_clock.environment(),
                **self._environment,
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_port}",
                "LAMBDA_TASK_ROOT": str(self._task_root),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        threading.Thread(target=self._read_log, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._api.shutdown()
        self._api.server_close()

    def invoke(self, event: Any) -> Any:
        """Hand over one event and wait for the answer."""
        self._events.put((str(uuid.uuid4()), json.dumps(event).encode()))
        deadline = time.monotonic() + self.seconds_left + 10
        while True:
            try:
                worked, body = self._answers.get(timeout=0.2)
                break
            except queue.Empty:
                assert self._process.poll() is None, f"the function's process ended: {self.log}"
                assert time.monotonic() < deadline, f"the function did not answer: {self.log}"
        assert worked, f"the function failed: {body.decode()}"
        return json.loads(body)

    @property
    def log(self) -> str:
        """What the function printed so far."""
        return b"".join(self._log).decode()

    def _read_log(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._log.append(line)


def body_bytes(answer: Mapping[str, Any]) -> bytes:
    """The body of a proxy answer."""
    body = answer.get("body") or ""
    return base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
