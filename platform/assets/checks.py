"""Checks in Python, beside dbt's tests: what no single model can say of itself.

    reconciliation      blocking  per event date: raw rows + bad lines = logs + duplicates + quarantine
    identities          blocking  marts and statistics agree with what they are made of and with each other (identities.py)
    bodies              blocking  money and products are what the hits' bodies say, read in Python for a sample of each date (bodies.py)
    expected_results    blocking  dates of simulated history: the figures that the simulator says they must have (simulated/; not in production)
    hit_volume_anomaly  warning   each hour has about as many hits as the same hour of the same weekday before (volume.py)
    freshness           warning   the newest hit, by its own time and not the run's, is not older than a day

All stand on `stats/overview_1d`, the last table before publishing. All but `freshness`, which is about the whole, give a result
for each date of their run. A blocking check that fails on one date stops what comes after in its run: what a run publishes
is whole or not published.
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


def reconciliation(warehouse: Warehouse, window: Window, first: date) -> list[PartitionCheck]:
    """Whether every raw row of each date is modelled, a counted duplicate or in quarantine. What happened before the `first` date
    and arrived later belongs to it."""
    names = ("raw", "logs", "duplicates", "quarantine")
    start = window.start if window.start > first else date(1970, 1, 1)
    rows = warehouse.query(
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


def freshness(warehouse: Warehouse, now: datetime) -> AssetCheckEvaluation:
    """Whether the newest hit is recent, by its own time. `now` is in UTC, without a time zone, as in the warehouse."""
    newest = warehouse.query(_NEWEST_SQL, [now.date() - timedelta(days=60)])[0][0]
    fresh = newest is not None and now - newest <= FRESH_FOR
    return AssetCheckEvaluation(
        asset_key=OVERVIEW_1D,
        check_name="freshness",
        passed=fresh,
        severity=AssetCheckSeverity.WARN,
        metadata={"newest hit (UTC)": f"{newest}"},
        description=f"Newest hit: {newest}" if newest is not None else "No hit in the last 60 days.",
    )


class Findings(NamedTuple):
    """What the checks say of some dates: an evaluation a check and date, one of `freshness`, and by check why not to publish."""

    events: list[AssetCheckEvaluation]
    refusals: Mapping[str, str]


class SimulatedHistory(Protocol):
    """What simulated history adds, where it is on (assets/simulated/): a blocking check, and hits that are compared apart."""

    name: str
    description: str

    def results(
        self, warehouse: Warehouse, settings: Settings, window: Window
    ) -> tuple[list[PartitionCheck], SeparateHits]:
        """What the check says of each date of `window`, and the hits that `hit_volume_anomaly` compares with their own past."""
        ...


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

    def evaluate(self, instance: DagsterInstance, warehouse: Warehouse, settings: Settings, window: Window) -> Findings:
        """All checks over the dates of `window`, whose materializations have been recorded."""
        now = datetime.now(UTC).replace(tzinfo=None)
        separate = None
        with warehouse.reading():
            stale = stale_before(warehouse, window)
            results = {
                "reconciliation": reconciliation(warehouse, window, settings.partitions_start),
                **{identity.name: compared(warehouse, identity, window, stale) for identity in IDENTITIES},
                "bodies": bodies(warehouse, window),
            }
            if self._simulated is not None:
                results[self._simulated.name], separate = self._simulated.results(warehouse, settings, window)
            results["hit_volume_anomaly"] = volume(warehouse, window, now, separate)
            fresh = freshness(warehouse, now)
        specs = self.specs(None)
        by_date = [
            event
            for name, checked in results.items()
            for event in evaluations(
                instance,
                specs[name],
                checked,
                AssetCheckSeverity.ERROR if specs[name].blocking else AssetCheckSeverity.WARN,
            )
        ]
        failures = {name: blocking_failure(specs[name], checked) for name, checked in results.items()}
        return Findings([*by_date, fresh], {name: line for name, line in failures.items() if line is not None})

    def definition(self, daily: DailyPartitionsDefinition) -> AssetChecksDefinition:
        """The checks as one step, run with `stats/overview_1d` or alone."""
        specs = self.specs(daily)

        @multi_asset_check(name=CHECKS_STEP, specs=list(specs.values()), can_subset=True, pool=WAREHOUSE_POOL)
        def check(
            context: AssetCheckExecutionContext, warehouse: ResourceParam[Warehouse], settings: ResourceParam[Settings]
        ) -> Iterator[DagsterEvent | Output[None]]:
            window = dates_to_check(context)
            findings = self.evaluate(context.instance, warehouse, settings, window)
            selected = context.selected_asset_check_keys
            yield from record(context, [event for event in findings.events if event.asset_check_key in selected])
            yield from check_outputs(context, [spec.key for spec in specs.values()])
            refused = [line for name, line in findings.refusals.items() if specs[name].key in selected]
            if refused:
                raise Failure(refused[0])

        return check
