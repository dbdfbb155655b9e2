"""The tests of the Pulumi program: marked `infra`, skipped with a reason where its packages are not installed.

`make test` leaves them out; `make test-infra` installs requirements/infra.lock and runs them. The modules of this
folder import each other by name (`infra_*`), so the folder goes on the path, and tests/emulators with it. Not tests/
itself: its platform/ and snowflake/ would meet packages of those names.
"""

from __future__ import annotations

import gc
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from infra_harness import Graph
    from infra_running import RunningPath
    from infra_world import AppliedWorld

HERE = Path(__file__).resolve().parent
NEEDED = ("pulumi", "pulumi_aws", "pulumi_snowflake", "awslambdaric", "parliament", "moto")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

for folder in (HERE, HERE.parent / "emulators", HERE.parents[1]):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


class SkippedModule(pytest.Module):
    """A test module that is not imported, because its imports would fail."""

    def collect(self) -> Iterator[pytest.Item]:
        pytest.skip(f"{', '.join(MISSING)} not installed: `make test-infra` installs them", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    return SkippedModule.from_parent(parent, path=module_path) if MISSING else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.infra)


@pytest.fixture(scope="session", autouse=True)
def _rare_collections() -> Iterator[None]:
    """The SDKs keep 300 MB of objects for good; walking them at the usual rate makes each run of the program twice as
    long.
    """
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    yield
    gc.set_threshold(*before)


@pytest.fixture(scope="session")
def production() -> Graph:
    """The whole program, run under mocks with the production example's settings."""
    from infra_harness import run_program

    return run_program("production")


@pytest.fixture(scope="session")
def staging() -> Graph:
    """The same with the staging example's."""
    from infra_harness import run_program

    return run_program("staging")


@pytest.fixture(scope="session")
def own_domain() -> Graph:
    """Production with a domain of its own."""
    from infra_harness import OWN_DOMAIN, run_program

    return run_program("production", config=OWN_DOMAIN)


@pytest.fixture(scope="session")
def fronted() -> Graph:
    """Production with a domain, CloudFront and a firewall in front."""
    from infra_harness import FRONTED, run_program

    return run_program("production", config=FRONTED)


@pytest.fixture(scope="module")
def applied() -> Iterator[AppliedWorld]:
    """The production example, applied to a moto server of its own."""
    from infra_world import AppliedWorld

    world = AppliedWorld("production")
    yield world
    world.stop()


@pytest.fixture(scope="module")
def running(applied: AppliedWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPath]:
    """The applied world with both functions running."""
    from infra_running import running_path

    with running_path(applied, tmp_path_factory.mktemp) as path:
        yield path
