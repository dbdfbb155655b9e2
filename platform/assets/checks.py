"""Checks in Python, beside dbt's tests: what no single model can say of itself.

    reconciliation      blocking  per event date: raw rows + bad lines = logs + duplicates + quarantine
    identities          blocking  marts and statistics agree with what they are made of and with each other (identities.py)
    bodies              blocking  money and products are what the hits' bodies say, read in Python for a sample of each date (bodies.py)
    expected_results    blocking  dates of simulated history: the figures that the simulator says they must have (simulated/; not in production)
    hit_volume_anomaly  warning   each hour has about as many hits as the same hour of the same weekday before (volume.py)
    freshness           warning   the newest hit, by its own time and not the run's, is not older than a day

All stand on `stats/overview_1d`, the last table before publishing. All but `freshness`, which is about the whole, give a result
for each date of their run. In a run that builds the statistics they look at what it built before it is published (assets/builds.py): a
blocking check that fails on one date leaves everything as it was.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, Protocol

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    DagsterEvent,
    DagsterInstance,
    DailyPartitionsDefinition,
    Failure,
    Output,
    ResourceParam,
    multi_asset_check,
)

from ingestion_platform.assets.bodies import DESCRIPTION as READ_ANEW
from ingestion_platform.assets.bodies import bodies
from ingestion_platform.assets.identities import IDENTITIES, stale_before
from ingestion_platform.assets.identities import partition_results as compared
from ingestion_platform.assets.keys import OVERVIEW_1D, WAREHOUSE_POOL
from ingestion_platform.assets.partition_checks import PartitionCheck, blocking_failure, dates_to_check, evaluations
from ingestion_platform.assets.volume import SeparateHits, volume
from ingestion_platform.dagster_internals.partition_events import check_outputs, record
from ingestion_platform.dates import Window
from ingestion_platform.resources.proposals import Reader
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.settings import Settings

FRESH_FOR = timedelta(hours=24)

CHECKS_STEP = "statistics_checks"


_RECONCILIATION_SQL = """
with counted as (
    select event_date, count(*) as raw_rows, 0 as logs, 0 as duplicates, 0 as quarantined
    from (
        select greatest(logs.event_date, history.first_date) as event_date
        from raw.logs as logs cross join (select cast(? as date) as first_date) as history
        where logs.event_date >= ? and logs.event_date < ? and logs.arrival_date >= ?
    ) as loaded
    group by event_date
    union all
    select arrival_date, count(*), 0, 0, 0
    from raw.bad_lines where arrival_date >= ? and arrival_date < ? group by arrival_date
    union all
    select event_date, 0, count(*), 0, 0
    from events.logs where event_date >= ? and event_date < ? group by event_date
    union all
    select event_date, 0, 0, count(*), 0
    from events.duplicates where event_date >= ? and event_date < ? group by event_date
    union all
    select event_date, 0, 0, 0, count(*)
    from events.quarantine where event_date >= ? and event_date < ? group by event_date
)
select event_date, sum(raw_rows), sum(logs), sum(duplicates), sum(quarantined)
from counted group by event_date order by event_date
"""

_NEWEST_SQL = "select max(event_at) from raw.logs where event_date >= ?"


def reconciliation(reader: Reader, window: Window, first: date) -> list[PartitionCheck]:
    """Whether every raw row of each date is modelled, a counted duplicate or in quarantine. What happened before the `first` date
    and arrived later belongs to it."""
    names = ("raw", "logs", "duplicates", "quarantine")
    start = window.start if window.start > first else date(1970, 1, 1)
    rows = reader.query(
        _RECONCILIATION_SQL, [first, start, window.end, first, *(bound for _ in range(4) for bound in window)]
    )
    counted = {row[0]: dict(zip(names, map(int, row[1:]), strict=True)) for row in rows}
    return [_balance(day, counted.get(day, dict.fromkeys(names, 0))) for day in window.days]


def _balance(day: date, counts: Mapping[str, int]) -> PartitionCheck:
    raw, logs, duplicates, quarantine = counts.values()
    balanced = raw == logs + duplicates + quarantine
    description = (
        "Every raw row is modelled, a counted duplicate or in quarantine."
        if balanced
        else f"{day}: {raw} raw rows, but {logs} logs + {duplicates} duplicates + {quarantine} in quarantine; "
        "materialize raw/logs and all below it for that date"
    )
    return PartitionCheck(day, balanced, description, counts)


def freshness(reader: Reader, now: datetime) -> AssetCheckEvaluation:
    """Whether the newest hit is recent, by its own time. `now` is in UTC, without a time zone, as in the warehouse."""
    newest = reader.query(_NEWEST_SQL, [now.date() - timedelta(days=60)])[0][0]
    fresh = newest is not None and now - newest <= FRESH_FOR
    return AssetCheckEvaluation(
        asset_key=OVERVIEW_1D,
        check_name="freshness",
        passed=fresh,
        severity=AssetCheckSeverity.WARN,
        metadata={"newest hit (UTC)": f"{newest}"},
        description=f"Newest hit: {newest}" if newest is not None else "No hit in the last 60 days.",
    )


class Audit(NamedTuple):
    """What the checks say of some dates: results by check, one of `freshness`, and by check why the dates must not be published."""

    results: Mapping[str, list[PartitionCheck]]
    fresh: AssetCheckEvaluation
    refusals: Mapping[str, str]

    def refusal(self) -> str:
        """The first of them, empty when there is none."""
        return next(iter(self.refusals.values()), "")


class SimulatedHistory(Protocol):
    """What simulated history adds, where it is on (assets/simulated/): a blocking check, and hits that are compared apart."""

    name: str
    description: str

    def results(self, reader: Reader, settings: Settings, window: Window) -> tuple[list[PartitionCheck], SeparateHits]:
        """What the check says of each date of `window`, and the hits that `hit_volume_anomaly` compares with their own past."""
        ...


def builds_statistics(context: AssetExecutionContext | AssetCheckExecutionContext) -> bool:
    """Whether the run builds the statistics, and so has audited them before it published them."""
    return OVERVIEW_1D in context.job_def.asset_layer.executable_asset_keys


class StatisticsChecks:
    """All checks on the statistics; with those of `simulated` history, if there may be any."""

    def __init__(self, simulated: SimulatedHistory | None = None) -> None:
        self._simulated = simulated

    def specs(self, daily: DailyPartitionsDefinition | None) -> Mapping[str, AssetCheckSpec]:
        """The specs by name; `daily` are the partitions of those that speak for a date."""
        blocking = {
            "reconciliation": "Rows and bad lines of raw = logs + duplicates + quarantine. Nothing is lost in silence.",
            **{identity.name: identity.description for identity in IDENTITIES},
            "bodies": READ_ANEW,
            **({self._simulated.name: self._simulated.description} if self._simulated else {}),
        }
        warning = {
            "hit_volume_anomaly": "Each hour has about as many hits as the same hour of the same weekday in the weeks before.",
        }
        made = [
            AssetCheckSpec(
                name,
                asset=OVERVIEW_1D,
                blocking=name in blocking,
                description=description,
                partitions_def=daily,
            )
            for name, description in (blocking | warning).items()
        ]
        hours = FRESH_FOR.total_seconds() / 3600
        fresh = AssetCheckSpec(
            "freshness", asset=OVERVIEW_1D, description=f"The newest hit is not older than {hours:.0f} hours."
        )
        return {spec.name: spec for spec in (*made, fresh)}

    def audit(self, reader: Reader, settings: Settings, window: Window) -> Audit:
        """All checks over the dates of `window` as `reader` has them."""
        now = datetime.now(UTC).replace(tzinfo=None)
        separate = None
        with reader.reading():
            stale = stale_before(reader, window)
            results = {
                "reconciliation": reconciliation(reader, window, settings.partitions_start),
                **{identity.name: compared(reader, identity, window, stale) for identity in IDENTITIES},
                "bodies": bodies(reader, window),
            }
            if self._simulated is not None:
                results[self._simulated.name], separate = self._simulated.results(reader, settings, window)
            results["hit_volume_anomaly"] = volume(reader, window, now, separate)
            fresh = freshness(reader, now)
        specs = self.specs(None)
        failures = {name: blocking_failure(specs[name], checked) for name, checked in results.items()}
        return Audit(results, fresh, {name: line for name, line in failures.items() if line is not None})

    def evaluations(self, instance: DagsterInstance, audit: Audit, *, published: bool) -> list[AssetCheckEvaluation]:
        """What an audit found, as events: about the newest materialization of each date, once these have been recorded, or about none
        where what it looked at was not `published`."""
        specs = self.specs(None)
        about = instance if published else None
        by_date = [
            event
            for name, checked in audit.results.items()
            for event in evaluations(
                about,
                specs[name],
                checked,
                AssetCheckSeverity.ERROR if specs[name].blocking else AssetCheckSeverity.WARN,
            )
        ]
        return [*by_date, audit.fresh]

    def definition(self, daily: DailyPartitionsDefinition) -> AssetChecksDefinition:
        """The checks as one step, run with `stats/overview_1d` or alone."""
        specs = self.specs(daily)

        @multi_asset_check(name=CHECKS_STEP, specs=list(specs.values()), can_subset=True, pool=WAREHOUSE_POOL)
        def check(
            context: AssetCheckExecutionContext, warehouse: ResourceParam[Warehouse], settings: ResourceParam[Settings]
        ) -> Iterator[DagsterEvent | Output[None]]:
            yield from check_outputs(context, [spec.key for spec in specs.values()])
            if builds_statistics(context):
                # They looked before anybody saw what was built (assets/builds.py).
                return
            audit = self.audit(warehouse, settings, dates_to_check(context))
            selected = context.selected_asset_check_keys
            events = self.evaluations(context.instance, audit, published=True)
            yield from record(context, [event for event in events if event.asset_check_key in selected])
            refused = [line for name, line in audit.refusals.items() if specs[name].key in selected]
            if refused:
                raise Failure(refused[0])

        return check
