"""The job `recollect`: today's rules of the collector over archived records, by dates of arrival, reason and protocol.

It writes into the archive and touches no warehouse: the refresh that comes next loads the corrections and rebuilds what they touch.
"""

from dagster import (
    Config,
    Failure,
    JobDefinition,
    Nothing,
    OpExecutionContext,
    Out,
    ResourceParam,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from ingestion_platform.dates import requested, today
from ingestion_platform.recollection import Wanted, recollect
from ingestion_platform.resources.archive import Archive
from ingestion_platform.settings import Settings, rules_of_the_collector


class RecollectConfig(Config):
    """Which records to judge again."""

    first: str = Field(description="First date of arrival, such as 2026-01-01.")
    last: str = Field(default="", description="Last date, included; empty: today.")
    reasons: list[str] = Field(default=[], description="Reasons as in events.quarantine; none: hits and all refusals.")
    protocols: list[str] = Field(default=[], description="Protocols as in events.logs; none: all of them.")
    dry: bool = Field(default=False, description="Count only, write nothing.")


def recollect_job() -> JobDefinition:
    """The job."""

    @op(out=Out(Nothing), description="Judge archived records again, append corrections where the outcome differs.")
    def recollect_records(
        context: OpExecutionContext,
        config: RecollectConfig,
        archive: ResourceParam[Archive],
        settings: ResourceParam[Settings],
    ) -> None:
        window = requested(config.first, config.last or f"{today()}", settings.partitions_start)
        wanted = Wanted(config.reasons, config.protocols)
        made = recollect(archive, rules_of_the_collector(), window, wanted, dry=config.dry)
        context.add_output_metadata({**made.counts, "objects written": len(made.objects)})
        context.log.info(
            f"{made.corrected} of {made.counts.total()} records differ; {len(made.objects)} objects written. "
            + ", ".join(f"{kind}: {records}" for kind, records in sorted(made.counts.items()))
        )
        if made.unreadable:
            raise Failure(f"{len(made.unreadable)} objects were passed over, the first because {made.unreadable[0]}")

    @job(
        name="recollect",
        executor_def=in_process_executor,
        description="Apply today's rules of the collector to archived records: corrections are appended where the outcome differs.",
    )
    def recollect_archive() -> None:
        recollect_records()

    return recollect_archive
