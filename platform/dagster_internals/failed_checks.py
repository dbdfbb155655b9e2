"""Which checks fail now, by partition: what the UI shows on each asset's page, read at once for all of them.

The status of a check by partition has no public function in Dagster; can go when it has one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dagster import AssetCheckKey, AssetCheckSeverity, DagsterInstance
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

_FAILED = AssetCheckExecutionRecordStatus.FAILED


class FailedCheck(NamedTuple):
    """A check whose last result is no pass. `partition` is None for a check without partitions."""

    partition: str | None
    check: AssetCheckKey
    is_warning: bool
    description: str


def failed_checks(instance: DagsterInstance, checks: Iterable[AssetCheckKey]) -> list[FailedCheck]:
    """Those of `checks` whose last result on a partition is a failure, about the partition's newest materialization; by partition."""
    storage = instance.event_log_storage
    failed = []
    for info in storage.get_asset_check_partition_info(list(checks)):
        if info.latest_execution_status == _FAILED and info.is_current:
            where = PartitionKeyFilter(key=info.partition_key)
            (record,) = storage.get_asset_check_execution_history(info.check_key, 1, None, {_FAILED}, where)
            result = record.evaluation
            if result is not None:
                is_warning = result.severity == AssetCheckSeverity.WARN
                failed.append(
                    FailedCheck(info.partition_key, info.check_key, is_warning, result.description or "failed")
                )
    return sorted(failed, key=lambda check: (check.partition or "", check.check.to_user_string()))
