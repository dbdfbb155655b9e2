"""Containers without a container daemon: an image of buildah's store, started by runc as a `Service` of compose.yaml asks.

Each has its own processes, mounts and user; the network is that of the test, where every service has the address 127.0.0.1 under its
name (`make test-containers` gives the test a network of its own, so that no port meets one of the machine). A volume is a folder; at
its first use it has the owner that the image gives the place, as Docker does it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compose_file import Service

CACHE = Path(os.environ.get("CONTAINER_CACHE") or Path.home() / ".cache" / "clickstream-containers")
_STOP_SECONDS = 10


def _buildah(*arguments: str) -> str:
    command = ["buildah", "--root", f"{CACHE / 'storage'}", "--runroot", f"{CACHE / 'run'}", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class Container:
    """One running service. `log` holds what it printed."""

    def __init__(self, service: Service, image: str, folder: Path, hosts: list[str], extra: Mapping[str, str]) -> None:
        self.service = service
        self.id = f"clickstream-{service.name}-{os.getpid()}-{time.monotonic_ns()}"
        self.log = folder / f"{service.name}.log"
        self._folder, self._state = folder, folder / "runc"
        self._working = _buildah("from", "--pull-never", image)
        self.root = Path(_buildah("mount", self._working))
        self._bundle = folder / "bundles" / self.id
        self._bundle.mkdir(parents=True)
        (self._bundle / "hosts").write_text(f"127.0.0.1 localhost {' '.join(hosts)}\n")
        settings = json.loads(_buildah("inspect", "--type", "image", image))["OCIv1"]["config"]
        self._write_bundle(settings, extra)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._runc("run", "--bundle", f"{self._bundle}", self.id), stdout=log, stderr=subprocess.STDOUT
            )

    def _runc(self, *arguments: str) -> list[str]:
        return ["runc", "--root", f"{self._state}", *arguments]

    def _write_bundle(self, image: dict[str, Any], extra: Mapping[str, str]) -> None:
        subprocess.run(self._runc("spec", "--bundle", f"{self._bundle}"), check=True)
        path = self._bundle / "config.json"
        spec = json.loads(path.read_text())
        service = self.service
        environment = dict(entry.split("=", 1) for entry in image.get("Env", [])) | service.environment | dict(extra)
        user, group = self._user(service.user or image.get("User") or "root")
        spec["root"] = {"path": f"{self.root}", "readonly": service.read_only}
        spec["hostname"] = service.name
        spec["process"].update(
            terminal=False,
            user={"uid": user, "gid": group},
            args=[*(image.get("Entrypoint") or []), *(service.command or image.get("Cmd") or [])],
            env=[f"{name}={value}" for name, value in environment.items()],
            cwd=image.get("WorkingDir") or "/",
            noNewPrivileges=service.no_new_privileges,
        )
        if service.drops_all_capabilities:
            spec["process"]["capabilities"] = {}
        # Not a network of its own; limits are no part of compose.yaml.
        spec["linux"]["namespaces"] = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")]
        spec["linux"].pop("resources", None)
        spec["mounts"] += [
            _bind(self._bundle / "hosts", "/etc/hosts", "ro"),
            *({"destination": place, "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]} for place in service.tmpfs),
            *(_bind(self._volume(source, target), target, "rw") for target, source in service.mounts.items()),
            *(_bind(file, target, "ro") for target, file in service.secrets.items()),
        ]  # fmt: skip
        path.write_text(json.dumps(spec))

    def _user(self, name: str) -> tuple[int, int]:
        rows = [line.split(":") for line in (self.root / "etc/passwd").read_text().splitlines()]
        return next((int(row[2]), int(row[3])) for row in rows if row[0] == name)

    def _volume(self, source: str, target: str) -> Path:
        if source.startswith("/"):
            return Path(source)
        volume = self._folder / "volumes" / source
        if not volume.exists():
            volume.mkdir(parents=True)
            place = self.root / target.lstrip("/")
            if place.exists():
                found = place.stat()
                os.chown(volume, found.st_uid, found.st_gid)
                volume.chmod(found.st_mode & 0o7777)
        return volume

    def run(self, *command: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """What a command in the container gives back, as `docker exec` would run it."""
        line = self._runc("exec", self.id, *command)
        return subprocess.run(line, capture_output=True, text=True, timeout=seconds, check=False)

    def healthy(self) -> bool:
        """Whether compose.yaml's own health check is content."""
        assert self.service.health is not None
        return self.run(*self.service.health).returncode == 0

    def stop(self) -> None:
        """As `docker stop` does: the service's signal, some time, then SIGKILL; and nothing is left of it but its volumes."""
        if self.process.poll() is None:
            subprocess.run(self._runc("kill", self.id, self.service.stop_signal), check=False, capture_output=True)
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                subprocess.run(self._runc("kill", self.id, signal.SIGKILL.name), check=False, capture_output=True)
                self.process.wait(_STOP_SECONDS)
        subprocess.run(self._runc("delete", "--force", self.id), check=False, capture_output=True)
        _buildah("rm", self._working)
        shutil.rmtree(self._bundle)


def _bind(source: Path, target: str, mode: str) -> dict[str, Any]:
    return {"destination": target, "type": "bind", "source": f"{source}", "options": ["rbind", mode]}
