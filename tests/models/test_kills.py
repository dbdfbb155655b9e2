"""Publishing is killed at random moments, with readers beside: invariants 6 and 9."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from ingestion_platform.resources.duckdb.housekeeping import keep_house

FIRST, END = date(2026, 1, 10), date(2026, 1, 12)
KILLS = int(os.environ.get("KILLS", "2"))
READERS = 2
HERE = Path(__file__).parent


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, f"{HERE / script}", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_readers_see_all_of_a_publication_or_nothing_however_publishing_dies(
    make_bench: Any, record: Any, at: Any
) -> None:
    """Loading, staging, publishing and housekeeping die at any moment: no reader meets an error or a mixture, what comes next
    completes, and of what was killed no file is lost or left."""
    bench = make_bench()
    bench.deliver([record(at("2026-01-10 10:00")), record(at("2026-01-10 10:01"), cid="bob")])
    bench.build(FIRST, END)
    stop = bench.root / "stop"
    readers = [start("reader.py", bench.warehouse.path, stop) for _ in range(READERS)]
    chosen, rounds = random.Random(20260110), 0
    round_seconds = 5.0
    try:
        for _ in range(KILLS):
            publisher = start("publisher.py", bench.root, FIRST, END)
            assert publisher.stdout is not None and publisher.stderr is not None
            assert publisher.stdout.readline() == "round\n", publisher.stderr.read()
            rounds += 1
            began = time.monotonic()
            time.sleep(chosen.uniform(0, round_seconds))
            publisher.send_signal(signal.SIGKILL)
            rounds += len(publisher.communicate()[0].splitlines())
            round_seconds = min(round_seconds, max(time.monotonic() - began, 1.0) * 2)
    finally:
        stop.touch()
        seen = [json.loads(reader.communicate(timeout=60)[0]) for reader in readers]
    for one in seen:
        assert one["errors"] == [] and one["torn"] == [], one
        assert one["looks"] > KILLS and one["states"] > 1, one

    bench.build(FIRST, END)
    hits = len(list(bench.archive.root.rglob("*.gz"))) + 1
    assert bench.rows("select count(*) from raw.logs") == bench.rows("select count(*) from events.logs") == [(hits,)]
    scratch = make_bench()
    scratch.archive = bench.archive
    scratch.build(FIRST, END)
    assert scratch.snapshot(FIRST, END) == bench.snapshot(FIRST, END)

    lake = bench.warehouse.lake
    # Later than any clock that these processes may have had.
    later = datetime(2100, 1, 1, tzinfo=UTC)
    keep_house(lake, timedelta(0), timedelta(0), later)
    keep_house(lake, timedelta(0), timedelta(0), later + timedelta(days=1))
    kept = {lake.folder / file.path for files in lake.catalog.snapshot().files.values() for file in files}
    assert set(lake.folder.rglob("*.parquet")) == kept
    print(f"{KILLS} kills after {rounds} rounds; readers: {seen}")
