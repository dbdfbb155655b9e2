"""Which archive, warehouse and dbt settings an environment has: one table each, a row for every environment.

Nothing here opens, connects or reads a secret until a run asks for the resource.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from ingestion_platform.resources.archive import Archive
from ingestion_platform.resources.dbt_project import DbtProject
from ingestion_platform.resources.folder_archive import FolderArchive
from ingestion_platform.resources.s3_archive import S3Archive
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.settings import Environment, Settings, credentials


def _folder(settings: Settings) -> Archive:
    return FolderArchive(settings.archive_folder)


def _bucket(settings: Settings) -> Archive:
    assert settings.archive_bucket is not None  # settings.read() demands it of these environments
    return S3Archive(settings.archive_bucket)


def _duckdb(settings: Settings) -> Warehouse:
    from ingestion_platform.resources.duckdb.lake import MEMORY_LIMIT
    from ingestion_platform.resources.duckdb.warehouse import DuckDBWarehouse

    return DuckDBWarehouse(settings.warehouse_file, memory_limit=settings.duckdb_memory_limit or MEMORY_LIMIT)


def _snowflake(settings: Settings) -> Warehouse:
    from ingestion_platform.resources.snowflake.warehouse import SnowflakeWarehouse

    return SnowflakeWarehouse.from_environment(credentials(), timedelta(days=settings.keep_versions_days))


ARCHIVES: Mapping[Environment, Callable[[Settings], Archive]] = {
    Environment.LOCAL: _folder,
    Environment.EMULATED: _bucket,
    Environment.PRODUCTION: _bucket,
}
WAREHOUSES: Mapping[Environment, Callable[[Settings], Warehouse]] = {
    Environment.LOCAL: _duckdb,
    Environment.EMULATED: _snowflake,
    Environment.PRODUCTION: _snowflake,
}
ADAPTERS: Mapping[Environment, str] = {
    Environment.LOCAL: "duckdb",
    Environment.EMULATED: "snowflake",
    Environment.PRODUCTION: "snowflake",
}
POOL_LIMITS: Mapping[Environment, int] = {
    # The lake takes any number; each build takes gigabytes of memory, and all cores.
    Environment.LOCAL: 1,
    # The emulator refuses where Snowflake waits for a lock.
    Environment.EMULATED: 1,
    Environment.PRODUCTION: 8,
}
"""How many steps may use the warehouse at once where BUILDS_AT_ONCE does not say."""


def pool_limit(settings: Settings) -> int:
    """How many steps may use the warehouse at once: the limit of the pool `warehouse`."""
    return settings.builds_at_once or POOL_LIMITS[settings.environment]


def archive(settings: Settings) -> Archive:
    """The archive of the settings' environment."""
    return ARCHIVES[settings.environment](settings)


def warehouse(settings: Settings) -> Warehouse:
    """The warehouse of the settings' environment. Making it opens nothing: only steps that hold the pool may do that."""
    return WAREHOUSES[settings.environment](settings)


def dbt_project(settings: Settings) -> DbtProject:
    """The dbt project, aimed at the settings' environment."""
    environment = {
        "INGEST_ENV": f"{settings.environment}",
        "PARTITIONS_START": f"{settings.partitions_start}",
    }
    return DbtProject(environment, settings.dagster_home / "dbt")
