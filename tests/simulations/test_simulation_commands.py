"""The commands as a user runs them: real processes, their exit codes and what they print."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collector.local_process import running_collector
from simulations.settings import Settings

NAMES = ("DATA_DIR", "DATA_FOLDER", "COLLECT_URL", "COLLECTOR_PORT", "N_EVENTS", "INGEST_ENV", "PROTOCOLS")


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m simulations` in `folder`, with nothing of our own environment's settings."""
    inherited = {name: value for name, value in os.environ.items() if name not in NAMES}
    return subprocess.run(
        [sys.executable, "-m", "simulations", *arguments],
        cwd=folder,
        env={**inherited, "COLUMNS": "160", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_history_writes_the_dates_and_says_so(tmp_path: Path) -> None:
    """`make simulate FROM= TO=`: both dates inclusive; twice the same."""
    arguments = ("history", "--from", "2026-01-01", "--to", "2026-01-03", "--hits-per-day", "400", "--seed", "9")
    for _ in range(2):
        done = run(tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
        assert "3 dates" in done.stdout and not done.stderr
    assert [path.name for path in sorted((tmp_path / "data" / "truth").iterdir())] == [
        f"2026-01-0{n}.json" for n in (1, 2, 3)
    ]
    assert len(list((tmp_path / "data" / "archive" / "stream_data" / "2026" / "01").iterdir())) >= 3


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("history", "--from", "", "--to", "2026-01-01"), {}, "FROM is missing"),
        (("history", "--from", "2026-01-01"), {}, "TO is missing"),
        (("history", "--from", "2026-01-32", "--to", "2026-02-01"), {}, "FROM is '2026-01-32'"),
        (("history", "--from", "2026-02-02", "--to", "2026-02-01"), {}, "after TO"),
        (("history", "--from", "2026-01-01", "--to", "2026-01-01", "--hits-per-day", "-5"), {}, "hits_per_day"),
        (("history", "--from", "2026-01-01", "--to", "2026-01-01"), {"INGEST_ENV": "prod"}, "INGEST_ENV"),
        (("history", "--from", "2026-01-01", "--to", "2026-01-01"), {"DATA_DIR": "file"}, "Not a directory"),
        (("pump",), {"N_EVENTS": "many"}, "N_EVENTS"),
        (("pump",), {"PROTOCOLS": "v1=0.5,ga5=0.5"}, "PROTOCOLS names 'ga5'"),
        (("pump", "--protocols", "v1=x"), {}, "--protocols has 'x' for v1"),
        (("history", "--from", "2026-01-01", "--to", "2026-01-01", "--protocols", "ga4=0"), {}, "a share of 0"),
        (("history", "--from", "2026-01-01", "--to", "2026-01-01", "--protocols", "ga4=-1"), {}, "0 or more"),
        (("pump",), {"COLLECT_URL": "localhost:8080"}, "COLLECT_URL"),
        (("pump",), {"COLLECTOR_PORT": "http"}, "COLLECTOR_PORT"),
        (("pump",), {"DATA_FOLDER": "missing"}, "DATA_FOLDER"),
        (
            ("pump",),
            {"DATA_FOLDER": "."},
            "DATA_FOLDER is ., which has no browsing_train.csv and no sku_to_content.csv",
        ),
        (("pump",), {"DATA_FOLDER": "~nobody-here/x"}, "home folder is unknown"),
        (("pump",), {"COLLECTOR_PORT": "1"}, "make collect"),
        (("pump", "--rate", "0"), {}, "--rate"),
        (("pump", "--concurrency", "0"), {}, "--concurrency"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], words: str
) -> None:
    """Expected mistakes end with one line that says what to do, not with a stack trace, and touch nothing."""
    (tmp_path / "file").write_text("")
    done = run(tmp_path, *arguments, **environment)
    assert done.returncode == 1
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.dates
def test_a_date_that_is_not_over_is_no_history(tmp_path: Path) -> None:
    """The hits of today still arrive, and nothing has happened on later dates."""
    today = datetime.now(UTC).date()
    for last in (today, today + timedelta(days=9)):
        done = run(tmp_path, "history", "--from", "2026-02-02", "--to", f"{last}")
        assert done.returncode == 1
        assert "is not over" in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    yesterday = f"{today - timedelta(days=1)}"
    assert run(tmp_path, "history", "--from", yesterday, "--to", yesterday, "--hits-per-day", "50").returncode == 0


def test_settings_come_from_dotenv_and_the_environment_wins(tmp_path: Path) -> None:
    """DATA_FOLDER, COLLECT_URL and N_EVENTS in `.env` mean what their names say; a run reports what it did."""
    with running_collector(tmp_path / "data") as collector:
        (tmp_path / ".env").write_text(f"COLLECT_URL={collector.url}/collect\nN_EVENTS=7\n")
        from_file = run(tmp_path, "pump")
        from_environment = run(tmp_path, "pump", N_EVENTS="11")
        nowhere = run(tmp_path, "pump", COLLECT_URL=f"{collector.url}/nowhere")
    assert from_file.returncode == from_environment.returncode == 0
    assert from_file.stdout.splitlines()[4].split("│")[1:3] == ["    7 ", "        7 "]
    assert " 11 " in from_environment.stdout
    assert nowhere.returncode == 1 and "nowhere answers 404" in nowhere.stderr and nowhere.stderr.count("\n") == 1


def test_unset_and_empty_settings_have_their_defaults() -> None:
    """Make hands on empty variables."""
    for environment in ({}, dict.fromkeys(NAMES, "")):
        settings = Settings.read(environment)
        assert settings.collect_url == "http://127.0.0.1:8080/collect"
        assert (settings.n_events, settings.data_folder, settings.archive) == (5000, None, Path("data/archive"))
    assert Settings.read({"COLLECTOR_PORT": "9000"}).collect_url == "http://127.0.0.1:9000/collect"


def test_a_folder_in_the_home_folder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell reads `.env`, so that `~/coveo` was a folder named `~`."""
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Settings.read({"DATA_FOLDER": "~/coveo"}).data_folder == Path("/home/somebody/coveo")
