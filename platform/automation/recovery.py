"""`recover_quarantine`: rebuild the dates that hold quarantined hits of some reasons, and say what became of them.

For after a rule was fixed in staging's SQL: the archive still holds every hit that it refused, so that replaying a date turns
what is now acceptable into events. Dates whose quarantine shrank change others too (sessions over midnight, repeated purchases,
newness), as a late hit would; no load tells the ledger of it, so those are rebuilt here. What it rebuilds is published and not held. The rows before and after, by reason,
are an observation of `events/quarantine` in the run.
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

from ingestion_platform.assets.checks import StatisticsChecks
from ingestion_platform.assets.keys import WAREHOUSE_POOL
from ingestion_platform.assets.manifest import Models
from ingestion_platform.automation.refresh import Event, Refresh
from ingestion_platform.dates import Window, affected, requested, today
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

_LOGGED_SQL = (
    "select event_date, count(*) from events.logs where event_date >= ? and event_date < ? group by event_date"
)

Counts = Counter[tuple[date, str]]


class RecoveryConfig(Config):
    """Which quarantined hits to try again."""

    reasons: list[str] = Field(default=[], description="Reasons as in events.quarantine; none: all of them.")
    first: str = Field(default="", description="First date, such as 2026-01-01; empty: the first partition.")
    last: str = Field(default="", description="Last date, included; empty: today.")


def quarantined(warehouse: Warehouse, window: Window) -> Counts:
    """Rows of events.quarantine by date and reason."""
    return Counter({(day, reason): rows for day, reason, rows in warehouse.query(_QUARANTINED_SQL, list(window))})


def recovery_job(models: Models, checks: StatisticsChecks) -> JobDefinition:
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
        window = requested(config.first or f"{start}", config.last or f"{today()}", start)
        before = quarantined(warehouse, window)
        logged = dict(warehouse.query(_LOGGED_SQL, list(window)))
        dates = sorted({day for day, reason in before if not config.reasons or reason in config.reasons})
        # Who launches this wants the rule's changes published: they are what it is for.
        published = settings.model_copy(update={"hold_changed_code": False})
        refresh = Refresh(context, archive, warehouse, dbt, models, published, checks)
        yield from refresh.rebuild(dates)
        after = quarantined(warehouse, window)
        logged_now = dict(warehouse.query(_LOGGED_SQL, list(window)))
        keys = sorted(key for key in {*before, *after} if key[0] in dates)
        changed = {day for day, reason in keys if before[day, reason] != after[day, reason]}
        followers = sorted(day for day in affected(changed) - {*dates} if start <= day <= today())
        yield from refresh.rebuild(followers)
        table = [
            TableRecord(
                {"date": f"{day}", "reason": reason, "before": before[day, reason], "after": after[day, reason]}
            )
            for day, reason in keys
        ]
        recovered = sum(before[key] - after[key] for key in keys)
        metadata: dict[str, Any] = {
            "dates rebuilt": len(dates),
            "dates rebuilt because these changed": len(followers),
            "hits recovered": recovered,
            "hits in events/logs before": sum(logged.get(day, 0) for day in dates),
            "hits in events/logs after": sum(logged_now.get(day, 0) for day in dates),
        }
        if table:
            metadata |= {"quarantine": MetadataValue.table(table)}
        yield AssetObservation(QUARANTINE, metadata=metadata)
        context.log.info(
            f"{len(dates)} dates rebuilt, {recovered} hits came out of quarantine; "
            f"{len(followers)} dates rebuilt because these changed."
        )

    @job(
        executor_def=in_process_executor,
        description="Try quarantined hits again after a rule was fixed: rebuilds their dates, and counts before and after.",
    )
    def recover_quarantine() -> None:
        recover()

    return recover_quarantine
