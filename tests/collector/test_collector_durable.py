"""Files that another library writes appear whole and durable, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from collector import durable


def test_what_appears_is_the_file_that_was_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB puts a new file in the place of one that a killed process left: to sync the one opened before would sync nothing."""
    steps: list[object] = []

    def sync_data(descriptor: int, really=durable.sync_data) -> None:
        really(descriptor)
        steps.append(os.fstat(descriptor).st_ino)

    def sync_folder(folder: Path, really=durable.sync_folder) -> None:
        really(folder)
        steps.append(sorted(path.name for path in folder.iterdir()))

    monkeypatch.setattr(durable, "sync_data", sync_data)
    monkeypatch.setattr(durable, "sync_folder", sync_folder)
    path = tmp_path / "2026-01-01.parquet"
    with durable.staged_path(path, "tmp") as temporary:
        temporary.write_bytes(b"left by a killed process")
        duckdb.sql("select 1 as hits").write_parquet(f"{temporary}")
    assert steps == [path.stat().st_ino, [path.name]]
    assert duckdb.sql(f"select hits from '{path}'").fetchall() == [(1,)]


def test_a_writer_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    """Half of a file never takes the place of a whole one, nor stays beside it."""
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(OSError, match="full"), durable.staged_path(path, "tmp") as temporary:
        temporary.write_text("ha")
        raise OSError("the disk is full")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("file", "before")]


def test_a_file_in_a_folder_s_place_is_named(tmp_path: Path) -> None:
    """DATA_DIR=notes.txt: the line says what is wrong with which path, not that something exists."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotADirectoryError, match=r"Not a directory: '.*file'"):
            durable.make_folder(folder)
