"""For every test: the run ends with its summary."""

from __future__ import annotations

import os
import sys

import pytest

_status = {"exit": 0}


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    _status["exit"] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """DuckDB's bindings list objects that outlived the interpreter, by the page, after the summary: leave before they do.

    All fixtures are torn down by now. Can go when the bindings of duckdb 2 are quiet at exit.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status["exit"])
