"""Several processes at once, processes that are killed, and files that are not what they should be."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from ingestion_platform.resources.lake import catalog as catalog_module
from ingestion_platform.resources.lake.catalog import Catalog
from ingestion_platform.resources.lake.contents import CatalogError, Column, Table

DAY = date(2026, 1, 1)
HITS = Table("events.hits", (Column("event_date", "DATE"), Column("n", "INTEGER")), "event_date")

WRITER = """
import sys
from datetime import date
from pathlib import Path
from ingestion_platform.resources.lake.catalog import Catalog
from ingestion_platform.resources.lake.contents import Column, NewFile, Table

folder, who, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
catalog = Catalog(folder)
catalog.create()
days = [date(2026, 1, 1), date(2026, 1, 2)]
for i in range(times):
    with catalog.change(f"{who} {i}") as change:
        change.define_table(Table("events.hits", (Column("event_date", "DATE"), Column("n", "INTEGER")), "event_date"))
        change.connection.execute("create table if not exists ledger (snapshot, who)")
        change.replace("events.hits", days, [
            NewFile("events.hits", day, f"events/hits/event_date={day}/{who}-{i}.parquet", 1, 1, 1) for day in days
        ])
        change.connection.execute("insert into ledger values (?, ?)", [change.before + 1, f"{who}-{i}"])
        print(i, flush=True)
"""


def writer(catalog: Catalog, who: str, times: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, f"{catalog.folder}", who, f"{times}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check(catalog: Catalog) -> int:
    """The dates are of one change each, and the ledger knows which; returns the newest snapshot."""
    with catalog.reading() as connection:
        found = catalog_module.snapshot_of(connection)
        (said,) = connection.execute("select who from ledger where snapshot = ?", [found.snapshot_id]).fetchone()
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    assert [Path(file.path).stem for file in found.files["events.hits"]] == [said, said]
    return found.snapshot_id


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    """Both create the lake, none waits for long, no change is lost, and a reader beside them sees whole ones only."""
    catalog = Catalog(tmp_path / "data" / "lake")
    writers = [writer(catalog, who, 40) for who in ("a", "b")]
    seen = []
    while any(process.poll() is None for process in writers):
        if catalog.exists() and catalog.path.stat().st_size and catalog.head() > 0:
            seen.append(check(catalog))
    for process in writers:
        assert (process.returncode, process.communicate()[1]) == (0, "")
    assert check(catalog) == 80
    assert seen == sorted(seen)
    messages = [info.message for info in catalog.snapshots()][1:]
    for who in ("a", "b"):
        assert [message for message in messages if message.startswith(who)] == [f"{who} {i}" for i in range(40)]


def test_a_writer_is_killed(tmp_path: Path) -> None:
    """At whatever moment: what it had not finished is not there, and the next one goes on."""
    catalog = Catalog(tmp_path / "lake")
    before = 0
    for i in range(12):
        process = writer(catalog, f"w{i}", 1000)
        for _ in range(2 + i % 3):
            process.stdout.readline()
        time.sleep(0.0007 * i)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        newest = check(catalog)
        assert newest > before + i % 3
        before = newest


def test_killed_before_the_first_transaction(tmp_path: Path) -> None:
    """SQLite leaves an empty file then: no lake yet, and the next process makes it."""
    catalog = Catalog(tmp_path)
    catalog.path.touch()
    with pytest.raises(CatalogError, match="there is no lake at"):
        catalog.head()
    catalog.create()
    assert catalog.head() == 0


@pytest.mark.parametrize("left", ["nothing", "an empty file"])
def test_data_files_without_their_catalog(lake, left: str) -> None:
    """A new catalog would make orphans of them, and orphans are removed."""
    path = lake.folder / "events/hits/event_date=2026-01-01/a.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1")
    lake.path.unlink()
    if left != "nothing":
        lake.path.touch()
    with pytest.raises(CatalogError, match=r"holds data files, but catalog\.sqlite is (gone|empty): restore it"):
        lake.create()
    assert path.exists() and (left == "nothing") is not lake.path.exists()


def every_way(lake: Catalog) -> list:
    def change() -> None:
        with lake.change("x") as change:
            change.define_table(HITS)

    return [lake.create, lake.head, lake.snapshot, lake.snapshots, change]


def refused(lake: Catalog, said: str) -> None:
    """Whatever is asked of the lake gives one line, and its folder stays as it was, byte for byte."""
    before = {path: path.read_bytes() for path in lake.folder.rglob("*") if path.is_file()}
    for way in every_way(lake):
        with pytest.raises(CatalogError, match=said) as error:
            way()
        assert "\n" not in str(error.value) and f"{lake.path}" in str(error.value)
    assert {path: path.read_bytes() for path in lake.folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("kept", [100, 4096, 0.5, -4096, -1])
def test_a_catalog_that_is_cut_short(lake, kept: float) -> None:
    """By a full disk or a copy that was broken off, wherever that was."""
    with lake.change("first") as change:
        change.define_table(HITS)
    whole = lake.path.read_bytes()
    lake.path.write_bytes(whole[: int(len(whole) * kept) if isinstance(kept, float) else kept])
    refused(lake, "is damaged or cut short")


def test_a_catalog_whose_inside_is_damaged(lake) -> None:
    """Pages of zeros, as a power cut leaves on some disks."""
    whole = lake.path.read_bytes()
    lake.path.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    refused(lake, "is damaged or cut short")


def test_what_is_no_catalog(lake) -> None:
    """A text, or another program's database."""
    lake.path.write_text("no database at all " * 100)
    refused(lake, "is damaged or cut short")
    lake.path.unlink()
    with sqlite3.connect(lake.path) as connection:
        connection.execute("create table something (n)")
    connection.close()
    refused(lake, "is not the catalog of a lake")


@pytest.mark.parametrize("version", ["1.1", "0.3", "2.0-dev"])
def test_a_catalog_of_another_version(lake, version: str) -> None:
    """A newer release, or DuckDB's own extension after an upgrade, has written things that we would not see."""
    with sqlite3.connect(lake.path) as connection:
        connection.execute("update ducklake_metadata set value = ? where key = 'version'", [version])
    connection.close()
    refused(lake, f"is laid out as DuckLake {version}, and this release knows 1.0")


def test_another_process_holds_it(lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's shell with an open transaction: said in one line once the waiting is over. Readers see the state before it."""
    monkeypatch.setattr(catalog_module, "BUSY_SECONDS", 0.1)
    other = sqlite3.connect(lake.path, isolation_level=None)
    other.execute("begin immediate")
    assert lake.head() == 0
    with pytest.raises(CatalogError, match=r"is held by another process for more than 0\.1 s"), lake.change("x"):
        pass
    other.close()
    with lake.change("x") as change:
        change.define_table(HITS)
    assert lake.head() == 1


@pytest.fixture
def read_only() -> Iterator[Catalog]:
    """A lake whose folder may only be read, by somebody who may not write everywhere."""
    me = os.geteuid()
    # Of pytest's own folders nobody else may see anything.
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    catalog = Catalog(folder / "lake")
    catalog.create()
    for path, mode in ((folder, 0o755), (catalog.path, 0o444), (catalog.folder, 0o555)):
        path.chmod(mode)
    if me == 0:
        os.seteuid(65534)
    try:
        yield catalog
    finally:
        os.seteuid(me)
        catalog.folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_read_only_folder(read_only: Catalog) -> None:
    """It can be read, and what would write says so."""
    assert read_only.snapshot().tables == {}
    with pytest.raises(CatalogError, match="cannot be read or written"), read_only.change("x"):
        pass
    with pytest.raises(CatalogError, match="cannot be read or written"):
        read_only.create()
    assert [path.name for path in read_only.folder.iterdir()] == ["catalog.sqlite"]


def test_a_mistake_in_the_ledgers_sql_is_no_damage(lake) -> None:
    """It is raised as what it is, and undone."""
    with pytest.raises(sqlite3.OperationalError, match="no such table"), lake.change("x") as change:
        change.define_table(HITS)
        change.connection.execute("insert into nowhere values (1)")
    assert lake.head() == 0
