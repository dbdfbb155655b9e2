"""`.env`: one reader for every command line, overruled by the environment; and `make clean`, which deletes what these name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from collector.env_file import read_env_file
from collector.settings import SettingsError

ROOT = Path(__file__).parents[1]


def environment(**more: str) -> dict[str, str]:
    """The environment of a shell in which nothing of ours is set, and `more`."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **more}


def clean(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`make clean YES=1` in a folder that holds the Makefile and nothing else of the project."""
    shutil.copy(ROOT / "Makefile", folder)
    command = ["make", "clean", "YES=1", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=60, check=False
    )


def with_venv(folder: Path) -> None:
    """Give the folder the interpreter of this test as its .venv."""
    (folder / ".venv").symlink_to(sys.prefix)


def filled(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "archive").write_text("the only copy")


@pytest.mark.parametrize("venv", [False, True])
@pytest.mark.parametrize("on_the_command_line", [False, True])
def test_clean_deletes_what_the_environment_names_and_not_what_the_file_does(
    tmp_path: Path, venv: bool, on_the_command_line: bool
) -> None:
    """Make's `include .env` overruled the environment: `DATA_DIR=scratch make clean` deleted the folder of `.env`."""
    keep, scratch = tmp_path / "keep", tmp_path / "scratch"
    filled(keep, scratch)
    (tmp_path / ".env").write_text(f"DATA_DIR={keep}\n")
    if venv:
        with_venv(tmp_path)
    given = f"{scratch}"
    done = clean(tmp_path, f"DATA_DIR={given}") if on_the_command_line else clean(tmp_path, DATA_DIR=given)
    assert done.returncode == 0, done.stderr
    assert keep.exists() and not scratch.exists()


def test_clean_takes_the_folder_of_the_file_as_its_parser_reads_it(tmp_path: Path) -> None:
    """Make read `DATA_DIR="a b" # comment` as it stands, quotes and comment included."""
    named = tmp_path / "a b#$c"
    filled(named, tmp_path / "data")
    (tmp_path / ".env").write_text(f"DATA_DIR='{named}' # mine\n")
    with_venv(tmp_path)
    done = clean(tmp_path)
    assert done.returncode == 0, done.stderr
    assert not named.exists() and (tmp_path / "data").exists()


def test_clean_deletes_nothing_where_it_cannot_read_the_file(tmp_path: Path) -> None:
    """Without .venv nothing can read `.env`, and the default is not what it names."""
    filled(tmp_path / "data")
    (tmp_path / ".env").write_text("DATA_DIR=elsewhere\n")
    done = clean(tmp_path)
    assert done.returncode != 0 and "make setup" in done.stderr
    assert (tmp_path / "data").exists()
    (tmp_path / ".env").unlink()
    assert clean(tmp_path).returncode == 0
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("folder", [".", "..", "home"])
def test_clean_never_deletes_what_holds_the_project_or_a_home(tmp_path: Path, folder: str) -> None:
    """DATA_DIR=. with YES=1 took the repository along."""
    (tmp_path / "home" / "me").mkdir(parents=True)
    project = tmp_path / "project"
    project.mkdir()
    done = clean(
        project, DATA_DIR=f"{tmp_path / folder}" if folder == "home" else folder, HOME=f"{tmp_path / 'home' / 'me'}"
    )
    assert done.returncode != 0 and "nothing was removed" in done.stderr
    assert (project / "Makefile").exists() and (tmp_path / "home" / "me").exists()


VALUES = {
    "PLAIN": ("plain", "plain"),
    "QUOTED": ('"with space # and hash"', "with space # and hash"),
    "SINGLE": ("'$not $(expanded) #'", "$not $(expanded) #"),
    "DOLLAR": ("pa$word$$", "pa$word$$"),
    "HASH": ("https://hooks.example/#/room", "https://hooks.example/#/room"),
    "COMMENTED": ("value # comment", "value"),
    "OTHER": ("${PLAIN}/below", "plain/below"),
    "EMPTY": ("", ""),
    "SET": ("from the file", "from the shell"),
    "CLEARED": ("from the file", ""),
}


def test_quotes_hashes_and_dollars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make, a sed line and python-dotenv read the same file differently; what the shell sets, empty values included, wins."""
    text = "".join(f"{name}={written}\n" for name, (written, _) in VALUES.items())
    (tmp_path / ".env").write_text(f"# a comment\n\nexport EXPORTED=1\n{text}", encoding="utf-8-sig")
    monkeypatch.setattr(os, "environ", {"SET": "from the shell", "CLEARED": ""})
    read_env_file(tmp_path)
    assert os.environ == {"EXPORTED": "1"} | {name: meant for name, (_, meant) in VALUES.items()}


@pytest.mark.parametrize("written", [b"SECRET='unclosed\n", b"SECRET=\xff\xfe\n"])
def test_a_file_that_cannot_be_read_is_one_line_without_its_secret(tmp_path: Path, written: bytes) -> None:
    """python-dotenv passes over a line that it cannot read: its setting would silently have the default."""
    (tmp_path / ".env").write_bytes(b"A=1\n" + written)
    with pytest.raises(SettingsError) as refused:
        read_env_file(tmp_path)
    assert f"{tmp_path / '.env'} cannot be read" in str(refused.value)
    assert "unclosed" not in str(refused.value) and "\n" not in str(refused.value)


COMMANDS = {
    "collector": ["collector", "serve"],
    "simulations": ["simulations", "pump"],
    "platform": ["ingestion_platform", "doctor"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_program_reads_the_file_and_lets_the_environment_win(tmp_path: Path, command: list[str]) -> None:
    """The collector had its settings from Make alone: `python -m collector serve` listened elsewhere than `.env` says."""
    (tmp_path / ".env").write_text("COLLECTOR_PORT='from the file'\n")
    for given, seen in ({}, "from the file"), ({"COLLECTOR_PORT": "from the shell"}, "from the shell"):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, env=environment(**given), capture_output=True, text=True, timeout=60, check=False
        )  # fmt: skip
        assert done.returncode == 1
        assert "COLLECTOR_PORT" in done.stderr and seen in done.stderr and done.stderr.count("\n") == 1
