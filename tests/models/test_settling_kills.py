"""Publishing what is held, discarding it and taking it back are killed at random moments, with a reader beside: `KILLS=100`."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion_platform.resources.duckdb.held import held_folder
from ingestion_platform.resources.duckdb.housekeeping import keep_house
from ingestion_platform.resources.duckdb.publishing import file_of
from ingestion_platform.resources.lake.workplaces import HELD
from ingestion_platform.resources.proposals import AuditState, PublicationKind

FIRST, END = date(2026, 1, 10), date(2026, 1, 12)
KILLS = int(os.environ.get("KILLS", "2"))
HERE = Path(__file__).parent


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, f"{HERE / script}", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.timeout(7200)
def test_what_is_held_is_published_discarded_and_taken_back_as_a_whole_however_that_dies(
    make_bench: Any, record: Any, at: Any, edits: Any, model_relations: list[str], tmp_path: Path
) -> None:
    """Readers see all of it or none, running again completes, no file is lost while it is held, and in the end none is left."""
    bench = make_bench()
    relations = {name.partition(".")[2]: name for name in model_relations}
    bench.deliver([record(at("2026-01-10 10:00")), record(at("2026-01-10 10:01"), cid="bob")])
    bench.build(FIRST, END)
    old = bench.snapshot(FIRST, END)
    recorded = bench.recorded
    bench.recorded = edits.Edited(recorded, {"logs": lambda sql: f"select * from (\n{sql}\n) where client_id <> 'bob'"})
    other = make_bench()
    other.archive, other.recorded = bench.archive, bench.recorded
    other.build(FIRST, END)
    new = other.snapshot(FIRST, END)
    assert new["events.logs"] != old["events.logs"] and new["stats.overview_1d"] != old["stats.overview_1d"]
    with bench.staged(FIRST, END) as proposal:
        shutil.copytree(proposal.environment["LAKE_STAGED"], tmp_path / "staged")

    stop = bench.root / "stop"
    reader = start("reader.py", bench.warehouse.path, stop)
    chosen, rounds, round_seconds = random.Random(20260110), 0, 5.0
    lake = bench.warehouse.lake
    seen = {"held": 0, "published": 0, "neither": 0}
    try:
        for _ in range(KILLS):
            settler = start("settler.py", bench.root, tmp_path / "staged")
            assert settler.stdout is not None and settler.stderr is not None
            assert settler.stdout.readline() == "round\n", settler.stderr.read()
            rounds += 1
            began = time.monotonic()
            time.sleep(chosen.uniform(0, round_seconds))
            settler.send_signal(signal.SIGKILL)
            rounds += len(settler.communicate()[0].splitlines())
            round_seconds = min(round_seconds, max(time.monotonic() - began, 1.0) * 2)
            newest = bench.warehouse.publications(1)[0]
            is_new = newest.kind is PublicationKind.AUDIT
            assert bench.snapshot(FIRST, END) == (new if is_new else old)
            held = [(audit, day) for audit in bench.warehouse.audits() for day in audit.dates(AuditState.HELD)]
            for audit, day in held:
                for change in audit.changes:
                    if change.cell.day == day and change.is_difference:
                        folder = held_folder(lake, audit.audit_id)
                        assert file_of(folder, relations[change.cell.model], day).exists(), change.cell
            seen["published" if is_new else "held" if held else "neither"] += 1
    finally:
        stop.touch()
        looked = json.loads(reader.communicate(timeout=60)[0])
    assert looked["errors"] == [] and looked["torn"] == [], looked
    assert looked["looks"] > KILLS and looked["states"] == 2, looked

    for audit in bench.warehouse.audits():
        if audit.dates(AuditState.HELD):
            bench.warehouse.discard_held(audit.audit_id)
    newest = bench.warehouse.publications(1)[0]
    if newest.kind is PublicationKind.AUDIT:
        bench.warehouse.roll_back(newest.number)
    assert bench.snapshot(FIRST, END) == old
    # Later than any clock that these processes may have had.
    later = datetime(2100, 1, 1, tzinfo=UTC)
    keep_house(lake, timedelta(0), timedelta(0), later)
    keep_house(lake, timedelta(0), timedelta(0), later + timedelta(days=1))
    kept = {lake.folder / file.path for files in lake.catalog.snapshot().files.values() for file in files}
    assert {*lake.folder.rglob("*.parquet")} == kept
    assert not [*(lake.folder / HELD).glob("*")]
    print(f"{KILLS} kills after {rounds} rounds found {seen}; reader: {looked}")
