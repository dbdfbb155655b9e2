"""`archive/events`: what lies in the archive, observed and never produced here.

The data version of a date is the digest of its object keys, sizes and etags. An observation is recorded only for dates whose
version changed since the last one, so that a year of unchanged history costs nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    AssetObservation,
    AssetsDefinition,
    DagsterEventType,
    DagsterInstance,
    DailyPartitionsDefinition,
    DataVersionsByPartition,
    OpExecutionContext,
    ResourceParam,
    SourceAsset,
    multi_asset_check,
    observable_source_asset,
)

from collector.archive_keys import day_prefix
from ingestion_platform.assets.keys import ARCHIVE_EVENTS, OWNERS
from ingestion_platform.dagster_internals.observable import observable
from ingestion_platform.dates import ONE_DAY, today
from ingestion_platform.resources.archive import Archive, data_version
from ingestion_platform.versions import DATA_VERSION_TAG

LAYOUT_SPEC = AssetCheckSpec(
    "layout",
    asset=ARCHIVE_EVENTS,
    description="Nothing lies below stream_data/ that no load takes: another layout, another ending, a date before PARTITIONS_START.",
)


def archive_versions(archive: Archive, start: date, end: date | None = None) -> dict[date, str]:
    """The data version of each arrival date of [start, end), today at the latest, that holds an object."""
    end = min(end or today() + ONE_DAY, today() + ONE_DAY)
    dates = [day for day in archive.dates() if start <= day < end]
    if not dates:
        return {}
    objects = archive.objects(dates[0], dates[-1] + ONE_DAY)
    return {day: data_version(of_day) for day, of_day in groupby(objects, lambda item: item.arrival_date)}


def passed_over(archive: Archive, start: date) -> dict[str, str]:
    """What lies below the data prefix and is never loaded, with the reason: keys of another layout, and dates before the first partition."""
    reasons = dict.fromkeys(archive.passed_over(), "no object of the layout stream_data/YYYY/MM/DD/HH/<name>.gz")
    early = [day for day in archive.dates() if day < start]
    if early:
        why = f"before PARTITIONS_START={start}"
        reasons |= {
            item.key: why for item in archive.objects(early[0], early[-1] + ONE_DAY) if item.arrival_date < start
        }
    return reasons


def listed(passed: Mapping[str, str], most: int = 20) -> str:
    """The first of what is passed over, each with its reason, and how many more there are."""
    names = "; ".join(f"{key} ({why})" for key, why in list(passed.items())[:most])
    return names + (f"; and {len(passed) - most} more" if len(passed) > most else "")


def observed_versions(instance: DagsterInstance) -> Mapping[str, str]:
    """The data version last observed, by partition key."""
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        ARCHIVE_EVENTS, DagsterEventType.ASSET_OBSERVATION, [DATA_VERSION_TAG]
    )
    return {key: of_key[DATA_VERSION_TAG] for key, of_key in tags.items() if DATA_VERSION_TAG in of_key}


def changed_versions(
    instance: DagsterInstance, archive: Archive, start: date, end: date | None = None
) -> dict[str, str]:
    """Partition key and new data version of the dates of [start, end) whose objects changed since they were last observed."""
    last = end or today() + ONE_DAY
    before = {
        key: version for key, version in observed_versions(instance).items() if start <= date.fromisoformat(key) < last
    }
    now = {day.isoformat(): version for day, version in archive_versions(archive, start, end).items()}
    gone = {key: data_version([]) for key in before if key not in now}
    return {key: version for key, version in {**now, **gone}.items() if before.get(key) != version}


def observations(changed: Mapping[str, str], passed: Mapping[str, str] | None = None) -> list[AssetObservation]:
    """What `changed_versions` found, as events; each says what of its date is `passed` over."""
    return [
        AssetObservation(
            ARCHIVE_EVENTS,
            partition=key,
            tags={DATA_VERSION_TAG: version},
            metadata=_metadata(_of_date(passed or {}, date.fromisoformat(key))),
        )
        for key, version in sorted(changed.items())
    ]


def _of_date(passed: Mapping[str, str], day: date) -> dict[str, str]:
    return {key: why for key, why in passed.items() if key.startswith(day_prefix(day))}


def _metadata(passed: Mapping[str, str]) -> dict[str, Any]:
    return {"passed over": listed(passed)} if passed else {}


def layout_result(passed: Mapping[str, str]) -> AssetCheckEvaluation:
    """The check `layout`: whether everything below the data prefix is an object that a load takes. It warns: nothing is lost by it yet."""
    return AssetCheckEvaluation(
        asset_key=ARCHIVE_EVENTS,
        check_name=LAYOUT_SPEC.name,
        passed=not passed,
        severity=AssetCheckSeverity.WARN,
        metadata={"passed over": len(passed), **({"objects": dict(list(passed.items())[:1000])} if passed else {})},
        description=f"Never loaded: {listed(passed)}" if passed else "Everything in the archive is loaded by somebody.",
    )


def layout_check(start: date) -> AssetChecksDefinition:
    """The check `layout` as something to execute; the hourly refresh records the same result."""

    @multi_asset_check(name="archive_layout", specs=[LAYOUT_SPEC])
    def layout(archive: ResourceParam[Archive]) -> Iterator[AssetCheckResult]:
        with_reasons = layout_result(passed_over(archive, start))
        yield AssetCheckResult(
            passed=with_reasons.passed,
            check_name=LAYOUT_SPEC.name,
            asset_key=ARCHIVE_EVENTS,
            severity=with_reasons.severity,
            metadata=with_reasons.metadata,
            description=with_reasons.description,
        )

    return layout


def archive_asset(daily: DailyPartitionsDefinition, start: date, writers: Sequence[AssetKey] = ()) -> AssetsDefinition:
    """The observable asset; `writers` are the assets that put objects there, which the collector does without being one."""

    @observable_source_asset(
        key=ARCHIVE_EVENTS,
        partitions_def=daily,
        group_name="archive",
        description=(
            "Gzip JSON lines as delivered by the collector's stream, by date of arrival (UTC): the only truth. "
            "Observe it to see which dates hold objects that are not loaded yet."
        ),
        metadata={"layout": "stream_data/YYYY/MM/DD/HH/<stream>-<version>-<time>-<uuid>.gz"},
        tags={"dagster/kind/gzip": "", "dagster/kind/json": ""},
    )
    def archive_events(context: OpExecutionContext, archive: ResourceParam[Archive]) -> DataVersionsByPartition:
        passed = passed_over(archive, start)
        if passed:
            context.log_event(AssetObservation(ARCHIVE_EVENTS, metadata=_metadata(passed)))
        return DataVersionsByPartition(changed_versions(context.instance, archive, start))

    assert isinstance(archive_events, SourceAsset)
    return observable(archive_events, deps=writers, owners=OWNERS)
