"""For every test: temporary files of whatever it starts go with the run, and the run ends with its summary."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile

import pytest

_status = {"exit": 0}
_TEMPORARY = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """One folder for temporary files, removed at the end: the emulator's buckets, Dagster's sockets and browsers' profiles stayed
    in /tmp by the dozen. Its name is short, since a socket's path may have 107 letters. pytest's own folders stay where they are.
    The processes of a parallel run share the folder of the one that started them."""
    if hasattr(config, "workerinput"):
        return
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    config.stash[_TEMPORARY] = tempfile.tempdir = os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="clicks-")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The file that takes longest comes first: a parallel run that begins with it does not wait for it at the end."""
    items.sort(key=lambda item: item.path.name != "test_dagster_dev.py")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    _status["exit"] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the temporary files. DuckDB's bindings list objects that outlived the interpreter, by the page, after the summary: leave before they do.

    All fixtures are torn down by now. Can go when the bindings of duckdb 2 are quiet at exit.
    """
    if folder := config.stash.get(_TEMPORARY, None):
        shutil.rmtree(folder, ignore_errors=True)
    # What a proper end would do, such as giving back semaphores, whose keeper complains otherwise.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status["exit"])
