"""For every test: a fixed clock, ids that are the same in each process, no deadline for Hypothesis; temporary files of whatever it
starts go with the run, and the run ends with its summary."""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import hypothesis
import pytest

import tests_clock

# How long an example takes says how busy the machine is. The same examples each time, or one machine's red is another's green; a failure
# prints what makes it again.
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("tests")

_status = {"exit": 0}
_TEMPORARY = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-clock", action="store_true", help="run the tests marked `dates`, and no others, under several clocks"
    )


def pytest_configure(config: pytest.Config) -> None:
    """One folder for temporary files, removed at the end: the emulator's buckets, Dagster's sockets and browsers' profiles stayed
    in /tmp by the dozen. Its name is short, since a socket's path may have 107 letters. pytest's own folders stay where they are.
    The processes of a parallel run share the folder of the one that started them. And the day is a fixed one."""
    tests_clock.move_to(tests_clock.NOW)
    if hasattr(config, "workerinput"):
        return
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    config.stash[_TEMPORARY] = tempfile.tempdir = os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="clicks-")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """With --every-clock, a test marked `dates` runs once a clock; `dates("leap-day")` names those that tell something new of a slow
    one."""
    dates = metafunc.definition.get_closest_marker("dates")
    if metafunc.config.getoption("every_clock") and dates:
        names = dates.args or tuple(tests_clock.EVERY)
        metafunc.parametrize("clock", [tests_clock.EVERY[name] for name in names], ids=names, indirect=True)


# What opening an instance puts into the environment, for the children of a command (platform/instance.py).
_SET_FOR_CHILDREN = ("DATA_DIR", "PUBLISHED_DIR", "DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE", "SNOWFLAKE_PRIVATE_KEY")


def _environment_kept() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _SET_FOR_CHILDREN}
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(scope="module", autouse=True)
def _environment_of_a_module() -> Iterator[None]:
    """No module of tests publishes into the folder of another that opened an instance in this process before."""
    yield from _environment_kept()


@pytest.fixture(autouse=True)
def _environment_of_a_test() -> Iterator[None]:
    """Nor does a test into that of the one before."""
    yield from _environment_kept()


@pytest.fixture(autouse=True)
def clock(request: pytest.FixtureRequest) -> Iterator[None]:
    """Begin the test at one of the clocks' moments, if it was asked to run under several."""
    chosen: datetime | None = getattr(request, "param", None)
    if chosen is None:
        yield
        return
    tests_clock.move_to(chosen)
    yield
    tests_clock.move_to(tests_clock.NOW)


@pytest.fixture(scope="session")
def interpreter() -> Path:
    """The Python of .venv-readers, made once for each content of the requirements; two processes do not make it at once."""
    root = Path(__file__).parents[1]
    requirements = root / "tests" / "lake" / "readers-requirements.txt"
    environment = root / ".venv-readers"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp = environment / "requirements.sha256"
    (root / "build").mkdir(exist_ok=True)
    with (root / "build" / "readers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(environment, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", environment], check=True)
            pip = [f"{environment}/bin/python", "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
            subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", requirements], check=True)
            stamp.write_text(wanted)
    return environment / "bin" / "python"


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their parameter: those of gzip hold the second of their making, so that the processes of a parallel run
    disagreed on the names of tests and gave up. pytest numbers equal names."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The file that takes longest comes first: a parallel run that begins with it does not wait for it at the end."""
    if config.getoption("every_clock"):
        others = [item for item in items if not item.get_closest_marker("dates")]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item.get_closest_marker("dates")]
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
