"""A disk that is full while a range is loaded or built: one line that says so, nothing half-written, and the same rows once
there is space again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from ingestion_platform import settings as environment
from ingestion_platform.dates import Window, today
from ingestion_platform.resources import environments
from ingestion_platform.settings import PROJECT_DIR
from simulations.config import TrafficConfig
from simulations.history import write_history

# So many that a date of events.logs is larger than any file of Dagster's.
HITS = 40_000
TABLES = ("raw.logs", "events.logs", "events.sessions", "events.purchases", "stats.overview_1h", "stats.revenue_1d")

# Event dates of which events.logs holds some hits and lacks others. (Each model is a transaction of its own: where one failed,
# those before it hold the date already, and the ledger knows which.)
_TORN_SQL = """
with modelled as (
    select event_date, count(*) as hits from (
        select event_date from events.logs
        union all select event_date from events.duplicates
        union all select event_date from events.quarantine where kind <> 'bad_line'
    ) group by event_date
)
select * from modelled
join (select event_date, count(*) as hits from raw.logs group by event_date) as raw using (event_date)
where modelled.hits <> raw.hits and event_date in (select event_date from events.logs)
"""

# Runs the command in a process whose files end at some size, which is a full disk to it: no right of root is needed.
_LIMITED = (
    "import resource, runpy, signal, sys; limit = int(sys.argv.pop(1)); signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)); runpy.run_module('ingestion_platform', run_name='__main__')"
)


def replay(data_dir: Path, dates: Window, file_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
    """`make replay` of `dates`, in a process that may write files of `file_bytes` at most."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER")}
    program = ["-m", "ingestion_platform"] if file_bytes is None else ["-c", _LIMITED, f"{file_bytes}"]
    return subprocess.run(
        [sys.executable, *program, "replay", "--from", f"{dates.start}", "--to", f"{dates.days[-1]}"],
        env={**inherited, "DATA_DIR": f"{data_dir}"},
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def says_full(done: subprocess.CompletedProcess[str], data_dir: Path, lines: int = 1) -> str:
    """What the command says, on `lines` at most, which names the trouble, the place and what to do. Dagster mirrors what a step
    wrote from a process of its own, so that it may come in the middle of another line."""
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= lines, done.stderr
    _, sentence, told = done.stderr.rpartition(f"replay: the disk that holds {data_dir} is full")
    assert sentence, done.stderr
    assert "make space, then run the same again" in told.splitlines()[0]
    return told.splitlines()[0]


def whole(data_dir: Path) -> int:
    """Rows of raw.logs, after making sure that the file opens, that the ledger knows each of them, and that no date of the marts
    is there in part."""
    if not (data_dir / "warehouse.duckdb").exists():
        return 0
    with duckdb.connect(f"{data_dir / 'warehouse.duckdb'}", read_only=True) as connection:

        def one(sql: str) -> Any:
            return connection.execute(sql).fetchall()[0][0]

        rows = int(one("select count(*) from raw.logs"))
        assert rows == int(one("select coalesce(sum(row_count), 0) from raw.load_history"))
        made = one(
            "select count(*) from information_schema.tables where table_schema || '.' || table_name = 'events.logs'"
        )
        if made:
            assert not connection.execute(_TORN_SQL).fetchall()
        return rows


def rows_of(data_dir: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What a warehouse holds, times of loading left out."""
    warehouse = environments.warehouse(environment.read({"DATA_DIR": f"{data_dir}"}))
    return {
        table: warehouse.query(
            f"select * {'exclude (log_timestamp)' if table == 'raw.logs' else ''} from {table} order by all"
        )
        for table in TABLES
    }


class Undisturbed(NamedTuple):
    """A warehouse that nothing happened to: its DATA_DIR, the dates in its archive, its rows."""

    data_dir: Path
    dates: Window
    rows: dict[str, list[tuple[Any, ...]]]

    def copy_archive(self, data_dir: Path) -> Path:
        """Make `data_dir` another one with the same archive; returns it."""
        for name in ("archive", "truth"):
            shutil.copytree(self.data_dir / name, data_dir / name)
        return data_dir


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Two dates, loaded and built with all the space there is."""
    data_dir = tmp_path_factory.mktemp("undisturbed") / "data"
    dates = Window(today() - timedelta(days=5), today() - timedelta(days=3))
    list(
        write_history(data_dir / "archive", dates.days, TrafficConfig(hits_per_day=HITS, outages=0.0, late_objects=0.0))
    )
    done = replay(data_dir, dates)
    assert done.returncode == 0, done.stderr
    return Undisturbed(data_dir, dates, rows_of(data_dir))


def test_files_that_may_not_grow(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """Writing fails while loading, then while building: what is there stays whole, and the same replay then completes it."""
    data_dir, dates = undisturbed.copy_archive(tmp_path / "data"), undisturbed.dates
    assert "raw__logs" in says_full(replay(data_dir, dates, 1_000_000), data_dir)
    assert whole(data_dir) == 0
    settings = environment.read({"DATA_DIR": f"{data_dir}"})
    environments.warehouse(settings).load(environments.archive(settings), *dates)
    # Room for everything but a date of the largest model.
    limit = (
        min(path.stat().st_size for path in (undisturbed.data_dir / "lake" / "events" / "logs").rglob("*.parquet"))
        - 10_000
    )
    assert "models" in says_full(replay(data_dir, dates, limit), data_dir)
    assert whole(data_dir) == len(undisturbed.rows["raw.logs"])
    done = replay(data_dir, dates)
    assert done.returncode == 0, done.stderr
    assert rows_of(data_dir) == undisturbed.rows


def test_a_full_file_system(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """No space at all, so that Dagster's own files cannot grow either: that was a stack trace of SQLite's, and then a build that
    waited for ever for a dbt thread whose message could not be logged."""
    disk, dates = tmp_path / "disk", undisturbed.dates
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", f"{disk}"]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system needs Linux and its root")
    try:
        data_dir = undisturbed.copy_archive(disk / "data")
        assert replay(data_dir, Window(dates.start, dates.days[-1])).returncode == 0
        before = whole(data_dir)
        ballast = disk / "ballast"
        for left in (100_000, 2_500_000):
            free = os.statvfs(disk)
            ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - left))
            # Dagster says besides, event for event, that it cannot note it.
            says_full(replay(data_dir, dates), data_dir, lines=100)
            ballast.unlink()
            assert whole(data_dir) == before
        done = replay(data_dir, dates)
        assert done.returncode == 0, done.stderr
        assert rows_of(data_dir) == undisturbed.rows
    finally:
        subprocess.run(["umount", "-l", f"{disk}"], check=True)
