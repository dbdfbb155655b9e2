"""`make dev` for real: webserver, daemon and run workers as processes, driven over GraphQL as the UI drives them, and killed.

The dates hold few hits and a run takes 4 of them, so that a backfill is several runs. The tests share one platform and come
in order: what the first one built is what the others must arrive at again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion_platform.settings import PROJECT_DIR

BELOW_RAW = ("raw", "events", "stats", "published")


@pytest.fixture(scope="module")
def undisturbed(dev: Any) -> dict[str, list[tuple[Any, ...]]]:
    """The rows after a backfill that nothing disturbed."""
    dev.finish(dev.backfill(dev.assets(*BELOW_RAW)))
    return dev.everything()


def test_backfills_a_replay_and_the_schedule_s_job_share_one_warehouse(
    dev: Any, undisturbed: dict[str, list[tuple[Any, ...]]]
) -> None:
    """DuckDB under concurrent backfills was lock errors (dagster#19068): here two backfills and a command line replay of the
    same dates wait for each other, in runs of at most 4 dates, and leave the same rows."""
    both = [dev.backfill(dev.assets(*BELOW_RAW)), dev.backfill(dev.assets("stats", "published"))]
    ends = (f"{dev.first}", f"{dev.first + timedelta(days=dev.days - 1)}")
    replay = subprocess.run(
        [sys.executable, "-m", "ingestion_platform", "replay", "--from", ends[0], "--to", ends[1]],
        env=dev.environment,
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert replay.returncode == 0, replay.stderr
    for backfill in both:
        dev.finish(backfill)
        runs = dev.runs(backfill)
        assert len(runs) == dev.days // 4
        messages = [e.get("message") or "" for run in runs for e in run["eventConnection"]["events"]]
        assert not [
            message for message in messages if "Conflicting lock" in message or "could not set lock" in message.lower()
        ]
    assert dev.everything() == undisturbed


def test_a_killed_run_worker_is_replaced(dev: Any, undisturbed: dict[str, list[tuple[Any, ...]]]) -> None:
    """`kill -9` of a run in the middle of dbt's models: the backfill ends well by itself, with the same rows."""
    backfill = dev.backfill(dev.assets(*BELOW_RAW), days=4)
    run_id, pid = dev.busy_worker(backfill)
    os.kill(pid, signal.SIGKILL)
    dev.finish(backfill)
    statuses = {run["runId"]: run["status"] for run in dev.runs(backfill)}
    assert statuses.pop(run_id) == "FAILURE"
    assert list(statuses.values()) == ["SUCCESS"]
    assert dev.everything() == undisturbed


def test_a_backfill_outlives_the_death_of_everything(dev: Any, undisturbed: dict[str, list[tuple[Any, ...]]]) -> None:
    """`kill -9` of webserver, daemon, code server and run worker at once, as when a laptop loses power: after the next
    `make dev` the backfill completes, with the same rows."""
    backfill = dev.backfill(dev.assets(*BELOW_RAW))
    dev.busy_worker(backfill)
    dev.kill()
    dev.start()
    dev.finish(backfill)
    assert dev.everything() == undisturbed


def kill_alone(dev: Any, command: str) -> None:
    """kill -9 of the one process of `make dev` that runs `command`; all the others must end by themselves, and say so."""
    (pid,) = [pid for pid, found in dev.processes().items() if f"-m {command}" in found]
    os.kill(pid, signal.SIGKILL)
    assert dev.ended() == 1
    assert "Run make dev again" in dev.log.read_text().splitlines()[-1]


def test_after_the_daemon_was_killed_the_next_start_goes_on(
    dev: Any, undisturbed: dict[str, list[tuple[Any, ...]]]
) -> None:
    """`kill -9` of the daemon alone in the middle of a backfill: `dagster dev` ends with it, run workers included, and one
    command, `make dev`, completes the backfill with the same rows."""
    backfill = dev.backfill(dev.assets(*BELOW_RAW), days=4)
    dev.busy_worker(backfill)
    kill_alone(dev, "dagster._daemon run")
    dev.start()
    dev.finish(backfill)
    assert dev.everything() == undisturbed


def test_after_its_parent_was_killed_nothing_of_dagster_is_left(dev: Any) -> None:
    """`kill -9` of `dagster dev` alone left webserver, daemon and code servers behind, which held the port: the next `make dev`
    was refused, and two daemons would have shared an instance."""
    kill_alone(dev, "dagster dev")
    dev.start()


def test_the_ui_shows_each_date_s_figures(dev: Any, undisturbed: dict[str, list[tuple[Any, ...]]]) -> None:
    """Per-partition status and metadata, as the asset's page asks for them."""
    query = """query($k: AssetKeyInput!) { assetNodeOrError(assetKey: $k) { ... on AssetNode {
        partitionStats { numMaterialized numFailed }
        assetMaterializations(limit: 400) { partition metadataEntries { label ... on IntMetadataEntry { intValue } } } } } }"""
    node = dev.graphql(query, k={"path": ["events", "logs"]})["assetNodeOrError"]
    assert node["partitionStats"]["numFailed"] == 0
    assert node["partitionStats"]["numMaterialized"] >= dev.days
    entry = next(m for m in node["assetMaterializations"] if m["partition"] == f"{dev.first}")
    figures = {e["label"]: e.get("intValue") for e in entry["metadataEntries"]}
    rows = sum(1 for row in undisturbed["events.logs"] if row[0] == dev.first or dev.first in row)
    assert figures["dagster/partition_row_count"] == rows
    assert {"duplicates", "quarantined"} <= set(figures)


def test_the_terminal_shows_the_address_runs_and_troubles(dev: Any) -> None:
    """Each run wrote some 500 lines of Dagster's debugging log to a newcomer's terminal."""
    lines = dev.log.read_text().splitlines()
    assert any(line.endswith(f"Dagster is open at http://127.0.0.1:{dev.port}") for line in lines)
    runs = [line for line in lines if " run " in line and line.endswith(("started", "ended well"))]
    assert len(runs) >= 6
    others = [line for line in lines if line not in runs]
    assert not [line for line in others if "DEBUG" in line or "INFO" in line or "Traceback" in line]
    assert len(others) < 60, "\n".join(others)


def test_a_second_one_on_the_same_data_is_refused(dev: Any) -> None:
    """Two daemons on one instance launched each backfill's runs twice; the line says which process to look for, and where it answers."""
    done = subprocess.run(
        [sys.executable, "-m", "ingestion_platform", "dev"],
        env=dev.environment | {"DAGSTER_PORT": "0"},
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"(pid {dev.process.pid}, http://127.0.0.1:{dev.port})" in done.stderr and done.stderr.count("\n") == 1


def test_the_environment_beats_the_file(dev: Any) -> None:
    """`dagster dev` reads a .env where it stands and lets it overrule the environment: the code location worked on another DATA_DIR."""
    assert dev.assets("raw"), "the code location could not load with the INGEST_ENV of the file"
    assert not dev.elsewhere.exists()


def test_ctrl_c_ends_everything_in_order(dev: Any) -> None:
    """Last, since nothing is left after it: exit code 0, no stack trace, no process behind."""
    dev.process.send_signal(signal.SIGINT)
    assert dev.ended() == 0
    log = dev.log.read_text()
    assert "Traceback" not in log
    assert log.splitlines()[-1].startswith("Stopping.")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent was killed")
def test_a_killed_parent_takes_its_child_along(tmp_path: Path) -> None:
    """`kill -9` of what `make` started: `dagster dev` is interrupted and stops its services in order."""
    note = tmp_path / "interrupted"
    child = f"import pathlib, time\ntry:\n    print('ready'); time.sleep(60)\nexcept KeyboardInterrupt:\n    pathlib.Path({f'{note}'!r}).touch()"
    program = f"import sys\nfrom ingestion_platform.commands.dev import supervise\nsupervise([sys.executable, '-uc', {child!r}], print)"
    with subprocess.Popen([sys.executable, "-uc", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().startswith("ready")
        parent.kill()
    until = time.monotonic() + 10
    while not note.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert note.exists()
