"""The figures of a benchmark that are worth following: where each lies in the results, what it means, what it is meant to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ratio:
    """A figure that is worth following: where it lies in a result's parts, and what it is meant to be."""

    path: str
    meaning: str
    aim: float | None = None
    at_most: bool = True

    def of(self, parts: Mapping[str, Any]) -> float | None:
        """The figure, or None where that part was not measured."""
        found: Any = parts
        for step in self.path.split("."):
            if not isinstance(found, Mapping) or step not in found:
                return None
            found = found[step]
        return float(found) if found is not None else None

    def verdict(self, value: float) -> str:
        """Whether the aim is held."""
        if self.aim is None:
            return ""
        held = value <= self.aim if self.at_most else value >= self.aim
        return f"{'held' if held else 'missed'} ({'at most' if self.at_most else 'at least'} {self.aim:g})"


RATIOS = (
    Ratio("replay.times_the_floor.wall", "replay, everything included, against the floor: wall time", 3.0),
    Ratio("replay.times_the_floor.cpu", "  the same in processor time"),
    Ratio("replay.faster_than_seed.wall", "replay against the ancestor's SQL: times faster, wall time", 5.0, False),
    Ratio("replay.faster_than_seed.cpu", "  the same in processor time"),
    Ratio(
        "replay.again_faster_than_seed.wall",
        "the same dates once more, over what is there: times faster, wall time",
        5.0,
        False,
    ),
    Ratio("replay.again_faster_than_seed.cpu", "  the same in processor time"),
    Ratio("replay.times_bare.wall", "replay against bare load + dbt build: wall time"),
    Ratio("replay.times_bare.cpu", "  the same in processor time"),
    Ratio("replay.auditing_of_building", "fingerprints and publishing, of building models: processor time", 0.1),
    Ratio("scaling.steepest_against_first.wall", "a further hit at many hits against few: wall time", 1.3),
    Ratio("scaling.steepest_against_first.cpu", "  the same in processor time", 1.3),
    Ratio(
        "orchestration.times_bare", "a backfill through webserver and daemon against bare load + dbt build: wall time"
    ),
    Ratio("tick.longest_against_shortest.wall", "hourly refresh on the longest history against none: wall time", 1.3),
    Ratio("tick.longest_against_shortest.cpu", "  the same in processor time", 1.3),
    Ratio(
        "before.against_before.cpu", "a replay against the same by the state that --before named: processor time", 1.05
    ),
    Ratio("before.against_before.wall", "  the same in wall time"),
    Ratio("before.against_before.disk", "  the same in disk", 0.7),
    Ratio(
        "simulation.pump_against_requests_post", "pumper, hit by hit, against one request after the other", 20.0, False
    ),
    Ratio("simulation.pump_batches_against_requests_post", "pumper, in batches, against the same", 20.0, False),
    Ratio("simulation.lines_against_build_record", "history lines against the collector's dictionaries"),
    Ratio("protocols.gtag_of_v1", "GA4's /g/collect against /collect (JSON): hits/s", 0.8, False),
    Ratio("protocols.gtag_of_v1_cpu", "  the same in processor time"),
    Ratio("protocols.segment_batch_of_v1", "Segment's batch against /batch (JSON, 20 hits each): hits/s", 0.8, False),
    Ratio("protocols.segment_batch_of_v1_cpu", "  the same in processor time"),
)

FIGURES = (
    Ratio("replay.replay.hits_per_s", "replay: hits/s, everything included", 30_000, False),
    Ratio("replay.replay.cpu_us_a_hit", "  processor time a hit, µs"),
    Ratio("replay.replay.seconds", "  seconds"),
    Ratio("replay.replay.peak_mb", "  peak memory of all its processes, MB (6 GiB)", 6_442),
    Ratio("replay.replay.warehouse_mb", "  warehouse on disk, MB"),
    Ratio("replay.replay_again.seconds", "  the same dates once more, seconds"),
    Ratio("replay.archive_mb", "  archive on disk, MB"),
    Ratio("replay.bare.hits_per_s", "bare load + dbt build: hits/s"),
    Ratio("replay.floor.hits_per_s", "floor: hits/s"),
    Ratio("replay.seed.hits_per_s", "the ancestor's SQL: hits/s"),
    Ratio("replay.seed.peak_mb", "  peak memory, MB"),
    Ratio("replay.seed_again.seconds", "  its second run, seconds"),
    Ratio("replay.dagster_adds_seconds", "what Dagster adds to the bare way, seconds", 15),
    Ratio("scaling.s_a_further_date.wall", "a further date of the same hits, seconds"),
    Ratio("tick.hour.0.seconds", "hourly refresh, no history, seconds"),
    Ratio("tick.hour.30.seconds", "hourly refresh, 30 days of history, seconds"),
    Ratio("tick.hour.90.seconds", "hourly refresh, 90 days of history, seconds"),
    Ratio("tick.nothing_new.30.seconds", "hourly refresh with nothing new, 30 days of history, seconds", 20),
    Ratio("tick.nothing_new.90.seconds", "hourly refresh with nothing new, 90 days of history, seconds", 20),
    Ratio("orchestration.dates", "backfill through webserver and daemon: dates"),
    Ratio("orchestration.runs", "  runs"),
    Ratio("orchestration.backfill_seconds", "  seconds, from launch to marked as done"),
    Ratio("orchestration.runs_seconds", "  of these, seconds from the first run's creation to the last one's end"),
    Ratio("orchestration.bare_seconds", "  bare load + dbt build of the same dates, seconds"),
    Ratio("orchestration.dagster_adds_seconds_a_run", "  what Dagster adds a run, seconds", 15),
    Ratio("orchestration.nothing_new_seconds", "  hourly refresh with nothing new, from launch to done, seconds", 20),
    Ratio("orchestration.import_seconds", "  importing the code location, seconds", 5),
    Ratio("collector.collect_json_1w.hits_per_s", "collector, JSON, one worker: durable hits/s", 8_000, False),
    Ratio("collector.collect_json_1w.p99_ms", "  99th percentile, ms", 20),
    Ratio("collector.batch_json_1w.hits_per_s", "collector, batches of 20: durable hits/s", 60_000, False),
    Ratio("lake.files", "a lake with three years of dates: files"),
    Ratio("lake.opening_seconds", "  opening warehouse.duckdb, seconds", 1),
    Ratio("lake.opening_and_one_date_seconds", "  opening it and asking for one date, seconds", 1),
    Ratio("lake.warehouse_file_from_nothing_seconds", "  writing warehouse.duckdb from nothing, seconds"),
    Ratio("lake.publication_seconds", "  publishing 31 dates of all models, until seen, seconds", 1),
    Ratio("lake.roll_back_seconds", "  taking that back, until seen, seconds", 1),
    Ratio("readers.looks", "eight readers beside backfills and refreshes: looks"),
    Ratio("readers.publications", "  publications meanwhile"),
    Ratio("readers.errors", "  errors", 0),
    Ratio("readers.torn", "  looks that saw a mixture", 0),
    Ratio("readers.opening_ms_median", "  opening warehouse.duckdb, ms"),
    Ratio("readers.opening_ms_p99", "  99th percentile of the slowest reader, ms", 200),
    Ratio("simulation.history_2_processes", "history writer, two processes: hits/s", 100_000, False),
    Ratio("simulation.pump", "pumper to a local collector, hit by hit: hits/s"),
    Ratio("simulation.pump_batches", "  in batches: hits/s"),
)


def ratios(parts: Mapping[str, Any]) -> dict[str, float]:
    """The ratios that `parts` allow, by path."""
    found = {ratio.path: ratio.of(parts) for ratio in RATIOS}
    return {path: value for path, value in found.items() if value is not None}
