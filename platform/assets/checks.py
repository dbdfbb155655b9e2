"""Checks in Python, beside dbt's tests: what no single model can say of itself.

    reconciliation      blocking  per event date: raw rows + bad lines = logs + duplicates + quarantine
    identities          blocking  marts and statistics agree with what they are made of and with each other (identities.py)
    bodies              blocking  money and products are what the hits' bodies say, read in Python for a sample of each date (bodies.py)
    expected_results    blocking  dates of simulated history: the figures that the simulator says they must have
    hit_volume_anomaly  warning   each hour has about as many hits as the same hour of the same weekday before (volume.py)
    freshness           warning   the newest hit, by its own time and not the run's, is not older than a day

All stand on `stats/overview_1d`, the last table before publishing. All but `freshness`, which is about the whole, give a result
for each date of their run. A blocking check that fails on one date stops what comes after in its run: what a run publishes
is whole or not published.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

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
from ingestion_platform.assets.truth import differences
from ingestion_platform.assets.volume import volume
from ingestion_platform.dagster_internals.partition_events import check_outputs, record
from ingestion_platform.dates import ONE_DAY, Window, load_window, today
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.settings import Settings

FRESH_FOR = timedelta(hours=24)

CHECKS_STEP = "statistics_checks"


def specs(daily: DailyPartitionsDefinition | None) -> Mapping[str, AssetCheckSpec]:
    """The specs by name; `daily` are the partitions of those that speak for a date."""
    by_date = (
        (
            "reconciliation",
            True,
            "Rows and bad lines of raw = logs + duplicates + quarantine. Nothing is lost in silence.",
        ),
        *((identity.name, True, identity.description) for identity in IDENTITIES),
        ("bodies", True, READ_ANEW),
        ("expected_results", True, "Simulated dates hold exactly the figures that they must have."),
        (
            "hit_volume_anomaly",
            False,
            "Each hour has about as many hits as the same hour of the same weekday in the weeks before.",
        ),
    )
    made = [
        AssetCheckSpec(name, asset=OVERVIEW_1D, blocking=blocking, description=description, partitions_def=daily)
        for name, blocking, description in by_date
    ]
    hours = FRESH_FOR.total_seconds() / 3600
    fresh = AssetCheckSpec(
        "freshness", asset=OVERVIEW_1D, description=f"The newest hit is not older than {hours:.0f} hours."
    )
    return {spec.name: spec for spec in (*made, fresh)}


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
    told = (
        "Every raw row is modelled, a counted duplicate or in quarantine."
        if balanced
        else f"{day}: {raw} raw rows, but {logs} logs + {duplicates} duplicates + {quarantine} in quarantine; "
        "materialize raw/logs and all below it for that date"
    )
    return PartitionCheck(day, balanced, told, counts)


def simulated(warehouse: Warehouse, truth_folder: Path, window: Window, first: date) -> dict[date, list[str]]:
    """The simulated dates of `window`, each with what differs from the simulator's figures. A date some of whose objects are
    not loaded yet, or lie before the `first` partition, is left out."""
    loaded_before = min(load_window(window).end, today() + ONE_DAY)
    return differences(warehouse, truth_folder, window, loaded_before, first)


def _faithful(day: date, wrong: list[str] | None) -> PartitionCheck:
    if wrong is None:
        return PartitionCheck(
            day, True, "Nothing to compare: not simulated, or not all of it has arrived.", {"compared": False}
        )
    told = wrong[0] if wrong else "The figures are the simulator's."
    return PartitionCheck(day, not wrong, told, {"compared": True, "figures that differ": len(wrong)})


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


def evaluate(instance: DagsterInstance, warehouse: Warehouse, settings: Settings, window: Window) -> Findings:
    """All checks over the dates of `window`, whose materializations have been recorded."""
    now = datetime.now(UTC).replace(tzinfo=None)
    first = settings.partitions_start
    with warehouse.reading():
        wrong = simulated(warehouse, settings.truth_folder, window, first)
        stale = stale_before(warehouse, window)
        found = {
            "reconciliation": (reconciliation(warehouse, window, first), AssetCheckSeverity.ERROR),
            **{
                identity.name: (compared(warehouse, identity, window, stale), AssetCheckSeverity.ERROR)
                for identity in IDENTITIES
            },
            "bodies": (bodies(warehouse, window), AssetCheckSeverity.ERROR),
            "expected_results": ([_faithful(day, wrong.get(day)) for day in window.days], AssetCheckSeverity.ERROR),
            "hit_volume_anomaly": (volume(warehouse, window, now, wrong.keys()), AssetCheckSeverity.WARN),
        }
        fresh = freshness(warehouse, now)
    known = specs(None)
    by_date = [
        event
        for name, (results, severity) in found.items()
        for event in evaluations(instance, known[name], results, severity)
    ]
    refusals = {
        name: told
        for name, (results, _) in found.items()
        if (told := blocking_failure(known[name], results)) is not None
    }
    return Findings([*by_date, fresh], refusals)


def statistics_checks(daily: DailyPartitionsDefinition) -> AssetChecksDefinition:
    """The checks as one step, run with `stats/overview_1d` or alone."""
    made = specs(daily)

    @multi_asset_check(name=CHECKS_STEP, specs=list(made.values()), can_subset=True, pool=WAREHOUSE_POOL)
    def check(
        context: AssetCheckExecutionContext, warehouse: ResourceParam[Warehouse], settings: ResourceParam[Settings]
    ) -> Iterator[DagsterEvent | Output[None]]:
        window = dates_to_check(context)
        found = evaluate(context.instance, warehouse, settings, window)
        selected = context.selected_asset_check_keys
        yield from record(context, [event for event in found.events if event.asset_check_key in selected])
        yield from check_outputs(context, [spec.key for spec in made.values()])
        refused = [told for name, told in found.refusals.items() if made[name].key in selected]
        if refused:
            raise Failure(refused[0])

    return check
