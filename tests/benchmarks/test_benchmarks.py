"""The benchmark harness: it runs end to end on tiny sizes, its rivals do the same work, and its comparison notices what moved.

No timing is asserted anywhere.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console

from benchmarks import before, figures, replay, report, scaling, seed_sql, without_dagster
from benchmarks.__main__ import PARTS, TINY, main, measure
from benchmarks.measure import BenchmarkError, Cost, run_command, run_module
from simulations.config import TrafficConfig


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> replay.Traffic:
    """Three dates from clients and networks that make no mistake, where the rules of both ways say the same."""
    return replay.simulate(tmp_path_factory.mktemp("honest"), 6_000, 3, shape=TrafficConfig().without_faults())


@pytest.fixture(scope="module")
def ours(honest: replay.Traffic) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse that the bare way builds; its dates reach as far as the visits that began on the last one."""
    with honest.data_dir("ours") as root:
        until = honest.end + timedelta(days=3)
        run_module(
            "benchmarks.without_dagster", "bare", f"{root}", f"{honest.start}", f"{until}", log=root / "bare.log"
        )
        with duckdb.connect(str(root / "warehouse.duckdb"), read_only=True) as connection:
            yield connection


def test_both_ways_find_the_same_hits_sessions_products_and_orders(
    honest: replay.Traffic, ours: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """A rival that leaves work out would make us look slow or fast for nothing: on traffic without faults the ancestor's SQL
    must come to our rows. Its sessions end at midnight, so a session of ours counts once for each date it lies on."""
    found = seed_sql.run(honest.folder / "archive", tmp_path / "seed.duckdb", *honest.arrivals)
    with duckdb.connect(str(tmp_path / "seed.duckdb"), read_only=True) as seed:

        def count(sql: str) -> tuple[int, int]:
            return seed.execute(sql).fetchall()[0][0], ours.execute(sql).fetchall()[0][0]

        theirs, own = count("select count(*) from events.product_actions")
        # Older transaction hits are orders of ours only, and two shops may use the same number.
        orders, own_orders = count(
            "select count(distinct transaction_id) from events.purchases where product_action = 'purchase'"
        )
    hits, sessions = ours.execute(
        "select count(*), count(distinct (session_id, event_date)) from events.logs"
    ).fetchall()[0]
    assert (found["hits"], found["sessions"]) == (hits, sessions)
    assert hits == honest.hits
    assert theirs == own > 0
    assert orders == own_orders > 0


def test_every_run_of_the_ancestor_after_the_first_merges_into_what_is_there(
    honest: replay.Traffic, tmp_path: Path
) -> None:
    """Building twice must leave the rows of once: a merge that appended would measure something else."""
    found = [
        seed_sql.run(honest.folder / "archive", tmp_path / "s.duckdb", *honest.arrivals, again=again)
        for again in (False, True)
    ]
    assert (found[0]["hits"], found[0]["sessions"]) == (found[1]["hits"], found[1]["sessions"])


def test_the_floor_types_every_line(honest: replay.Traffic, tmp_path: Path) -> None:
    """The floor once read nothing (a relative link) and was very fast."""
    rows = without_dagster.type_lines(honest.folder / "archive", tmp_path / "floor.duckdb", *honest.arrivals)
    assert rows == honest.hits
    with duckdb.connect(str(tmp_path / "floor.duckdb"), read_only=True) as floor:
        typed = floor.execute("select count(*) from raw.logs where event_at is not null and record.body.t is not null")
        assert typed.fetchall() == [(rows,)]


def test_a_replay_through_dagster_is_measured_by_stage(tmp_path: Path) -> None:
    """The harness runs whole: costs of every way, ratios, and stages that add up to the replay's seconds; the result can be
    written, drawn and shown."""
    out = Console(file=(tmp_path / "shown.txt").open("w"), width=160)
    result = measure(TINY, ["replay"], tmp_path, out)
    assert result["failed"] == {}
    part = result["parts"]["replay"]
    for way in ("replay", "bare", "floor", "seed"):
        assert part[way]["seconds"] > 0
        assert part[way]["cpu_seconds"] > 0
        assert part[way]["peak_mb"] > 0
    assert sum(part["stages"].values()) == pytest.approx(part["replay"]["seconds"], abs=0.5)
    assert {"load raw/logs", "dbt tests", "model events/logs", "publish Parquet"} <= set(part["stages"])
    assert set(result["ratios"]) == {ratio.path for ratio in figures.RATIOS if ratio.path.startswith("replay.")}
    path = report.save(result, tmp_path / "results")
    assert json.loads(path.read_text()) == result
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    report.show(result, out)
    out.file.flush()
    assert "Where the" in (tmp_path / "shown.txt").read_text()


def test_another_state_without_its_own_environment_is_refused(tmp_path: Path) -> None:
    """Run by this state's Python it would be this state that is measured twice."""
    with pytest.raises(BenchmarkError, match=r"has no \.venv: it takes a checkout in which `make setup` ran"):
        before.run(replay.simulate(tmp_path, hits=300, dates=1), tmp_path)


def test_growth_is_what_a_further_hit_and_a_further_date_cost() -> None:
    """A start of 10 s is no growth: two sizes of equal slope are flat, whatever the start."""

    def point(hits: int, dates: int, seconds: float) -> dict[str, Any]:
        return {"hits": hits, "dates": dates, "seconds": seconds, "cpu_seconds": 2 * seconds}

    found = scaling.slopes(
        [point(100_000, 10, 12.0), point(1_100_000, 10, 42.0), point(400_000, 10, 21.0)],
        [point(100_000, 1, 9.0), point(100_000, 101, 29.0)],
    )
    assert found["us_a_further_hit"] == {"wall": [30.0, 30.0], "cpu": [60.0, 60.0]}
    assert found["steepest_against_first"] == {"wall": 1.0, "cpu": 1.0}
    assert found["s_a_further_date"] == {"wall": 0.2, "cpu": 0.4}


def test_the_check_names_what_moved_by_more_than_a_quarter_either_way() -> None:
    """Better moves count as much as worse ones: both mean that the committed figures no longer speak of this code."""
    before = {"a": 2.0, "b": 2.0, "c": 2.0, "gone": 1.0}
    assert report.moved(before, {"a": 2.49, "b": 2.51, "c": 1.4, "new": 9.0}) == [("b", 2.0, 2.51), ("c", 2.0, 1.4)]


def test_the_check_reads_the_newest_committed_result_of_its_sizes() -> None:
    """A full run must not be compared with a default one, nor with a file that nobody committed."""
    files = {"2026-01-02.json": "default", "2026-02-01.json": "default", "2026-03-01-full.json": "full"}

    def git(*arguments: str) -> str:
        if arguments[0] == "ls-tree":
            return "\n".join(f"benchmarks/results/{name}" for name in files)
        name = arguments[1].rpartition("/")[2]
        return json.dumps({"sizes": files[name], "name": name})

    assert report.last_committed("default", git)[0] == "2026-02-01.json"
    assert report.last_committed("full", git)[1]["name"] == "2026-03-01-full.json"
    with pytest.raises(BenchmarkError, match="no result of tiny sizes"):
        report.last_committed("tiny", git)


def test_a_command_that_fails_is_named_with_its_last_line(tmp_path: Path) -> None:
    """A failed replay once would have counted as a fast one."""
    with pytest.raises(BenchmarkError, match=r"ended with 3: out of luck"):
        run_command(["/bin/sh", "-c", "echo out of luck; exit 3"], {}, tmp_path / "log")


def test_an_unknown_part_is_refused_with_the_names_of_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt part must not run the others for minutes."""
    with pytest.raises(SystemExit) as ended:
        main(["repaly"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert all(part in said for part in PARTS)


def test_a_rival_that_does_not_end_is_stopped_and_named(tmp_path: Path) -> None:
    """The ancestor's SQL on ten million hits may outlast everybody's patience: that is a finding, not a hanging benchmark."""
    with pytest.raises(BenchmarkError, match=r"-c import time.* was stopped after 1 s, holding 0\.\d GB"):
        run_command([sys.executable, "-c", "import time; time.sleep(600)"], {}, tmp_path / "log", limit=1.0)


@pytest.mark.parametrize("again", [False, True])
def test_a_stopped_rival_gives_a_lower_bound(tmp_path: Path, again: bool) -> None:
    """Stopped after five times our time, it is known to be five times as slow, and no figures of its own are told."""
    traffic = replay.simulate(tmp_path, hits=300, dates=1)
    with traffic.data_dir("seed") as root:
        found = replay._against_seed(traffic, root, Cost(0.02, 0.02, 100, {}), again=again)
    which, faster = ("seed_again", "again_faster_than_seed") if again else ("seed", "faster_than_seed")
    assert found.keys() == {f"{which}_stopped", faster}
    assert "was stopped after" in found[f"{which}_stopped"]
    assert found[faster]["wall"] >= 5
