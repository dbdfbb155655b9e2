"""Settings are read once; what cannot be used is refused in one line, and every environment has its row in every table."""

from __future__ import annotations

import pytest

from ingestion_platform import settings as environment
from ingestion_platform.commands.doctor import CREDENTIALS
from ingestion_platform.resources import environments
from ingestion_platform.settings import Environment, SettingsError


def test_defaults_are_a_laptop() -> None:
    """Without any setting the platform is local: nothing may fall back to production."""
    found = environment.read({})
    assert found.environment is Environment.LOCAL
    assert found.collect_url == "http://127.0.0.1:8080/collect"
    assert found.archive_folder == found.data_dir / "archive"
    assert found.data_dir.is_absolute()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INGEST_ENV", "prod"),
        ("PARTITIONS_START", "2026-13-01"),
        ("PARTITIONS_START", "yesterday"),
        ("PARTITIONS_START", "0001-01-01"),
        ("PARTITIONS_PER_RUN", "0"),
        ("PARTITIONS_PER_RUN", "3.5"),
        ("BUILDS_AT_ONCE", "0"),
        ("COLLECTOR_PORT", "80800"),
        ("DAGSTER_PORT", "-1"),
        ("N_EVENTS", "many"),
        ("COLLECT_URL", "ftp://example.org"),
        ("ALERT_WEBHOOK_URL", "hooks.example.org"),
    ],
)
def test_an_unusable_value_is_refused_in_one_line(name: str, value: str) -> None:
    """A typing error must stop at the start, with the setting's name and what to write, not deep in a run."""
    with pytest.raises(SettingsError) as refusal:
        environment.read({name: value})
    assert name in str(refusal.value)
    assert "write" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_empty_value_counts_as_unset() -> None:
    """`.env.example` leaves names empty; they must not be refused."""
    assert environment.read({"INGEST_ENV": "", "PARTITIONS_START": " "}) == environment.read({})


def test_production_needs_its_bucket() -> None:
    """Production without a bucket must not write to a folder of the laptop."""
    with pytest.raises(SettingsError, match="ARCHIVE_BUCKET"):
        environment.read({"INGEST_ENV": "production"})


def test_secrets_do_not_show() -> None:
    """A webhook's address is a secret: it must not reach a log through the settings."""
    url = "https://hooks.example.org/T000/secret"
    assert "secret" not in repr(environment.read({"ALERT_WEBHOOK_URL": url}))


@pytest.mark.parametrize(
    "table",
    [environments.ARCHIVES, environments.WAREHOUSES, environments.ADAPTERS, environments.POOL_LIMITS, CREDENTIALS],
)
def test_every_environment_is_in_every_table(table: dict[Environment, object]) -> None:
    """A table without a row for an environment would be a fallback."""
    assert set(table) == set(Environment)
