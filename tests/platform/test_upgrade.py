"""From version 0.1, whose warehouse was a native DuckDB file, to the lake: with a small real file of that kind."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collector.errors import ExpectedError
from ingestion_platform.commands.locks import DEV, only_one
from ingestion_platform.commands.upgrade import upgrade
from ingestion_platform.dates import Window
from ingestion_platform.resources import environments
from ingestion_platform.settings import PROJECT_DIR, Settings

# What a load and a build of 0.1 left, in the columns that matter here; killed, so that the last of it lies in the log beside the file.
_NATIVE = """
import json, os, sys
import duckdb
path, archive_id, objects = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
native = duckdb.connect(path)
native.execute('''
    create schema raw; create schema events;
    create table raw.logs (service_id varchar, request_id varchar using compression uncompressed, data json, log_id uuid,
        log_filename varchar, event_date date, arrival_date date, record struct(body struct("cid" varchar)));
    create table raw.load_history (load_id bigint, object_key varchar, arrival_date date, etag varchar, size_bytes bigint,
        row_count bigint, bad_lines bigint, event_dates date[], loaded_at timestamp);
    create table raw.archives (archive_id varchar);
    create table raw.event_date_changes (event_date date primary key, load_id bigint);
    create table events.logs (event_date date, log_id uuid);
''')
native.execute("checkpoint")
native.execute("pragma disable_checkpoint_on_shutdown; set wal_autocheckpoint = '1TB'")
native.execute("insert into raw.archives values (?)", [archive_id])
for key, size, etag, day in objects:
    native.execute("insert into raw.load_history values (1, ?, ?, ?, ?, 1, 0, [?::date], now())", [key, day, etag, size, day])
    native.execute("insert into raw.logs (log_filename, arrival_date) values (?, ?)", [key, day])
os._exit(0)
"""


def make_native(place: Any, days: Window, archive_id: str | None = None) -> None:
    """A warehouse of 0.1 that had loaded what the archive holds of `days`."""
    objects = [
        (item.key, item.size, item.etag, f"{item.arrival_date}") for item in place.archive.objects(days.start, days.end)
    ]
    marked = place.archive.mark("the-archive")
    path = place.settings.warehouse_file
    subprocess.run([sys.executable, "-c", _NATIVE, f"{path}", archive_id or marked, json.dumps(objects)], check=True)
    assert path.with_name(f"{path.name}.wal").stat().st_size > 0


def digests(settings: Settings) -> dict[str, str]:
    """What of any warehouse there is, logs included."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in settings.data_dir.glob("warehouse*")}


def kept(settings: Settings) -> Path:
    return settings.data_dir / "warehouse-0.1.duckdb"


def start_upgrade(place: Any) -> subprocess.Popen[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER")}
    return subprocess.Popen(
        [sys.executable, "-m", "ingestion_platform", "upgrade"],
        env=env | {"DATA_DIR": f"{place.settings.data_dir}", "PARTITIONS_PER_RUN": "2"},
        cwd=PROJECT_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_everything_is_rebuilt_and_the_old_file_kept(place: Any) -> None:
    """Killed after the first two dates, it goes on with the others; then readers find what a platform that never was at 0.1 has."""
    day = place.past(2)
    place.simulate(day, hits=60)
    make_native(place, Window(day, place.today))
    before = digests(place.settings)
    note = place.settings.data_dir / "upgrade.json"

    killed = start_upgrade(place)
    until = time.monotonic() + 900
    while not (note.exists() and json.loads(note.read_text())["left"] == [[f"{day}", f"{place.past(1)}"]]):
        assert killed.poll() is None and time.monotonic() < until, killed.communicate()
        time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert "upgrade" not in place.command("data-dir").stderr, "the lock ends with its process"

    again = start_upgrade(place)
    said, errors = again.communicate(timeout=900)
    assert again.returncode == 0, errors
    assert f"Replay {day}" in said and f"Replay {place.past(4)}" not in said
    assert "Upgraded: everything is rebuilt from the archive." in said and f"{kept(place.settings)}" in said.replace(
        "\n", ""
    )
    assert not note.exists()
    after = digests(place.settings)
    assert "warehouse.duckdb.wal" not in after
    assert [after[f"warehouse-0.1.duckdb{log}"] for log in ("", ".wal")] == [
        before[f"warehouse.duckdb{log}"] for log in ("", ".wal")
    ]
    with duckdb.connect(f"{kept(place.settings)}", read_only=True) as old:
        objects = len(place.archive.objects(day, place.today))
        assert old.execute("select count(*) from raw.logs").fetchall() == [(objects,)]
    hits = place.count("raw.logs")
    assert hits > 50 and place.rows("select count(*) from raw.load_history") == [(objects,)]
    assert place.count("events.logs") > 40
    assert place.rows("select count(*) from events_live.logs_live") == [(place.count("events.logs"),)]
    assert environments.warehouse(place.settings).query("select count(distinct model) > 10 from raw.build_history") == [
        (True,)
    ]

    nothing = start_upgrade(place)
    assert nothing.communicate()[0] == f"{place.settings.data_dir} needs no upgrade.\n"


@pytest.mark.parametrize("command", ["replay --from 2026-01-02 --to 2026-01-02", "demo", "dev", "status", "doctor"])
def test_every_other_command_names_it(place: Any, command: str) -> None:
    """Before it has begun with anything, so that nothing of 0.1 is touched."""
    place.simulate(place.past(2), hits=20)
    make_native(place, Window(place.past(2), place.today))
    before = digests(place.settings)
    done = place.command(*command.split())
    assert done.returncode == 1
    line = f"{place.settings.warehouse_file} was made by version 0.1, before the lake: make upgrade keeps it aside"
    if command == "doctor":
        assert line in done.stdout
    else:
        assert done.stderr.count("\n") == 1 and line in done.stderr
    assert digests(place.settings) == before and not place.settings.lake_catalog.exists()


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("archive", "is its disk there"),
        ("another", "a warehouse has one archive"),
        ("object", "REMOVE=key"),
        ("kept", "warehouse-0.1.duckdb is there already"),
        ("open", "end what has it open"),
        ("dev", "make dev runs on"),
    ],
)
def test_what_could_not_be_rebuilt_is_left(place: Any, broken: str, says: str) -> None:
    """The old warehouse may be the only place that has the rows: it stays where it is, and one line says what is wrong."""
    day = place.past(2)
    place.simulate(day, hits=20)
    make_native(place, Window(day, place.today), "another" if broken == "another" else None)
    if broken == "archive":
        place.settings.archive_folder.rename(place.settings.data_dir / "unmounted")
    elif broken == "object":
        (place.settings.archive_folder / place.archive.objects(day, place.today)[0].key).unlink()
    elif broken == "kept":
        kept(place.settings).write_bytes(b"precious")
    elif broken == "open":
        place.settings.warehouse_file.write_bytes(b"no database")
    before = digests(place.settings)
    with pytest.raises(ExpectedError, match=says) as refusal:
        if broken == "dev":
            with only_one(place.settings, DEV):
                upgrade(place.settings)
        else:
            upgrade(place.settings)
    assert "\n" not in f"{refusal.value}"
    assert digests(place.settings) == before
    assert not place.settings.lake_catalog.parent.exists() and not (place.settings.data_dir / "upgrade.json").exists()


def test_a_file_whose_lake_was_moved_aside_is_not_of_0_1(place: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """That is what the line about a damaged catalog tells a user to do; it must not lead to another line."""
    warehouse = environments.warehouse(place.settings)
    warehouse.create_tables()
    assert place.settings.warehouse_file.exists()
    place.settings.lake_catalog.parent.rename(place.settings.data_dir / "lake-aside")
    upgrade(place.settings)
    assert "needs no upgrade" in capsys.readouterr().out
    fresh = environments.warehouse(place.settings)
    fresh.create_tables()
    assert fresh.query("select count(*) from raw.logs") == [(0,)]


def test_a_fresh_data_dir_needs_none(place: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is made in it."""
    upgrade(place.settings)
    assert "needs no upgrade" in capsys.readouterr().out
    assert not place.settings.data_dir.exists()
