"""Data and code versions as Dagster keeps them: tags on materializations. They decide what the UI shows as stale.

    raw/logs             a date's version is the digest of the objects that the table holds of it
    events/*, stats/*    the digest of the code version and of the objects that a build of the date reads
    archive/events       the digest of the date's objects, observed

So a version is the same whenever the same code has read the same archive, whichever run, range or order it was; replaying what
is up to date makes nothing stale. Dagster itself gives all dates of a run over a range one version, made from that range.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date

from dagster import AssetKey, AssetMaterialization, AssetRecordsFilter, DagsterEventType, DagsterInstance

from ingestion_platform.dates import ONE_DAY, Window, load_window
from ingestion_platform.resources.warehouse import Warehouse

DATA_VERSION_TAG = "dagster/data_version"
CODE_VERSION_TAG = "dagster/code_version"
# The version was given and not derived by Dagster: its page then says "new data version" and not "new materialization".
_GIVEN_TAG = "dagster/data_version_is_user_provided"


def digest(*parts: str) -> str:
    """A short digest of `parts`, in their order."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def input_versions(warehouse: Warehouse, window: Window, first: date = date.min) -> dict[date, str]:
    """For each event date of `window`, the digest of the loaded objects that a build of that date reads, from the `first` partition on."""
    loaded = warehouse.loaded_versions(*load_window(window))
    return {
        day: digest(f"{first}", *(f"{read} {loaded[read]}" for read in load_window(Window(day, day + ONE_DAY)).days))
        for day in window.days
    }


def version_tags(inputs: Mapping[str, str], code_version: str, data_version: str) -> dict[str, str]:
    """The tags of one materialization; `inputs` come from `provenance`."""
    return {**inputs, CODE_VERSION_TAG: code_version, DATA_VERSION_TAG: data_version, _GIVEN_TAG: "true"}


def provenance(instance: DagsterInstance, parents: Iterable[AssetKey]) -> dict[str, str]:
    """The tags that say which materializations (or observations) of `parents` an asset is being made from."""
    tags: dict[str, str] = {}
    for key in parents:
        # An asset that is only observed has no materialization; SQLite's asset records leave observations out.
        newest = (
            instance.fetch_materializations(key, limit=1).records or instance.fetch_observations(key, limit=1).records
        )
        made = newest[0].asset_materialization or newest[0].asset_observation if newest else None
        version = (made.tags or {}).get(DATA_VERSION_TAG) if made is not None else None
        tags[f"dagster/input_data_version/{key.to_user_string()}"] = version or "INITIAL"
        tags[f"dagster/input_event_pointer/{key.to_user_string()}"] = f"{newest[0].storage_id}" if newest else "NULL"
    return tags


def outdated(instance: DagsterInstance, current: Mapping[AssetKey, str]) -> dict[AssetKey, set[str | None]]:
    """Which materializations were made by another code version than `current`: partition keys by asset, None for the whole.

    An asset without partitions that was never made is outdated as well; a partition that was never made is not.
    """
    partitions: dict[AssetKey, set[str | None]] = {}
    storage = instance.event_log_storage
    for key, version in current.items():
        newest = storage.get_latest_storage_id_by_partition(key, DagsterEventType.ASSET_MATERIALIZATION)
        if newest:
            request = AssetRecordsFilter(asset_key=key, storage_ids=list(newest.values()))
            records = storage.fetch_materializations(request, limit=len(newest)).records
            versions = {record.partition_key: _code_version(record.asset_materialization) for record in records}
        else:
            event = instance.get_latest_materialization_event(key)
            versions = {None: _code_version(event.asset_materialization if event is not None else None)}
        old = {partition for partition, made_by in versions.items() if made_by != version}
        if old:
            partitions[key] = old
    return partitions


def _code_version(materialization: AssetMaterialization | None) -> str | None:
    return (materialization.tags or {}).get(CODE_VERSION_TAG) if materialization is not None else None
