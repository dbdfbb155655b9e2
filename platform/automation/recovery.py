"""`recover_quarantine`: rebuild the dates that hold quarantined hits of some reasons, and say what became of them.

For after a rule was mended (in staging's SQL, or in the collector's contract): the archive still holds every refused hit with
its payload, so that replaying a date turns what is now acceptable into events. The rows before and after, by reason, are an
observation of `events/quarantine` in the run.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

from dagster import (
    AssetKey,
    AssetObservation,
    Config,
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

from ingestion_platform.assets.keys import WAREHOUSE_POOL
from ingestion_platform.assets.manifest import Models
from ingestion_platform.automation.refresh import Event, Refresh
from ingestion_platform.partitions import Window, requested, today
from ingestion_platform.resources.archive import Archive
from ingestion_platform.resources.dbt_project import DbtProject
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.settings import Settings

QUARANTINE = AssetKey(["events", "quarantine"])

_QUARANTINED_SQL = """
select event_date, reason, count(*) from events.quarantine
where event_date >= ? and event_date < ?
group by event_date, reason
"""

Counts = Counter[tuple[date, str]]


class RecoveryConfig(Config):
    """Which quarantined hits to try again."""

    reasons: list[str] = Field(default=[], description="Reasons as in events.quarantine; none: all of them.")
    first: str = Field(default="", description="First date, such as 2026-01-01; empty: the first partition.")
    last: str = Field(default="", description="Last date, included; empty: today.")


def quarantined(warehouse: Warehouse, chosen: Window) -> Counts:
    """Rows of events.quarantine by date and reason."""
    return Counter({(day, reason): rows for day, reason, rows in warehouse.query(_QUARANTINED_SQL, list(chosen))})


def recovery_job(models: Models) -> JobDefinition:
    """The job."""

    @op(
        out=Out(Nothing),
        pool=WAREHOUSE_POOL,
        description="Rebuild the dates with quarantined hits; count before and after.",
    )
    def recover(
        context: OpExecutionContext,
        config: RecoveryConfig,
        archive: ResourceParam[Archive],
        warehouse: ResourceParam[Warehouse],
        dbt: ResourceParam[DbtProject],
        settings: ResourceParam[Settings],
    ) -> Iterator[Event]:
        start = settings.partitions_start
        chosen = requested(config.first or f"{start}", config.last or f"{today()}", start)
        before = quarantined(warehouse, chosen)
        dates = sorted({day for day, reason in before if not config.reasons or reason in config.reasons})
        yield from Refresh(context, archive, warehouse, dbt, models, settings).rebuild(dates)
        after = quarantined(warehouse, chosen)
        table = [
            TableRecord(
                {"date": f"{day}", "reason": reason, "before": before[day, reason], "after": after[day, reason]}
            )
            for day, reason in sorted({*before, *after})
            if day in dates
        ]
        recovered = sum(before[key] - after[key] for key in {*before, *after} if key[0] in dates)
        metadata: dict[str, Any] = {"dates rebuilt": len(dates), "hits recovered": recovered}
        if table:
            metadata |= {"quarantine": MetadataValue.table(table)}
        yield AssetObservation(QUARANTINE, metadata=metadata)
        context.log.info(f"{len(dates)} dates rebuilt, {recovered} hits came out of quarantine.")

    @job(
        executor_def=in_process_executor,
        description="Try quarantined hits again after a rule was mended: rebuilds their dates, and counts before and after.",
    )
    def recover_quarantine() -> None:
        recover()

    return recover_quarantine
