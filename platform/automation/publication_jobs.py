"""The jobs `publish_audit`, `discard_audit` and `roll_back`: a person's word (publication.py), from the UI or `make`."""

from collections.abc import Iterator

from dagster import JobDefinition, Nothing, OpExecutionContext, Out, ResourceParam, in_process_executor, job, op

from ingestion_platform.assets.checks import StatisticsChecks
from ingestion_platform.assets.keys import WAREHOUSE_POOL
from ingestion_platform.assets.manifest import Models
from ingestion_platform.automation.publication import AuditConfig, RollBackConfig, Word
from ingestion_platform.automation.refresh import Event, Refresh
from ingestion_platform.resources.archive import Archive
from ingestion_platform.resources.dbt_project import DbtProject
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.settings import Settings

PUBLISH, DISCARD, ROLL_BACK = "publish_audit", "discard_audit", "roll_back"


def publication_jobs(models: Models, checks: StatisticsChecks) -> list[JobDefinition]:
    """The three jobs."""

    def stages(
        context: OpExecutionContext, archive: Archive, warehouse: Warehouse, dbt: DbtProject, settings: Settings
    ) -> Word:
        return Word(context, Refresh(context, archive, warehouse, dbt, models, settings, checks))

    @op(out=Out(Nothing), pool=WAREHOUSE_POOL, description="Publish what an audit holds, and record it.")
    def publish(
        context: OpExecutionContext,
        config: AuditConfig,
        archive: ResourceParam[Archive],
        warehouse: ResourceParam[Warehouse],
        dbt: ResourceParam[DbtProject],
        settings: ResourceParam[Settings],
    ) -> Iterator[Event]:
        yield from stages(context, archive, warehouse, dbt, settings).publish(config)

    @op(out=Out(Nothing), pool=WAREHOUSE_POOL, description="Forget what an audit holds, and record it.")
    def discard(
        context: OpExecutionContext,
        config: AuditConfig,
        archive: ResourceParam[Archive],
        warehouse: ResourceParam[Warehouse],
        dbt: ResourceParam[DbtProject],
        settings: ResourceParam[Settings],
    ) -> Iterator[Event]:
        yield from stages(context, archive, warehouse, dbt, settings).discard(config)

    @op(out=Out(Nothing), pool=WAREHOUSE_POOL, description="Take a publication back, and record it.")
    def take_back(
        context: OpExecutionContext,
        config: RollBackConfig,
        archive: ResourceParam[Archive],
        warehouse: ResourceParam[Warehouse],
        dbt: ResourceParam[DbtProject],
        settings: ResourceParam[Settings],
    ) -> Iterator[Event]:
        yield from stages(context, archive, warehouse, dbt, settings).roll_back(config)

    @job(
        name=PUBLISH,
        executor_def=in_process_executor,
        description="Publish what a run held: an audit, or some of its dates (config); the newest where none is named.",
    )
    def publish_audit() -> None:
        publish()

    @job(
        name=DISCARD,
        executor_def=in_process_executor,
        description="Forget what a run held: an audit, or some of its dates (config); the newest where none is named.",
    )
    def discard_audit() -> None:
        discard()

    @job(
        name=ROLL_BACK,
        executor_def=in_process_executor,
        description="Let what a publication changed be again as it was before it; the newest where none is named (config).",
    )
    def roll_back() -> None:
        take_back()

    return [publish_audit, discard_audit, roll_back]
