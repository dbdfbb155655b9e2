"""What a piece of work costs: wall time, processor time and the most memory its processes held together.

Each piece runs in a process of its own, so that none inherits another's memory, and nobody's caches but the operating
system's are shared. Processor time counts every descendant that has ended, which on a busy machine says more than wall time.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT_DIR = Path(__file__).resolve().parents[1]
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SAMPLE_SECONDS = 0.1


class BenchmarkError(Exception):
    """A measurement could not be made; the message is one line that says why."""


class Stopped(BenchmarkError):
    """Something was stopped, since it had not ended after `seconds`."""

    def __init__(self, seconds: float, message: str) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True)
class Cost:
    """`seconds` of wall time, `cpu_seconds` over all processes and cores, `peak_mb` of resident memory (MB = 10**6 bytes)."""

    seconds: float
    cpu_seconds: float
    peak_mb: int
    report: Mapping[str, Any]

    def as_dict(self, hits: int) -> dict[str, Any]:
        """Figures for the results file; `hits_per_s` of `hits`, and microseconds of processor time for each."""
        return {
            "hits_per_s": round(hits / self.seconds),
            "cpu_us_a_hit": round(self.cpu_seconds / hits * 1e6, 2),
            "seconds": round(self.seconds, 2),
            "cpu_seconds": round(self.cpu_seconds, 2),
            "peak_mb": self.peak_mb,
        }


def run_command(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    limit: float | None = None,
    folder: Path = PROJECT_DIR,
) -> Cost:
    """Run `command` in `folder` to its end; what it prints goes to `log`. A last line that is a JSON object becomes the cost's report.

    Raises BenchmarkError when it fails, and Stopped when it has not ended after `limit` seconds.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**inherited(), **environment},
        )
        peak = _PeakMemory(process.pid)
        stop = threading.Timer(limit, process.kill) if limit is not None else None
        if stop is not None:
            stop.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            held = peak.stop()
            if stop is not None:
                stop.cancel()
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    lines = log.read_text(errors="replace").strip().splitlines()
    if limit is not None and process.returncode == -signal.SIGKILL and seconds >= limit:
        raise Stopped(
            seconds, f"{' '.join(command[1:3])} was stopped after {seconds:,.0f} s, holding {held / 1e9:.1f} GB"
        )
    if process.returncode != 0:
        raise BenchmarkError(
            f"{' '.join(command[1:4])} ended with {process.returncode}: {' '.join(lines[-1:])} ({log})"
        )
    return Cost(seconds, used.ru_utime + used.ru_stime, max(held, used.ru_maxrss * 1024) // 10**6, _report(lines))


def run_module(module: str, *arguments: str, log: Path, limit: float | None = None, **environment: str) -> Cost:
    """Run `python -m module arguments` to its end, as `run_command` does."""
    return run_command([sys.executable, "-m", module, *arguments], environment, log, limit)


def median(work: Callable[[], Cost], times: int) -> Cost:
    """The run of median wall time among `times` runs of the same work."""
    costs = sorted((work() for _ in range(times)), key=lambda cost: cost.seconds)
    return costs[statistics.median_low(range(len(costs)))]


def machine() -> dict[str, Any]:
    """The facts that absolute figures depend on, and how busy the machine is with other things."""
    information = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.partition(":")[2].strip() for line in information.splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PHYS_PAGES") * _PAGE
    return {
        "processor": models[0] if models else os.uname().machine,
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 10**9, 1),
        "system": f"{os.uname().sysname} {os.uname().release}",
        "python": sys.version.split()[0],
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }


def disk_mb(folder: Path) -> float:
    """Size of the files under `folder` (or of one file) in MB."""
    files = [folder] if folder.is_file() else folder.rglob("*")
    return round(sum(path.stat().st_size for path in files if path.is_file()) / 10**6, 1)


def inherited() -> dict[str, str]:
    """This process's environment without settings of the platform, which would aim a run at somebody's data."""
    ours = (
        "DAGSTER",
        "DBT_",
        "SNOWFLAKE_",
        "INGEST_ENV",
        "DATA_DIR",
        "PARTITIONS_",
        "PUBLISHED_DIR",
        "ALERT_",
        "ARCHIVE_",
    )
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _report(lines: list[str]) -> Mapping[str, Any]:
    try:
        found = json.loads(lines[-1])
    except (IndexError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class _PeakMemory:
    """Samples the resident memory of a process and its descendants until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._highest = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """The highest sum in bytes."""
        self._ended.set()
        self._thread.join()
        return self._highest

    def _sample(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self._highest = max(self._highest, sum(_resident(pid) for pid in _family(self._pid)))


def _family(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(entry.parent.name))
    family = [pid]
    for member in family:
        family += children.get(member, [])
    return family


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def slowest_first(stages: Mapping[str, float]) -> dict[str, float]:
    """Seconds by stage, rounded, the longest first."""
    return {name: round(taken, 2) for name, taken in sorted(stages.items(), key=lambda stage: -stage[1])}
