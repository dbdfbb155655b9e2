"""The command line as a user meets it: one line for what he can fix, and the way from HTTP to statistics."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from ingestion_platform.commands.locks import DEMO, DEV
from ingestion_platform.commands.report import print_figures
from ingestion_platform.dates import Window, today
from ingestion_platform.resources import environments
from ingestion_platform.resources.duckdb.warehouse import DuckDBWarehouse
from ingestion_platform.settings import PROJECT_DIR


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a command that refused."""
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"INGEST_ENV": "prod"}, "local, emulated, production"),
        ({"PARTITIONS_START": "01/01/2026"}, "PARTITIONS_START"),
        ({"INGEST_ENV": "production"}, "ARCHIVE_BUCKET"),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_line(place: Any, environment: dict[str, str], says: str) -> None:
    """No stack trace for a typing error, and nothing is created in DATA_DIR."""
    assert says in one_line(place.command("doctor", **environment))
    assert not place.settings.data_dir.exists()


def test_dates_outside_of_the_partitions_are_one_line(place: Any) -> None:
    """`make replay` with a date of last century says what can be chosen."""
    assert "outside of the partitions" in one_line(
        place.command("replay", "--from", "1999-01-01", "--to", "1999-01-02")
    )


@pytest.mark.parametrize(
    ("first", "last", "names"), [("", "", "FROM and TO"), ("2026-11-01", "", "TO"), ("", "2026-11-01", "FROM")]
)
def test_a_replay_without_dates_names_what_is_missing(place: Any, first: str, last: str, names: str) -> None:
    """`make replay` hands on empty texts: the answer was "'' to '': write two dates"."""
    said = one_line(place.command("replay", "--from", first, "--to", last))
    assert said.startswith(f"replay: {names} not given: make replay FROM=2026-01-01 TO=")


def test_a_port_in_use_is_one_line(place: Any) -> None:
    """`dagster dev` itself ends in a stack trace half a minute later."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = f"{taken.getsockname()[1]}"
        assert f"port {port} is in use" in one_line(place.command("dev", DAGSTER_PORT=port))


@pytest.mark.parametrize("command", [DEV, DEMO])
def test_a_second_one_on_a_data_dir_is_one_line(place: Any, command: str) -> None:
    """Two `make demo` shared a collector's log, and the second sent its hits to a collector that the first was about to stop. What
    `make clean` asks for is refused too; when the holder is gone, killed or not, nothing is."""
    hold = (
        "import sys, time; from ingestion_platform import settings; from ingestion_platform.commands.locks import only_one\n"
        f"with only_one(settings.read(), {command!r}, 'http://127.0.0.1:3999'): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold],
        env=os.environ | {"DATA_DIR": f"{place.settings.data_dir}"},
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        for asked in (command.removeprefix("make "), "data-dir"):
            said = one_line(place.command(asked))
            assert said.startswith(f"{asked}: {command} runs on {place.settings.data_dir} already")
            assert f"(pid {holder.pid}, http://127.0.0.1:3999)" in said
        holder.kill()
    assert place.command("data-dir").stdout == f"{place.settings.data_dir}\n"


@pytest.mark.dates("year-end", "after-midnight")
def test_doctor_names_what_is_missing_and_then_that_all_is_well(place: Any) -> None:
    """A newcomer's first question is what to do next."""
    empty = place.command("doctor")
    assert empty.returncode == 1
    assert "make demo" in empty.stdout
    place.simulate(place.past(3))
    assert place.launch("hourly_refresh").success
    well = place.command("doctor")
    assert well.returncode == 0, well.stdout
    assert "everything in the archive is loaded" in well.stdout
    place.simulate(place.past(2))
    late = place.command("doctor")
    assert late.returncode == 1
    assert f"late on purpose): make replay FROM={place.past(2)} TO=" in late.stdout


def test_doctor_says_what_the_lake_takes(place: Any) -> None:
    """Figures of what lies on disk, so that a user can tell what his versions cost him and when that goes."""
    window = Window(place.past(2), place.past(1))
    place.simulate(window.start, hits=2000)
    warehouse = environments.warehouse(place.settings)
    assert isinstance(warehouse, DuckDBWarehouse)
    began = datetime.now(UTC)

    def size() -> float:
        return sum(path.stat().st_size for path in warehouse.lake.folder.rglob("*.parquet")) / 1e6

    warehouse.load(place.archive, *window)
    once = size()
    assert once > 0.05
    assert re.search(rf"ok +lake +{once:.1f} MB in the newest snapshot\n", place.command("doctor").stdout)
    warehouse.load(place.archive, *window, full_reload=window)
    more = rf"{size() - once:.1f} MB in the newest snapshot; {once:.1f} MB only in 1 older one, from {began:%Y-%m-%d %H:}\d\d UTC on \(KEEP"
    assert re.search(more, place.command("doctor").stdout)
    assert warehouse.keep_house(timedelta(0), timedelta(days=1), datetime.now(UTC) + timedelta(minutes=1)).expired
    gone = rf"{size() - once:.1f} MB in the newest snapshot; {once:.1f} MB wait to be deleted \(KEEP_FILES_HOURS=24\)\n"
    assert re.search(gone, place.command("doctor").stdout)


def test_a_replay_of_dates_without_hits_says_so(place: Any) -> None:
    """A date mistyped was "Replayed", in green, like any other."""
    place.simulate(place.past(6), hits=50)
    # A visit may go on over midnight, and a hit that waited may belong to the day before: neither is two dates away.
    done = place.command("replay", "--from", f"{place.past(4)}", "--to", f"{place.past(4)}")
    assert done.returncode == 0, done.stderr
    assert f"No hit on {place.past(4)}" in done.stdout
    # The hits two dates before were loaded for newness and sessions, and reach what is around the date that was replayed.
    assert "Stale now: " in done.stdout and f", {place.past(3)} to {place.past(0)} (" in done.stdout
    assert f"TO={place.past(0)}" in done.stdout


def test_the_report_explains_its_signs() -> None:
    """Newcomers asked what "EUR +5", the blocks and some of the columns mean."""
    day = date(2026, 3, 1)
    revenue = [(day, "EUR", Decimal("12.50")), (day, "USD", Decimal(3)), (day, "JPY", Decimal(900))]
    hours = [(day, datetime(2026, 3, 1, hour), hour) for hour in range(24)]
    with StringIO() as text:
        out = Console(file=text, width=100)
        print_figures([(day, *[7] * 7)], revenue, hours, out)
        said = text.getvalue()
    heading, *_ = said.splitlines()
    assert len(heading.split()) == 9
    assert [name for name in heading.split() if f"{name}: " not in said] == []
    assert "12.50 EUR +2" in said and "orders in 2 more currencies" in said
    assert "█ 23, ▁ up to 3, blank 0" in said


def pumped(place: Any, hits: int) -> None:
    """Start a collector, send hits to it over HTTP, stop it: what it acknowledged lies in the archive."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER")}
    env |= {"DATA_DIR": f"{place.settings.data_dir}", "N_EVENTS": f"{hits}", "DATA_FOLDER": ""}
    serve = [sys.executable, "-m", "collector", "serve", "--port", "0"]
    with subprocess.Popen(serve, env=env, cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True) as collector:
        assert collector.stdout is not None
        line = collector.stdout.readline()
        assert line.startswith("collector listening on "), line
        pump = [sys.executable, "-m", "simulations", "pump"]
        sent = subprocess.run(
            pump, env=env | {"COLLECT_URL": f"{line.split()[3]}/collect"}, cwd=PROJECT_DIR, check=False, timeout=120
        )
        collector.send_signal(signal.SIGTERM)
        assert collector.wait(60) == 0
    assert sent.returncode == 0


def statistics(place: Any) -> list[tuple[Any, ...]]:
    """The day's row in total."""
    return list(place.rows("select * from stats.overview_1d order by all"))


@pytest.mark.dates("month-end-before-midnight", "after-midnight")
def test_from_http_to_statistics_twice_with_the_same_result(place: Any) -> None:
    """The whole way with real parts: collector, archive, warehouse, dbt, Dagster; a replay changes no figure, and what a
    second pump adds is added exactly."""

    def replay() -> Any:
        # Soon after midnight, hits that the pumper says were queued belong to the day before; and midnight may come meanwhile.
        return place.command("replay", "--from", f"{place.past(1)}", "--to", f"{today()}")

    pumped(place, 300)
    first = replay()
    assert first.returncode == 0, first.stderr
    assert f"No hit on {place.today}" not in first.stdout
    once = statistics(place)
    accepted = place.count("events.logs") + place.count("events.duplicates")
    assert accepted == 300
    assert place.count("events.quarantine") == 0

    again = replay()
    assert again.returncode == 0, again.stderr
    assert statistics(place) == once

    pumped(place, 200)
    assert replay().returncode == 0
    assert place.count("events.logs") + place.count("events.duplicates") == 500
    with place.instance_of_commands() as instance:
        runs = instance.get_runs()
        assert [run.job_name for run in runs] == ["replay"] * 3
        assert all(run.remote_job_origin is not None for run in runs), "the UI can launch such a run again"
