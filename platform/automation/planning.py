"""`plan_replay`: what a replay of some dates would do, as a run that changes nothing; `make plan` prints the same."""

from dagster import (
    Config,
    Failure,
    JobDefinition,
    MetadataValue,
    Nothing,
    OpExecutionContext,
    Out,
    ResourceParam,
    TableRecord,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from ingestion_platform.assets.manifest import Models
from ingestion_platform.dates import PartitionError, requested
from ingestion_platform.plan import plan
from ingestion_platform.resources.archive import Archive
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.settings import Settings


class PlanConfig(Config):
    """Which dates."""

    first: str = Field(description="First date, such as 2026-01-01.")
    last: str = Field(description="Last date, included.")


def plan_job(models: Models) -> JobDefinition:
    """The job."""

    @op(
        name="plan",
        out=Out(Nothing),
        description="Say which dates would change and why, what is read, and how long it takes.",
    )
    def make_plan(
        context: OpExecutionContext,
        config: PlanConfig,
        archive: ResourceParam[Archive],
        warehouse: ResourceParam[Warehouse],
        settings: ResourceParam[Settings],
    ) -> None:
        try:
            window = requested(config.first, config.last, settings.partitions_start)
        except PartitionError as error:
            raise Failure(f"{error}") from None
        made = plan(settings, context.instance, archive, warehouse, models, window)
        context.add_output_metadata(
            {
                "dates": MetadataValue.table(
                    [
                        TableRecord(
                            {
                                "date": f"{of_date.day}",
                                "why": "; ".join(of_date.reasons) or "nothing new",
                                "objects to load": of_date.objects,
                                "hits": of_date.hits,
                            }
                        )
                        for of_date in made.dates
                    ]
                ),
                "runs": made.runs,
                "objects to load": made.objects,
                "bytes to load": made.bytes,
                "hits to model, about": made.hits,
                **({"seconds, about": round(made.seconds)} if made.seconds is not None else {}),
            }
        )
        seconds = f", about {made.seconds:,.0f} s" if made.seconds is not None else ""
        context.log.info(
            f"A replay of {window}: {made.objects:,} objects to load, about {made.hits:,} hits to model{seconds}. Nothing was changed."
        )

    @job(
        executor_def=in_process_executor,
        description="Say what a replay of some dates (config) would do and how long it takes; changes nothing.",
    )
    def plan_replay() -> None:
        make_plan()

    return plan_replay
