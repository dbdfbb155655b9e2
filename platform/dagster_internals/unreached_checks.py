"""A failure shows once, where it is: the checks that a failed run did not come to are not shown as failed.

Dagster notes every check that a run plans, and shows each without a result as a failure once the run has failed: half a hundred
red checks for one model that does not build. What such a run leaves published is what was published before, so of these checks
the results from before are what holds. Can go when Dagster tells a check that was not executed from one that failed.
"""

from __future__ import annotations

from dagster import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable

_ENDS_OF_FAILED_RUNS = {DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED}


class ForgetsUnreachedChecks(SqlEventLogStorage):
    """An event storage that forgets which checks were planned in a run that failed or was stopped, of those without a result."""

    def store_event(self, event: EventLogEntry) -> None:
        super().store_event(event)
        if event.dagster_event_type in _ENDS_OF_FAILED_RUNS:
            columns = AssetCheckExecutionsTable.c
            planned = columns.execution_status == AssetCheckExecutionRecordStatus.PLANNED.value
            with self.index_connection() as connection:
                connection.execute(AssetCheckExecutionsTable.delete().where(columns.run_id == event.run_id, planned))
