"""Settings: defaults that suit a laptop, one line for the operator where a value cannot be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collector import settings as settings_module
from collector.settings import CloudSettings, IpMode, LocalSettings, Settings, SettingsError


def test_an_empty_environment_is_a_working_one() -> None:
    """An empty environment is a working one, and an empty value counts as unset (compose files write those)."""
    empty = dict.fromkeys(("IP_MODE", "ALLOWED_ORIGINS", "MAX_HIT_BYTES", "DATA_DIR", "COLLECTOR_PORT"), "")
    for environment in ({}, empty):
        assert Settings.from_environment(environment) == Settings()
        local = LocalSettings.from_environment(environment)
        assert (local.port, local.workers, local.archive) == (8080, 1, Path("data/archive"))


def test_everything_can_be_set() -> None:
    """What is written is what holds."""
    settings = Settings.from_environment(
        {
            "IP_MODE": "drop",
            "ALLOWED_ORIGINS": "https://Shop.example, http://127.0.0.1:8000",
            "TRACKING_IDS": "UA-1-1,UA-2-2",
            "API_SECRETS": "one, two",
            "MAX_HIT_BYTES": "65536",
        }
    )
    assert settings.ip_mode is IpMode.DROP
    assert settings.allowed_origins == {"https://shop.example", "http://127.0.0.1:8000"}
    assert settings.tracking_ids == {"UA-1-1", "UA-2-2"}
    assert settings.api_secrets == {"one", "two"}
    assert settings.max_hit_bytes == 65_536
    cloud = CloudSettings.from_environment({"DELIVERY_STREAM": "hits"})
    assert (cloud.delivery_stream, cloud.fallback_queue_url) == ("hits", None)
    assert not cloud.behind_cloudfront


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IP_MODE", "hash"),
        ("PRIVACY_SIGNALS", "yes"),
        ("ALLOWED_ORIGINS", "shop.example"),
        ("ALLOWED_ORIGINS", "https://shop.example/"),
        ("ALLOWED_ORIGINS", "*"),
        ("MAX_HIT_BYTES", "8k"),
        ("MAX_HIT_BYTES", "65537"),
        ("MAX_BATCH_HITS", "0"),
        ("COLLECTOR_PORT", "65536"),
        ("COLLECTOR_PORT", "8080.5"),
        ("COLLECTOR_WORKERS", "-1"),
        ("ROTATE_SECONDS", "nan"),
        ("ROTATE_BYTES", "1"),
        ("INGEST_ENV", "prod"),
        ("INGEST_ENV", "production"),
        ("DELIVERY_STREAM", " "),
        ("BEHIND_CLOUDFRONT", "true"),
    ],
)
def test_an_unusable_value_is_refused_in_one_line(name: str, value: str) -> None:
    """The line names the setting. A laptop's server does not pass for production, and nothing falls back to it."""
    with pytest.raises(SettingsError, match=name) as refused:
        for settings in (Settings, LocalSettings, CloudSettings):
            settings.from_environment({name: value, **({} if name == "DELIVERY_STREAM" else {"DELIVERY_STREAM": "x"})})
    assert "\n" not in str(refused.value)


def test_every_setting_is_documented() -> None:
    """A variable that the code reads and nobody can read about is one nobody can set."""
    source = Path(settings_module.__file__).read_text()
    read = set(re.findall(r'"([A-Z][A-Z_]{4,})"', source))
    documentation = (Path(__file__).parents[2] / "docs" / "collector.md").read_text()
    assert {name for name in read if f"`{name}`" not in documentation} == set()
    assert {name for name in read - {"INGEST_ENV"} if f"    {name}" not in source} == set()
