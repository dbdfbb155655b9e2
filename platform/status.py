"""How each date stands: what the archive holds of it, what is loaded, built and published, what waits and what is wrong.

In: the settings and the results of checks. Out: a `DateStatus` for each date that has anything, oldest first. Nothing is changed.
What waits for the next refresh is not wrong: the archive is ahead of the warehouse wherever a site is in use.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby

from ingestion_platform.assets.manifest import Models
from ingestion_platform.dagster_internals.failed_checks import FailedCheck
from ingestion_platform.dates import ONE_DAY, Window, frozen_before, today
from ingestion_platform.resources import environments
from ingestion_platform.resources.archive import data_version
from ingestion_platform.resources.dbt_project import read_manifest
from ingestion_platform.resources.warehouse import LEDGER, PUBLISHED, Warehouse
from ingestion_platform.settings import Settings

_LOADED_SQL = "select arrival_date, sum(row_count) from raw.load_history group by arrival_date"
_BUILT_SQL = "select distinct event_date from raw.build_history"


@dataclass(frozen=True)
class DateStatus:
    """One date (UTC): objects and lines that arrived on it; hits, duplicates and quarantined ones that happened on it.

    `is_waiting`: the archive holds something else of it than what is loaded. `is_stale`: something is loaded that its models have not
    seen. `audit`: the one that holds another build of it. `is_frozen`: older than the archive's retention, so readable and not replayable.
    """

    day: date
    objects: int
    lines: int
    hits: int
    duplicates: int
    quarantined: int
    is_waiting: bool
    is_built: bool
    is_stale: bool
    is_published: bool
    is_frozen: bool
    audit: str
    wrong: list[str]
    warnings: list[str]


@dataclass
class _Warehouse:
    """What the warehouse says, by date; nothing where there is none yet."""

    versions: dict[date, str] = field(default_factory=dict)
    stopped: dict[date, str] = field(default_factory=dict)
    lines: dict[date, int] = field(default_factory=dict)
    built: set[date] = field(default_factory=set)
    stale: set[date] = field(default_factory=set)
    audits: dict[date, str] = field(default_factory=dict)
    rows: dict[str, dict[date, int]] = field(default_factory=lambda: defaultdict(dict))


def status(settings: Settings, failed: Sequence[FailedCheck]) -> list[DateStatus]:
    """How each date stands, `failed` checks included. Raises ArchiveError and WarehouseError where one cannot be read."""
    window = Window(settings.partitions_start, today() + ONE_DAY)
    kept_from = frozen_before(settings.archive_retention_days)
    archive = environments.archive(settings)
    archived: Counter[date] = Counter()
    versions: dict[date, str] = {}
    for day, listed in groupby(archive.objects(*window), lambda item: item.arrival_date):
        objects = list(listed)
        archived[day], versions[day] = len(objects), data_version(objects)
    held = _Warehouse()
    if settings.may_have_warehouse:
        warehouse = environments.warehouse(settings)
        with warehouse.reading():
            held = _of_warehouse(settings, warehouse, window)
            held.stopped = {
                day: why
                for day, why in warehouse.stopped(archive, *window, frozen_before=kept_from).items()
                if day >= kept_from
            }
    of_checks: dict[date, list[FailedCheck]] = defaultdict(list)
    for check in failed:
        if check.partition is not None:
            of_checks[date.fromisoformat(check.partition)].append(check)
    has_something = {*archived, *held.lines, *held.built, *held.stopped, *of_checks, *held.rows["events.logs"]}
    dates = []
    for day in sorted(has_something):
        is_published = all(
            (settings.published_dir / relation.partition(".")[2] / f"{day}.parquet").exists() for relation in PUBLISHED
        )
        is_stale = day in held.stale
        wrong = [held.stopped[day]] if day in held.stopped else []
        wrong += [said(check) for check in of_checks[day] if not check.is_warning]
        if day in held.built and not (is_published or is_stale or wrong):
            wrong.append("built and not published: replay it to see what stops it")
        dates.append(
            DateStatus(
                day=day,
                objects=archived[day],
                lines=held.lines.get(day, 0),
                hits=held.rows["events.logs"].get(day, 0),
                duplicates=held.rows["events.duplicates"].get(day, 0),
                quarantined=held.rows["events.quarantine"].get(day, 0),
                is_waiting=day >= kept_from and day in versions and versions[day] != held.versions.get(day),
                is_built=day in held.built,
                is_stale=is_stale,
                is_published=is_published,
                is_frozen=day < kept_from,
                audit=held.audits.get(day, ""),
                wrong=wrong,
                warnings=[said(check) for check in of_checks[day] if check.is_warning],
            )
        )
    return dates


def said(check: FailedCheck) -> str:
    """A failed check in one line."""
    return f"{check.check.asset_key.to_user_string()}, {check.check.name}: {check.description}"


def _of_warehouse(settings: Settings, warehouse: Warehouse, window: Window) -> _Warehouse:
    there = warehouse.relations()
    held = _Warehouse()
    if LEDGER not in there:
        return held
    models = Models.of(read_manifest(adapter=environments.ADAPTERS[settings.environment]))
    names = models.names_of(models.partitioned)
    held.versions = warehouse.loaded_versions(*window)
    held.lines = {day: int(rows) for day, rows in warehouse.query(_LOADED_SQL)}
    held.built = {day for (day,) in warehouse.query(_BUILT_SQL)}
    held.stale = set(warehouse.stale_dates(names, *window, settings.partitions_start))
    held.audits = {day: audit.audit_id for audit in warehouse.waiting() for day in audit.dates()}
    for relation in ("events.logs", "events.duplicates", "events.quarantine"):
        if relation in there:
            counts = warehouse.query(f"select event_date, count(*) from {relation} group by event_date")
            held.rows[relation] = dict(counts)
    return held
