"""The platform's settings: the environment is read once, here, into a frozen typed object that is handed down.

Command lines add `.env` to the environment first (`collector.env_file`); the environment's own values win.

    INGEST_ENV             local (default) | emulated | production; any other name is refused, nothing falls back
    DATA_DIR               ./data: archive/, lake/, warehouse.duckdb, dagster/, published/, reports/
    PARTITIONS_START       2026-01-01: first date (UTC) that is modelled. Unset, on a laptop, Dagster shows dates from where the archive begins
    PARTITIONS_PER_RUN     31: dates that one run of a backfill takes at most
    ARCHIVE_RETENTION_DAYS unset: the archive keeps everything; else dates older than so many days are frozen: readable, not replayable
    KEEP_VERSIONS_DAYS     7: days that what was published stays readable, and can be published again, after it was replaced
    KEEP_FILES_HOURS       24: hours that files which no kept version needs stay on disk, for who reads or writes them; longer than any run
    HOLD_CHANGED_CODE      true: what other code changes of published dates waits for `make publish`; false: it is published at once
    BUILDS_AT_ONCE         unset: 1, or 8 in production: steps that use the warehouse at once; each takes up to DUCKDB_MEMORY_LIMIT
    COLLECTOR_PORT         8080
    DAGSTER_PORT           3000
    DOCS_PORT              3080; 0 takes any that is free
    COLLECT_URL            http://127.0.0.1:<COLLECTOR_PORT>/collect
    N_EVENTS               5000: hits that `demo` pumps
    SIMULATED_HITS         20000: hits a day of the asset simulations/traffic
    ARCHIVE_BUCKET         S3 bucket of the archive; required unless INGEST_ENV is local
    PUBLISHED_DIR          DATA_DIR/published: where statistics are published as Parquet
    DUCKDB_MEMORY_LIMIT    unset: 2GB to load, 5GB to build (dbt_models/profiles.yml)
    SOURCE_URL             unset: links of assets open files of this machine; else where this repository's files are on the web, as in
                           https://git.example/team/clickstream/blob/main
    ALERT_WEBHOOK_URL      unset: no alerts; else run and check failures are posted there (secret: never shown)

What the clients of Snowflake and AWS read is handed to them by `credentials`, not before a connection is asked for.

An empty value counts as unset. A value that cannot be used is refused with one line (`SettingsError`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from collector.env_settings import YES_OR_NO, Address, Day, EnvironmentSettings, one_of, whole_number
from collector.settings import Settings as Rules
from collector.settings import SettingsError as SettingsError

PROJECT_DIR = Path(__file__).resolve().parent.parent


class Environment(StrEnum):
    """Where the platform runs. Every table of the project has a row for each."""

    LOCAL = "local"
    EMULATED = "emulated"
    PRODUCTION = "production"


AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]


class Settings(EnvironmentSettings):
    """Everything the platform takes from the environment. Paths are absolute."""

    environment: Annotated[Environment, one_of(*Environment)] = Field(Environment.LOCAL, alias="INGEST_ENV")
    data_dir: AbsolutePath = Field(Path("data"), alias="DATA_DIR", validate_default=True)
    partitions_start: Day = Field(date(2026, 1, 1), alias="PARTITIONS_START")
    partitions_per_run: Annotated[int, whole_number(1, 366)] = Field(31, alias="PARTITIONS_PER_RUN")
    archive_retention_days: Annotated[int, whole_number(1, 36_500)] | None = Field(None, alias="ARCHIVE_RETENTION_DAYS")
    keep_versions_days: Annotated[int, whole_number(1, 3650)] = Field(7, alias="KEEP_VERSIONS_DAYS")
    keep_files_hours: Annotated[int, whole_number(1, 8760)] = Field(24, alias="KEEP_FILES_HOURS")
    hold_changed_code: Annotated[bool, YES_OR_NO] = Field(True, alias="HOLD_CHANGED_CODE")
    builds_at_once: Annotated[int, whole_number(1, 100)] | None = Field(None, alias="BUILDS_AT_ONCE")
    collector_port: Annotated[int, whole_number(0, 65535)] = Field(8080, alias="COLLECTOR_PORT")
    dagster_port: Annotated[int, whole_number(0, 65535)] = Field(3000, alias="DAGSTER_PORT")
    docs_port: Annotated[int, whole_number(0, 65535)] = Field(3080, alias="DOCS_PORT")
    collect_url: Address = Field(
        default_factory=lambda given: f"http://127.0.0.1:{given['collector_port']}/collect", alias="COLLECT_URL"
    )
    n_events: Annotated[int, whole_number(0, 100_000_000)] = Field(5000, alias="N_EVENTS")
    simulated_hits: Annotated[int, whole_number(1, 10_000_000)] = Field(20_000, alias="SIMULATED_HITS")
    archive_bucket: str | None = Field(None, alias="ARCHIVE_BUCKET")
    published_dir: AbsolutePath = Field(
        default_factory=lambda given: given["data_dir"] / "published", alias="PUBLISHED_DIR"
    )
    duckdb_memory_limit: str | None = Field(None, alias="DUCKDB_MEMORY_LIMIT")
    source_url: Address | None = Field(None, alias="SOURCE_URL")
    alert_webhook_url: Address | None = Field(None, alias="ALERT_WEBHOOK_URL", repr=False)

    @model_validator(mode="after")
    def _has_its_bucket(self) -> Self:
        if self.environment is not Environment.LOCAL and self.archive_bucket is None:
            raise ValueError(
                f"ARCHIVE_BUCKET is not set; INGEST_ENV={self.environment} needs the name of the archive's bucket"
            )
        return self

    @property
    def archive_folder(self) -> Path:
        return self.data_dir / "archive"

    @property
    def warehouse_file(self) -> Path:
        return self.data_dir / "warehouse.duckdb"

    @property
    def lake_catalog(self) -> Path:
        return self.data_dir / "lake" / "catalog.sqlite"

    @property
    def may_have_warehouse(self) -> bool:
        """Not so on a laptop before the first load; elsewhere only the warehouse itself can tell."""
        return self.environment is not Environment.LOCAL or self.lake_catalog.exists() or self.warehouse_file.exists()

    @property
    def truth_folder(self) -> Path:
        """What the simulated dates must come out as, written beside the archive."""
        return self.data_dir / "truth"

    @property
    def reports_folder(self) -> Path:
        """Pages of audits, and the code of models by version."""
        return self.data_dir / "reports"

    @property
    def dagster_home(self) -> Path:
        return self.data_dir / "dagster"


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `environ` (default: the process's environment). Raises SettingsError."""
    return Settings.read(environ)


def rules_of_the_collector() -> Rules:
    """The collector's settings, where records are judged by them once more. Raises SettingsError."""
    return Rules.from_environment(os.environ)


def credentials() -> dict[str, str]:
    """What the clients of Snowflake and AWS read from the environment, as it is now. Holds secrets: never to be shown."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("SNOWFLAKE_", "AWS_")) or name == "INGEST_ENV"
    }
