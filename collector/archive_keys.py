"""The archive's key layout, written down once.

An object holds the records that one stream delivered together: gzip JSON lines, in Firehose's own key format, under the
hour (UTC) at which they ARRIVED, which an outage can make up to a day later than the hour at which they were received:

    stream_data/YYYY/MM/DD/HH/<stream>-<version>-YYYY-MM-DD-HH-MM-SS-<uuid>.gz

Corrections of archived records come from a stream of their own, `recollected` (collector/revisions.py says what they are).

What somebody else put into an hour's folder is an object, too, when its name ends in `.json.gz` or `.jsonl.gz`. Anything else below
`stream_data/` is passed over, and named by whoever looks (`doctor`, the observation, a check). Deliveries that failed for good lie under
`stream_errors/`. `archive_id.json` beside them is the archive's marker. Nothing else of the project spells a key.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import NamedTuple

DATA_PREFIX = "stream_data/"
ERROR_PREFIX = "stream_errors/"
MARKER_KEY = "archive_id.json"
RECOLLECTED = "recollected"

_KEY = re.compile(
    r"stream_data/(?P<date>\d{4}/\d{2}/\d{2})/(?P<hour>[01]\d|2[0-3])/"
    r"(?P<stream>[A-Za-z0-9_.-]+)-(?P<version>\d+)-(?P<time>\d{4}-\d{2}-\d{2}-\d{2}-\d{2}-\d{2})-(?P<id>[0-9a-f-]{36})(\.gz)?"
)
_FOREIGN = re.compile(
    r"stream_data/(?P<date>\d{4}/\d{2}/\d{2})/(?P<hour>[01]\d|2[0-3])/"
    r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.=-]*)\.jsonl?\.gz"
)


class ArchiveKey(NamedTuple):
    """An object key taken apart. `arrived_at` is the start of the delivery, UTC, to the second (of its hour where the key says no more)."""

    arrival_date: date
    arrival_hour: int
    stream: str
    version: int
    arrived_at: datetime
    id: str


def object_key(stream: str, arrived_at: datetime, id: str, version: int = 1) -> str:
    """The key of an object that `stream` delivers at `arrived_at` (timezone-aware) under the unique `id` (a uuid)."""
    if arrived_at.tzinfo is None:
        raise ValueError("arrived_at needs a time zone: object keys are in UTC")
    utc = arrived_at.astimezone(UTC)
    return f"{DATA_PREFIX}{utc:%Y/%m/%d/%H}/{stream}-{version}-{utc:%Y-%m-%d-%H-%M-%S}-{id}.gz"


def parse_key(key: str) -> ArchiveKey | None:
    """Take a key apart; None for a key that is not an archive object (a temporary file, a foreign one)."""
    match = _KEY.fullmatch(key)
    if match is None:
        return _foreign(key)
    try:
        day = datetime.strptime(match["date"], "%Y/%m/%d").date()
        arrived_at = datetime.strptime(match["time"], "%Y-%m-%d-%H-%M-%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return ArchiveKey(day, int(match["hour"]), match["stream"], int(match["version"]), arrived_at, match["id"])


def _foreign(key: str) -> ArchiveKey | None:
    match = _FOREIGN.fullmatch(key)
    if match is None:
        return None
    try:
        hour = datetime.strptime(f"{match['date']}/{match['hour']}", "%Y/%m/%d/%H").replace(tzinfo=UTC)
    except ValueError:
        return None
    return ArchiveKey(hour.date(), hour.hour, "", 0, hour, match["name"])


def day_prefix(day: date) -> str:
    """The prefix under which every object that arrived on `day` (UTC) lies."""
    return f"{DATA_PREFIX}{day:%Y/%m/%d}/"
