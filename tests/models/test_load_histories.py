"""Whatever happens to an archive, in whatever order, RAW.LOGS holds what was delivered and not removed by name.

Histories of the load alone, so that many can be tried: `LOAD_HISTORIES=1000 FIRST_SEED=0 python -m pytest -n 0 tests/models/test_load_histories.py`.
test_replay.py has fewer, with the models on top.
"""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from isal import igzip

from collector.archive_keys import MARKER_KEY

HISTORIES = int(os.environ.get("LOAD_HISTORIES", "8"))
FIRST_SEED = int(os.environ.get("FIRST_SEED", "0"))
STEPS = 12
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
EVERYTHING = (FIRST.date() - timedelta(days=2), FIRST.date() + timedelta(days=10))


class History:
    """A bench, and what its raw layer must hold: the lines of each object by key."""

    def __init__(self, bench: Any, record: Any, seed: int) -> None:
        self.bench, self.record, self.rng = bench, record, random.Random(seed)
        self.content: dict[str, int] = {}
        self.loaded: dict[str, int] = {}

    def lines(self) -> list[Any]:
        when = FIRST + timedelta(minutes=self.rng.randrange(4 * 1440))
        made = [
            self.record(when + timedelta(seconds=n), z=f"{self.rng.random()}") for n in range(self.rng.randint(1, 4))
        ]
        return [*made, b"no json\n"] if self.rng.random() < 0.3 else made

    def deliver(self) -> None:
        lines = self.lines()
        arrived = FIRST + timedelta(minutes=self.rng.randrange(5 * 1440))
        self.content[self.bench.deliver(lines, arrived=arrived)] = len(lines)

    def replace(self) -> None:
        if self.content:
            key = self.rng.choice(list(self.content))
            count = self.rng.randint(1, 5)
            self.bench.archive.put(
                key, igzip.compress(b"".join(b'{"n": %d}\n' % self.rng.randrange(10**9) for _ in range(count)))
            )
            self.content[key] = count

    def load(self, **options: Any) -> list[Any]:
        loads: list[Any] = self.bench.warehouse.load(self.bench.archive, *EVERYTHING, **options)
        return loads

    def load_all(self) -> None:
        reload = EVERYTHING if self.rng.random() < 0.3 else None
        assert not any(load.errors for load in self.load(full_reload=reload))
        self.loaded = dict(self.content)

    def load_some(self) -> None:
        start = EVERYTHING[0] + timedelta(days=self.rng.randrange(9))
        end = start + timedelta(days=self.rng.randint(1, 4))
        self.bench.warehouse.load(self.bench.archive, start, end)
        there = {item.key for item in self.bench.archive.objects(start, end)}
        self.loaded |= {key: count for key, count in self.content.items() if key in there}

    def killed(self) -> None:
        """A load that dies in its middle: it may have committed whole objects or none, and a reload none."""

        def die(done: int, total: int) -> None:
            raise KeyboardInterrupt

        try:
            self.load(progress=die, full_reload=EVERYTHING if self.rng.random() < 0.5 else None)
        except KeyboardInterrupt:
            return
        self.loaded = dict(self.content)

    def accident(self) -> None:
        """Something is missing, or another's: whatever is asked, no row goes."""
        if not self.loaded:
            return
        root = self.bench.archive.root
        kind = self.rng.choice(("mount", "marker", "foreign", "object", "half"))
        key = self.rng.choice(list(self.loaded))
        path = {"mount": root, "marker": root / MARKER_KEY, "foreign": root / MARKER_KEY}.get(kind, root / key)
        content = path.read_bytes() if path.is_file() else b""
        path.rename(root.with_name("aside"))
        if kind == "foreign":
            path.write_text('{"archive_id": "another"}')
        elif kind == "half":
            path.write_bytes(content[: len(content) // 2])
        elif kind == "mount" and self.rng.random() < 0.5:
            path.mkdir()
        loads = self.load(full_reload=EVERYTHING if self.rng.random() < 0.5 else None, remove=["another"])
        assert any(load.errors for load in loads), kind
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        root.with_name("aside").rename(path)
        self.load()
        self.loaded = dict(self.content)

    def remove_by_name(self) -> None:
        if self.content:
            key = self.rng.choice(list(self.content))
            (self.bench.archive.root / key).unlink()
            del self.content[key]
            self.load(remove=[key])
            self.loaded = dict(self.content)

    def check(self) -> None:
        held = self.bench.rows(
            "select log_filename, count(*) from (select log_filename, log_id from raw.logs union all "
            "select log_filename, cast(log_id as uuid) from raw.bad_lines) group by log_filename"
        )
        assert dict(held) == self.loaded
        ledger = self.bench.rows("select object_key, row_count + bad_lines from raw.load_history")
        assert sorted(ledger) == sorted(self.loaded.items())

    def run(self) -> None:
        steps = [
            *[self.deliver] * 4, self.replace, self.load_all, *[self.load_some] * 2, self.killed, *[self.accident] * 2, self.remove_by_name,
        ]  # fmt: skip
        self.deliver()
        for _ in range(STEPS):
            self.rng.choice(steps)()
            if self.rng.random() < 0.3:
                self.load_all()
                self.check()
        self.load_all()
        self.check()


@pytest.mark.timeout(120 + 10 * HISTORIES)
def test_no_history_of_an_archive_loses_or_doubles_a_row(make_bench: Any, record: Any) -> None:
    """Deliveries, replacements, loads of any dates, reloads, kills, lost mounts, foreign markers, vanished and broken objects, removals by
    name: the raw layer and its ledger hold each line of what is there exactly once."""
    for seed in range(FIRST_SEED, FIRST_SEED + HISTORIES):
        bench = make_bench()
        try:
            History(bench, record, seed).run()
        except BaseException as error:
            error.add_note(f"history {seed}")
            raise
        bench.warehouse.path.unlink()
