"""A replay that changes nothing writes nothing that is published."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from ingestion_platform.resources.lake.workplaces import NOT_DATA

FIRST, END = date(2026, 1, 10), date(2026, 1, 12)


def published_files(bench: Any) -> dict[Path, tuple[int, int, int]]:
    """Inode, time of writing and size of every file that a reader opens: of the lake's data, and of warehouse.duckdb."""
    lake = bench.warehouse.lake.folder
    data = [path for path in lake.rglob("*.parquet") if path.relative_to(lake).parts[0] not in NOT_DATA]
    told = {path: path.stat() for path in [*data, bench.warehouse.path]}
    return {path: (one.st_ino, one.st_mtime_ns, one.st_size) for path, one in told.items()}


def test_a_replay_that_changes_nothing_writes_no_published_byte(bench: Any, record: Any, at: Any) -> None:
    """The same code over the same objects: no file, no name, no snapshot, no publication; a hit more, and there is one of each."""
    bench.deliver([record(at("2026-01-10 10:00")), record(at("2026-01-10 10:01"), cid="bob")])
    bench.build(FIRST, END)
    files, head = published_files(bench), bench.warehouse.lake.catalog.head()
    publications, ledger = bench.warehouse.publications(), bench.versions(FIRST, END)
    for _ in range(2):
        bench.build(FIRST, END)
    assert published_files(bench) == files
    assert bench.warehouse.lake.catalog.head() == head
    assert bench.warehouse.publications() == publications and bench.versions(FIRST, END) == ledger

    bench.deliver([record(at("2026-01-10 11:00"), cid="carol")])
    bench.build(FIRST, END)
    changed = {path for path, told in published_files(bench).items() if files.get(path) != told}
    assert bench.warehouse.path in changed and len(bench.warehouse.publications()) == len(publications) + 1
    # The day after has visitors of the day before it, and nothing else of them.
    assert not [path for path in changed if "events/logs/event_date=2026-01-11" in path.as_posix()]
