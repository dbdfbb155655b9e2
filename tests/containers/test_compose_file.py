"""deploy/ as text: what is documented reaches the containers, what is used is pinned, and nothing is left as it came."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_file import read, references

from ingestion_platform.settings import PROJECT_DIR, Settings

DEPLOY = PROJECT_DIR / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
PLATFORM = ("pools", "code", "webserver", "daemon")
# Of a laptop: the local collector, the traffic that production does not simulate, the address of `make dev`, and DuckDB.
# The last two are for the embedded warehouse's lake.
LOCAL_ONLY = {
    "COLLECTOR_PORT", "DAGSTER_PORT", "DOCS_PORT", "COLLECT_URL", "N_EVENTS", "SIMULATED_HITS", "DUCKDB_MEMORY_LIMIT", "KEEP_VERSIONS_DAYS",
    "KEEP_FILES_HOURS",
}  # fmt: skip
_NAME = r"[A-Z][A-Z0-9]*_[A-Z0-9_]+"
_DIGEST = re.compile(r"\S+:\S+@sha256:[0-9a-f]{64}")


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """A production.env in which everything that is demanded is set."""
    demanded = {name: f"a-{name.lower()}" for name, how in references(COMPOSE.read_text()).items() if how == "?"}
    return {**demanded, "SNOWFLAKE_PRIVATE_KEY": f"{tmp_path / 'platform.p8'}"}


def documented() -> dict[str, bool]:
    """The variables of the table in docs/deployment.md, and whether each may be left out."""
    rows = [
        line for line in (PROJECT_DIR / "docs" / "deployment.md").read_text().splitlines() if line.startswith("| `")
    ]
    return {name: "(optional)" in row for row in rows for name in re.findall(f"`({_NAME})", row.split("|")[1])}


def read_by_the_platform() -> set[str]:
    """What settings.py, the Snowflake connection and production's dbt profile read."""
    settings = {f"{field.alias}" for field in Settings.model_fields.values()}
    connection = (PROJECT_DIR / "platform" / "resources" / "snowflake" / "connection.py").read_text()
    profile = (PROJECT_DIR / "dbt_models" / "profiles.yml").read_text()
    production = profile[profile.index("    production:") :]
    found = {*settings, *re.findall('"(SNOWFLAKE_[A-Z_]+)"', connection)}
    emulator = {"SNOWFLAKE_HOST", "SNOWFLAKE_PORT"}
    return (found | set(re.findall(f"env_var\\('({_NAME})'", production))) - LOCAL_ONLY - emulator


def test_what_is_documented_is_what_the_compose_file_takes() -> None:
    """SNOWFLAKE_PRIVATE_KEY_PASSPHRASE, PUBLISHED_DIR and others were documented and dropped on the way to the containers; what is
    demanded and not documented stops a deployment without a word of help."""
    taken = references(COMPOSE.read_text())
    assert set(documented()) == set(taken)
    assert {name for name, optional in documented().items() if optional} == {
        name for name, how in taken.items() if how != "?"
    }


def test_what_the_platform_reads_reaches_every_container_of_it(variables: dict[str, str]) -> None:
    """A setting that gets a reader must get its line in compose.yaml, or it is without effect in production."""
    everything = {name: f"given-{name}" for name in references(COMPOSE.read_text())}
    services = read(COMPOSE, {**everything, **variables, "PUBLISHED_DIR": "/mnt/shared"})
    for name in PLATFORM:
        assert read_by_the_platform() <= set(services[name].environment), name
        assert services[name].environment["SNOWFLAKE_QUERY_TAG"] == "given-SNOWFLAKE_QUERY_TAG"
        assert services[name].mounts[services[name].environment["PUBLISHED_DIR"]] == "/mnt/shared"


def test_what_is_not_set_stays_unset(variables: dict[str, str]) -> None:
    """An empty SNOWFLAKE_QUERY_TAG would be the tag, and an empty AWS key would be looked at before the instance's role."""
    environment = read(COMPOSE, variables)["code"].environment
    optional = {name for name, how in references(COMPOSE.read_text()).items() if how != "?"}
    assert not optional & {name for name, value in environment.items() if name not in ("PUBLISHED_DIR",)}
    assert "" not in environment.values()


@pytest.mark.parametrize("missing", ["ARCHIVE_BUCKET", "SNOWFLAKE_PRIVATE_KEY", "DAGSTER_POSTGRES_PASSWORD"])
def test_nothing_starts_without_what_it_needs(variables: dict[str, str], missing: str) -> None:
    """Nothing has a default that could reach a wrong place."""
    with pytest.raises(ValueError, match=missing):
        read(COMPOSE, {**variables, missing: ""})


def test_the_key_is_a_file_and_in_no_environment(variables: dict[str, str]) -> None:
    """What stands in a container's environment is shown by `docker inspect` and inherited by every child."""
    for name in PLATFORM:
        service = read(COMPOSE, variables)[name]
        inside = service.environment["SNOWFLAKE_PRIVATE_KEY"]
        assert service.secrets == {inside: Path(variables["SNOWFLAKE_PRIVATE_KEY"])}


def test_every_service_is_hardened(variables: dict[str, str]) -> None:
    """A service that is added without these would be the way in."""
    for name, service in read(COMPOSE, variables).items():
        hardened = (service.read_only, service.drops_all_capabilities, service.no_new_privileges)
        assert hardened == (True, True, True), name
        assert service.user != "root", name


def test_every_base_is_pinned_to_a_digest(variables: dict[str, str]) -> None:
    """A tag is whatever its owner moved it to."""
    stages = re.findall(r"(?m)^FROM (\S+)(?: AS (\S+))?", (DEPLOY / "Dockerfile").read_text())
    bases = [base for base, _ in stages if base not in {name for _, name in stages}]
    bases += [service.image for name, service in read(COMPOSE, variables).items() if name not in PLATFORM]
    assert len(bases) == 2
    assert all(_DIGEST.fullmatch(base) for base in bases), bases


def test_the_launcher_has_the_server_that_it_asks(variables: dict[str, str]) -> None:
    """The launcher's question is answered truly by `dagster api grpc` only, and by one server only; on SIGTERM such a server refuses
    the runs that are waiting, which then fail."""
    launcher: dict[str, Any] = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())["run_launcher"]
    assert launcher["class"] == "CodeServerRunLauncher"
    code = read(COMPOSE, variables)["code"]
    assert code.command is None, "the image's own command"
    assert 'CMD ["dagster", "api", "grpc",' in (DEPLOY / "Dockerfile").read_text()
    assert code.stop_signal == "SIGKILL"
