"""What starts by itself: the refresh every hour, and at once when objects appear under old dates.

Both start the same job, which works out by itself what is to be done; a tick that was missed is made good by the next one.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta

from dagster import (
    DefaultScheduleStatus,
    DefaultSensorStatus,
    JobDefinition,
    ResourceParam,
    RunRequest,
    ScheduleDefinition,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from ingestion_platform.assets.archive_events import archive_versions
from ingestion_platform.dates import today
from ingestion_platform.resources.archive import Archive
from ingestion_platform.settings import Settings

# Objects of today and yesterday are the hourly schedule's business.
_LATE_AFTER = timedelta(days=1)
_SECONDS_BETWEEN_LOOKS = 300


def hourly(refresh: JobDefinition) -> ScheduleDefinition:
    """Five minutes past every hour, running unless somebody stops it in the UI."""
    return ScheduleDefinition(
        name="hourly",
        job=refresh,
        cron_schedule="5 * * * *",
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Load what is new and rebuild what it touches, whichever dates that are.",
    )


def late_objects(refresh: JobDefinition) -> SensorDefinition:
    """Starts the refresh when the objects of a date before yesterday change. The cursor holds each date's data version.

    A sensor and not declarative automation: the dates to rebuild follow from the times inside the new objects, which only
    the load can tell, and not from the partition that they arrived under.
    """

    @sensor(
        job=refresh,
        minimum_interval_seconds=_SECONDS_BETWEEN_LOOKS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Notices objects that arrive under old dates and replays just the dates they affect.",
    )
    def late_objects(
        context: SensorEvaluationContext, archive: ResourceParam[Archive], settings: ResourceParam[Settings]
    ) -> Iterator[RunRequest | SkipReason]:
        before = json.loads(context.cursor or "{}")
        now = {
            day.isoformat(): version for day, version in archive_versions(archive, settings.partitions_start).items()
        }
        old = (today() - _LATE_AFTER).isoformat()
        # The cursor keeps recent dates too: one that turns old at midnight has not changed by that.
        late = sorted(key for key in {*now, *before} if key < old and now.get(key) != before.get(key))
        cursor = json.dumps(now, sort_keys=True)
        context.update_cursor(cursor)
        if late:
            digest = hashlib.sha256(cursor.encode()).hexdigest()[:16]
            yield RunRequest(run_key=digest, tags={"clickstream/late_dates": f"{late[0]} to {late[-1]} ({len(late)})"})
        else:
            yield SkipReason("No object arrived under an old date.")

    return late_objects
