"""`lake_maintenance`: what keeps the embedded warehouse from growing without end, every night, and after downtime once at the start.

Small files of a date become one, versions older than KEEP_VERSIONS_DAYS are forgotten, and KEEP_FILES_HOURS later their files are
deleted, as is what killed runs left. It takes no slot of the pool and holds no lock while it works on files: loads, builds and readers
go on beside it: a merge of a date is no publication, and what is held for a person stays.
"""

from datetime import UTC, datetime, timedelta

from dagster import (
    DefaultScheduleStatus,
    JobDefinition,
    Nothing,
    OpExecutionContext,
    Out,
    ResourceParam,
    ScheduleDefinition,
    in_process_executor,
    job,
    op,
)

from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.settings import Settings

LAKE_MAINTENANCE = "lake_maintenance"


def maintenance_job() -> JobDefinition:
    """The job; it is there where the warehouse is a lake."""

    @op(out=Out(Nothing), description="Merge small files, forget old versions, delete what nothing needs.")
    def keep_house(
        context: OpExecutionContext, warehouse: ResourceParam[Warehouse], settings: ResourceParam[Settings]
    ) -> None:
        # On use: DuckDB takes a while to import, and the code location is to be there at once.
        from ingestion_platform.resources.duckdb.warehouse import DuckDBWarehouse

        assert isinstance(warehouse, DuckDBWarehouse)
        kept = warehouse.keep_house(
            timedelta(days=settings.keep_versions_days), timedelta(hours=settings.keep_files_hours), datetime.now(UTC)
        )
        context.add_output_metadata(
            {
                "files fewer by merging": kept.merged,
                "snapshots forgotten": kept.expired,
                "files deleted": kept.deleted.files,
                "bytes deleted": kept.deleted.bytes,
                "files of killed runs deleted": kept.left.files,
                "bytes of killed runs deleted": kept.left.bytes,
            }
        )
        context.log.info(
            f"{kept.merged} files fewer by merging; {kept.expired} snapshots forgotten; {kept.deleted.files} files that nothing "
            f"needed deleted, {kept.deleted.bytes / 1e6:,.1f} MB; {kept.left.files} that killed runs left, {kept.left.bytes / 1e6:,.1f} MB."
        )

    @job(
        name=LAKE_MAINTENANCE,
        executor_def=in_process_executor,
        description="Keep the embedded warehouse in order: merge small files, forget old versions, delete what nothing needs.",
    )
    def lake_maintenance() -> None:
        keep_house()

    return lake_maintenance


def nightly(maintenance: JobDefinition) -> ScheduleDefinition:
    """Between two hourly ticks, running unless somebody stops it in the UI."""
    return ScheduleDefinition(
        name="nightly",
        job=maintenance,
        cron_schedule="35 3 * * *",
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Keep the embedded warehouse in order; a night that was missed is made good at the next start.",
    )
