"""Data and code versions as Dagster keeps them: tags on materializations.

Dagster writes these tags itself in asset runs; the refresh, which is an op, writes the same, so that both count alike when the
question is whether a partition is out of date.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dagster import AssetKey, AssetMaterialization, AssetRecordsFilter, DagsterEventType, DagsterInstance

DATA_VERSION_TAG = "dagster/data_version"
CODE_VERSION_TAG = "dagster/code_version"


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
    found: dict[AssetKey, set[str | None]] = {}
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
            found[key] = old
    return found


def _code_version(materialization: AssetMaterialization | None) -> str | None:
    return (materialization.tags or {}).get(CODE_VERSION_TAG) if materialization is not None else None
