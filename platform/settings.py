"""The platform's settings: the environment is read once, here, into a frozen typed object that is handed down.

Command lines add `.env` to the environment first (`collector.env_file`); the environment's own values win.

    INGEST_ENV             local (default) | emulated | production; any other name is refused, nothing falls back
    DATA_DIR               ./data: archive/, warehouse.duckdb, dagster/, published/
    PARTITIONS_START       2026-01-01: first date (UTC) that is a partition
    PARTITIONS_PER_RUN     31: dates that one run of a backfill takes at most
    ARCHIVE_RETENTION_DAYS unset: the archive keeps everything; else dates older than so many days are frozen: readable, not replayable
    COLLECTOR_PORT         8080
    DAGSTER_PORT           3000
    COLLECT_URL            http://127.0.0.1:<COLLECTOR_PORT>/collect
    N_EVENTS               5000: hits that `demo` pumps
    SIMULATED_HITS         20000: hits a day of the asset simulations/traffic
    ARCHIVE_BUCKET         S3 bucket of the archive; required unless INGEST_ENV is local
    PUBLISHED_DIR          DATA_DIR/published: where statistics are published as Parquet
    ALERT_WEBHOOK_URL      unset: no alerts; else run and check failures are posted there (secret: never shown)

An empty value counts as unset. A value that cannot be used is refused with one line (`SettingsError`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path

from collector.settings import SettingsError

PROJECT_DIR = Path(__file__).resolve().parent.parent


class Environment(StrEnum):
    """Where the platform runs. Every table of the project has a row for each."""

    LOCAL = "local"
    EMULATED = "emulated"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the platform takes from the environment. Paths are absolute."""

    environment: Environment
    data_dir: Path
    partitions_start: date
    partitions_per_run: int
    archive_retention_days: int | None
    collector_port: int
    dagster_port: int
    collect_url: str
    n_events: int
    simulated_hits: int
    archive_bucket: str | None
    published_dir: Path
    alert_webhook_url: str | None = field(repr=False)

    @property
    def archive_folder(self) -> Path:
        return self.data_dir / "archive"

    @property
    def warehouse_file(self) -> Path:
        return self.data_dir / "warehouse.duckdb"

    @property
    def truth_folder(self) -> Path:
        """What the simulated dates must come out as, written beside the archive."""
        return self.data_dir / "truth"

    @property
    def dagster_home(self) -> Path:
        return self.data_dir / "dagster"


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `environ` (default: the process's environment). Raises SettingsError."""
    values = {name: value.strip() for name, value in (os.environ if environ is None else environ).items()}
    environment = _environment(values.get("INGEST_ENV") or Environment.LOCAL)
    data_dir = Path(values.get("DATA_DIR") or "data").expanduser().absolute()
    collector_port = _number(values, "COLLECTOR_PORT", 8080, 0, 65535)
    bucket = values.get("ARCHIVE_BUCKET") or None
    if environment is not Environment.LOCAL and bucket is None:
        raise SettingsError(
            f"ARCHIVE_BUCKET is not set; INGEST_ENV={environment} needs the name of the archive's bucket"
        )
    return Settings(
        environment=environment,
        data_dir=data_dir,
        partitions_start=_start(values.get("PARTITIONS_START") or "2026-01-01"),
        partitions_per_run=_number(values, "PARTITIONS_PER_RUN", 31, 1, 366),
        archive_retention_days=(
            _number(values, "ARCHIVE_RETENTION_DAYS", 0, 1, 36_500) if values.get("ARCHIVE_RETENTION_DAYS") else None
        ),
        collector_port=collector_port,
        dagster_port=_number(values, "DAGSTER_PORT", 3000, 0, 65535),
        collect_url=_url(values, "COLLECT_URL") or f"http://127.0.0.1:{collector_port}/collect",
        n_events=_number(values, "N_EVENTS", 5000, 0, 100_000_000),
        simulated_hits=_number(values, "SIMULATED_HITS", 20_000, 1, 10_000_000),
        archive_bucket=bucket,
        published_dir=Path(values.get("PUBLISHED_DIR") or data_dir / "published").expanduser().absolute(),
        alert_webhook_url=_url(values, "ALERT_WEBHOOK_URL"),
    )


def _environment(name: str) -> Environment:
    try:
        return Environment(name)
    except ValueError:
        raise SettingsError(f"INGEST_ENV is {name!r}; write one of: {', '.join(Environment)}") from None


def _start(text: str) -> date:
    try:
        start = date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"PARTITIONS_START is {text!r}; write a date such as 2026-01-01") from None
    if start.year < 2000:
        raise SettingsError(f"PARTITIONS_START is {text}; write a date of this century, such as 2026-01-01")
    return start


def _number(values: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    text = values.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
        raise SettingsError(f"{name} is {text!r}; write a whole number from {lowest} to {highest}")
    return int(text)


def _url(values: Mapping[str, str], name: str) -> str | None:
    text = values.get(name) or None
    if text is not None and not text.startswith(("http://", "https://")):
        raise SettingsError(f"{name} does not start with http:// or https://; write a whole address")
    return text
