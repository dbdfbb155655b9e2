"""Checks in Python, beside dbt's tests: what no single model can say of itself.

    books      blocking  per event date: raw rows + bad lines = logs + duplicates + quarantine (invariant 2)
    truth      blocking  dates of simulated history: the figures that the simulator says they must have (invariant 5)
    freshness  warning   the newest hit, by its own time and not the run's, is not older than a day
    volume     warning   each date's hits lie within a factor of the same weekday's in the four weeks before

All stand on `stats/overview_1d`, the last table before publishing, and see the dates of their run: Dagster keeps one verdict a
check and run, so the figures of each date are in the metadata. `freshness` and `volume` need no run's dates to be right.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    MetadataValue,
    ResourceParam,
    TableRecord,
    multi_asset_check,
)

from ingestion_platform.assets.keys import OVERVIEW_1D, WAREHOUSE_POOL
from ingestion_platform.assets.truth import differences
from ingestion_platform.partitions import ONE_DAY, Window, today, window
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.settings import Settings
from ingestion_platform.windows import load_window

FRESH_FOR = timedelta(hours=24)
VOLUME_FACTOR = 4.0
_WEEKS = 4

SPECS = (
    AssetCheckSpec(
        "books",
        asset=OVERVIEW_1D,
        blocking=True,
        description="Per event date: rows and bad lines of raw = logs + duplicates + quarantine. Nothing is lost in silence.",
    ),
    AssetCheckSpec(
        "truth",
        asset=OVERVIEW_1D,
        blocking=True,
        description="Simulated dates hold exactly the figures that they must have.",
    ),
    AssetCheckSpec(
        "freshness",
        asset=OVERVIEW_1D,
        description=f"The newest hit is not older than {FRESH_FOR.total_seconds() / 3600:.0f} hours.",
    ),
    AssetCheckSpec(
        "volume",
        asset=OVERVIEW_1D,
        description=f"Hits of a date are within a factor of {VOLUME_FACTOR:.0f} of the same weekday's in the weeks before.",
    ),
)
BLOCKING = frozenset(spec.name for spec in SPECS if spec.blocking)

_BOOKS_SQL = """
with counted as (
    select event_date, count(*) as raw_rows, 0 as logs, 0 as duplicates, 0 as quarantined
    from raw.logs where event_date >= ? and event_date < ? group by event_date
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

_DAILY_SQL = "select event_date, count(*) from events.logs where event_date >= ? and event_date < ? group by event_date"


def books(warehouse: Warehouse, chosen: Window) -> AssetCheckResult:
    """Whether every raw row of the dates is modelled, a counted duplicate or in quarantine."""
    rows = warehouse.query(_BOOKS_SQL, [bound for _ in range(5) for bound in chosen])
    open_books = [row for row in rows if row[1] != row[2] + row[3] + row[4]]
    names = ("date", "raw", "logs", "duplicates", "quarantine")
    table = [TableRecord({"date": f"{row[0]}", **dict(zip(names[1:], map(int, row[1:]), strict=True))}) for row in rows]
    first = open_books[0] if open_books else None
    return AssetCheckResult(
        asset_key=OVERVIEW_1D,
        check_name="books",
        passed=first is None,
        metadata={
            "dates": f"{chosen}",
            "dates that do not balance": len(open_books),
            **({"books": MetadataValue.table(table)} if table else {}),
        },
        description=(
            f"{first[0]}: {first[1]} raw rows, but {first[2]} logs + {first[3]} duplicates + {first[4]} in quarantine; "
            "materialize raw/logs and all below it for that date"
            if first is not None
            else "Every raw row is modelled, a counted duplicate or in quarantine."
        ),
    )


def truth(warehouse: Warehouse, truth_folder: Path, chosen: Window) -> AssetCheckResult:
    """Whether simulated dates came out as they must; dates some of whose objects are not loaded yet are left out."""
    loaded_before = min(load_window(*chosen)[1], today() + ONE_DAY)
    compared, wrong = differences(warehouse, truth_folder, chosen, loaded_before)
    return AssetCheckResult(
        asset_key=OVERVIEW_1D,
        check_name="truth",
        passed=not wrong,
        metadata={"dates": f"{chosen}", "simulated dates compared": compared, "figures that differ": len(wrong)},
        description=wrong[0] if wrong else f"{compared} simulated dates compared.",
    )


def freshness(warehouse: Warehouse, now: datetime) -> AssetCheckResult:
    """Whether the newest hit is recent, by its own time. `now` is in UTC, without a time zone, as in the warehouse."""
    newest = warehouse.query(_NEWEST_SQL, [now.date() - timedelta(days=60)])[0][0]
    fresh = newest is not None and now - newest <= FRESH_FOR
    return AssetCheckResult(
        asset_key=OVERVIEW_1D,
        check_name="freshness",
        passed=fresh,
        severity=AssetCheckSeverity.WARN,
        metadata={"newest hit (UTC)": f"{newest}"},
        description=f"Newest hit: {newest}" if newest is not None else "No hit in the last 60 days.",
    )


def volume(warehouse: Warehouse, chosen: Window) -> AssetCheckResult:
    """Whether the whole dates of `chosen` have about as many hits as the same weekday in the weeks before."""
    counts: dict[date, int] = dict(
        warehouse.query(_DAILY_SQL, [chosen.start - timedelta(weeks=_WEEKS), min(chosen.end, today())])
    )
    odd = []
    for day in chosen.days:
        before = [counts[at] for at in (day - timedelta(weeks=n) for n in range(1, _WEEKS + 1)) if at in counts]
        if day >= today() or not before:
            continue
        usual = sorted(before)[len(before) // 2]
        if not usual / VOLUME_FACTOR <= counts.get(day, 0) <= usual * VOLUME_FACTOR:
            odd.append(f"{day}: {counts.get(day, 0)} hits, usually about {usual}")
    return AssetCheckResult(
        asset_key=OVERVIEW_1D,
        check_name="volume",
        passed=not odd,
        severity=AssetCheckSeverity.WARN,
        metadata={"dates": f"{chosen}", "unusual dates": len(odd)},
        description=odd[0] if odd else "Every date has about as many hits as the same weekday before.",
    )


def evaluate(warehouse: Warehouse, truth_folder: Path, chosen: Window) -> Iterator[AssetCheckResult]:
    """All checks over the dates of `chosen`, in the order of SPECS."""
    yield books(warehouse, chosen)
    yield truth(warehouse, truth_folder, chosen)
    yield freshness(warehouse, datetime.now(UTC).replace(tzinfo=None))
    yield volume(warehouse, chosen)


def statistics_checks() -> AssetChecksDefinition:
    """The checks as one step, run with `stats/overview_1d` or alone."""

    @multi_asset_check(name="statistics_checks", specs=SPECS, pool=WAREHOUSE_POOL)
    def check(
        context: AssetCheckExecutionContext, warehouse: ResourceParam[Warehouse], settings: ResourceParam[Settings]
    ) -> Iterator[AssetCheckResult]:
        # Launched alone, a check has no partitions: it takes the last week.
        ranged = context.has_partition_key or context.has_partition_key_range
        chosen = window(list(context.partition_keys)) if ranged else Window(today() - 6 * ONE_DAY, today() + ONE_DAY)
        yield from evaluate(warehouse, settings.truth_folder, chosen)

    return check
