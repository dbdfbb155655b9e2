"""From archive to statistics through Dagster, beside what it is to be compared with, over the same objects.

    replay   `python -m ingestion_platform replay`: what a user runs, from the start of Python to the published files
    bare     load, user agents and `dbt build` in one process without Dagster: what orchestration adds is the difference
    floor    DuckDB reading and typing the same objects into one table, and nothing else
    seed     the SQL of the project's ancestor (benchmarks/seed_sql.py), tests and start-up left out

Replay and seed run twice: the first time into nothing, the second time over what is there, which is what replaying history means.
Floor and seed count only their work; bare and replay count everything from the start of their processes.
Floor and bare are done by benchmarks/without_dagster.py, in processes of their own.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.measure import BenchmarkError, Cost, Stopped, disk_mb, median, run_module, slowest_first
from ingestion_platform.dates import Window, load_window
from simulations.config import TrafficConfig
from simulations.history import write_history

FIRST = date(2026, 1, 5)


@dataclass(frozen=True)
class Traffic:
    """A simulated archive in `folder` for the event dates [start, end); `hits` are the lines it holds."""

    folder: Path
    start: date
    end: date
    hits: int
    objects: int
    megabytes: float

    @property
    def arrivals(self) -> tuple[date, date]:
        """The arrival dates that a replay of all dates reads."""
        return load_window(Window(self.start, self.end))

    @contextmanager
    def data_dir(self, name: str) -> Iterator[Path]:
        """A fresh DATA_DIR on the same archive; it keeps its logs and gives its disk back when the block ends."""
        root = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))
        for shared in ("archive", "truth"):
            (root / shared).symlink_to((self.folder / shared).absolute())
        try:
            yield root
        finally:
            for large in root.glob("*.duckdb*"):
                large.unlink()


def simulate(folder: Path, hits: int, dates: int, first: date = FIRST, shape: TrafficConfig | None = None) -> Traffic:
    """Write `hits` over `dates` (in all, about) into `folder`."""
    days = [first + timedelta(days=n) for n in range(dates)]
    config = replace(shape or TrafficConfig(), hits_per_day=max(1, hits // dates))
    reports = list(write_history(folder / "archive", days, config))
    lines, objects = sum(report.lines for report in reports), sum(report.objects for report in reports)
    return Traffic(folder, days[0], days[-1] + timedelta(days=1), lines, objects, disk_mb(folder / "archive"))


def run(traffic: Traffic, *, seed_again: bool = True) -> dict[str, Any]:
    """Measure all of it, one after the other: figures of each, stages of the replay, and ratios.

    The ancestor's SQL is stopped once it took several times what our replay took; the ratio is a lower bound then.
    """
    found: dict[str, Any] = {
        "hits": traffic.hits,
        "dates": (traffic.end - traffic.start).days,
        "objects": traffic.objects,
        "archive_mb": traffic.megabytes,
    }
    # A short one is taken three times; a minute's work is steady enough.
    floor = median(lambda: _floor(traffic), 1 if traffic.hits > 5_000_000 else 3)
    ours = replay(traffic, again=True)
    assert ours.again is not None
    found["replay"] = ours.cost.as_dict(traffic.hits) | ours.disk
    found["replay_again"] = ours.again.as_dict(traffic.hits)
    found["floor"] = floor.as_dict(traffic.hits)
    found["stages"] = ours.stages
    found["slowest"] = next(iter(ours.stages))
    found["times_the_floor"] = _times(ours.cost, floor)
    with traffic.data_dir("bare") as root:
        plain = bare(root, traffic.start, traffic.end)
        made = _in_own_process("fingerprints", root, traffic.start, traffic.end).report["cpu_seconds"]
    found["bare"] = plain.as_dict(traffic.hits) | {"stages": plain.report["stages"]}
    cpu = plain.report["cpu"]
    found["auditing_of_building"] = round((made + cpu["publish"]) / (cpu["build"] - made), 3)
    found["times_bare"] = _times(ours.cost, plain)
    found["dagster_adds_seconds"] = round(ours.cost.seconds - plain.seconds, 2)
    found["dagster_adds_cpu_seconds"] = round(ours.cost.cpu_seconds - plain.cpu_seconds, 2)
    with traffic.data_dir("seed") as root:
        found |= _against_seed(traffic, root, ours.cost, again=False)
        if seed_again and "seed" in found:
            found |= _against_seed(traffic, root, ours.again, again=True)
    return found


# Who has waited five times as long knows enough.
_SEED_LIMIT = 5


def _against_seed(traffic: Traffic, root: Path, ours: Cost, *, again: bool) -> dict[str, Any]:
    """The ancestor's first run in `root`, or one that has nothing to load, and how many times faster ours was: at least so many,
    where the ancestor was stopped."""
    name, faster = ("seed_again", "again_faster_than_seed") if again else ("seed", "faster_than_seed")
    try:
        old = _seed(traffic, root, *(["--again"] if again else []), limit=_SEED_LIMIT * ours.seconds)
    except Stopped as stopped:
        return {f"{name}_stopped": f"{stopped}", faster: {"wall": round(stopped.seconds / ours.seconds, 2)}}
    except BenchmarkError as error:
        return {f"{name}_failed": f"{error}"}
    return {name: old.as_dict(traffic.hits) | {"stages": old.report["stages"]}, faster: _times(old, ours)}


@dataclass(frozen=True)
class Replayed:
    """A replay into a fresh DATA_DIR: its cost, its stages (seconds, slowest first), its disk use in MB, and the cost of doing
    it once more over what is there, if that was asked for."""

    cost: Cost
    stages: dict[str, float]
    disk: dict[str, float]
    again: Cost | None


def replay(traffic: Traffic, *, again: bool = False) -> Replayed:
    """Replay all dates into nothing, and `again` over what is there then."""
    with traffic.data_dir("replay") as root:
        began = time.time()
        cost = _replay(traffic, root)
        disk = {"warehouse_mb": disk_mb(root / "lake"), "dagster_mb": disk_mb(root / "dagster")}
        stages = dagster_stages(root / "dagster", began, cost.seconds)
        return Replayed(cost, stages, disk, _replay(traffic, root) if again else None)


def _replay(traffic: Traffic, root: Path) -> Cost:
    last = traffic.end - timedelta(days=1)
    return run_module(
        "ingestion_platform", "replay", "--from", f"{traffic.start}", "--to", f"{last}",
        log=root / "replay.log", DATA_DIR=f"{root}", PARTITIONS_START=f"{traffic.start}",
    )  # fmt: skip


def dagster_stages(home: Path, began: float, seconds: float) -> dict[str, float]:
    """Where the `seconds` since `began` (epoch) went, by stage, from the events that the runs in `home` recorded.

    A model's and a test's own time is dbt's; what a step took besides is named after the step. The sum is `seconds`.
    """
    from dagster import DagsterEventType, DagsterInstance

    stages: defaultdict[str, float] = defaultdict(float)
    first = began + seconds
    with DagsterInstance.from_config(str(home)) as instance:
        for run_id in instance.get_run_ids():
            started: dict[str, float] = {}
            models: dict[str, float] = {}
            for entry in instance.all_logs(run_id):
                event = entry.dagster_event
                if event is None:
                    continue
                key = event.step_key or ""
                if event.event_type == DagsterEventType.STEP_START:
                    started[key] = entry.timestamp
                    first = min(first, entry.timestamp)
                elif event.event_type in (DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE):
                    stages[_STEPS.get(key, key.replace("__", "/"))] += entry.timestamp - started[key]
                elif event.event_type == DagsterEventType.ASSET_MATERIALIZATION:
                    taken = event.step_materialization_data.materialization.metadata.get(_MODEL_SECONDS)
                    if taken is not None and event.asset_key is not None:
                        models[f"model {event.asset_key.to_user_string()}"] = float(taken.value)  # type: ignore[arg-type]
                elif event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
                    taken = event.asset_check_evaluation_data.metadata.get("seconds")
                    stages["dbt tests"] += float(taken.value) if taken is not None else 0.0  # type: ignore[arg-type]
            for name, taken_by in models.items():
                stages[name] += taken_by
    stages[_DBT] -= stages["dbt tests"] + sum(taken for name, taken in stages.items() if name.startswith("model "))
    stages["start of Python, Dagster and the run"] = first - began
    stages["Dagster between and after the steps"] = seconds - sum(stages.values())
    return slowest_first(stages)


_DBT = "dbt: start, parsing; audit; publication; recording"
# What ingestion_platform.assets.models calls a model's own time in the metadata of its materializations.
_MODEL_SECONDS = "seconds of this model's build"
_STEPS = {
    "raw__logs": "load raw/logs",
    "events__user_agents": "user agents",
    "models": _DBT,
    "statistics_checks": "checks",
    "published__overview": "publish Parquet",
}


def _floor(traffic: Traffic) -> Cost:
    with traffic.data_dir("floor") as root:
        cost = _work_alone(_in_own_process("floor", root, traffic.start, traffic.end))
    if not 0.99 * traffic.hits <= cost.report["rows"] <= traffic.hits:
        raise BenchmarkError(f"the floor read {cost.report['rows']} of {traffic.hits} lines")
    return cost


def bare(data_dir: Path, start: date, end: date) -> Cost:
    """Load and build the event dates [start, end) of a DATA_DIR in a process of its own, without Dagster."""
    return _in_own_process("bare", data_dir, start, end)


def _in_own_process(what: str, root: Path, start: date, end: date) -> Cost:
    return run_module("benchmarks.without_dagster", what, f"{root}", f"{start}", f"{end}", log=root / f"{what}.log")


def _seed(traffic: Traffic, root: Path, *options: str, limit: float) -> Cost:
    """A run of the ancestor's SQL in `root`; with --again one that has nothing to load. Raises Stopped after `limit` s."""
    arguments = (f"{root / 'archive'}", f"{root / 'seed.duckdb'}", *map(str, traffic.arrivals), *options)
    return _work_alone(run_module("benchmarks.seed_sql", *arguments, log=root / "seed.log", limit=limit))


def _work_alone(cost: Cost) -> Cost:
    """The cost without Python's imports, as the process itself reported it."""
    return replace(cost, seconds=cost.report["seconds"], cpu_seconds=cost.report["cpu_seconds"])


def _times(longer: Cost, shorter: Cost) -> dict[str, float]:
    return {
        "wall": round(longer.seconds / shorter.seconds, 2),
        "cpu": round(longer.cpu_seconds / shorter.cpu_seconds, 2),
    }
