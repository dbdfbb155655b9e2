"""What keeps the embedded warehouse's lake in order, in one go: never in a run's way, and killed in the middle it goes on the next time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingestion_platform.resources.duckdb.held import remove_released
from ingestion_platform.resources.duckdb.lake import Lake
from ingestion_platform.resources.duckdb.publications import LakePublications
from ingestion_platform.resources.duckdb.views import select_files
from ingestion_platform.resources.lake.catalog import DataFile, NewFile, Table
from ingestion_platform.resources.lake.housekeeping import delete_scheduled, expire, merge, remove_orphans
from ingestion_platform.resources.lake.workplaces import Removed, remove_abandoned


@dataclass(frozen=True)
class Kept:
    """What was done: how many files there are less by merging, snapshots forgotten, files deleted, and what killed runs had left."""

    merged: int
    expired: int
    deleted: Removed
    left: Removed


def keep_house(lake: Lake, keep: timedelta, grace: timedelta, now: datetime) -> Kept:
    """Merge small files, forget what was replaced more than `keep` ago, delete what nothing has needed for `grace`."""

    def write(table: Table, files: Sequence[DataFile]) -> NewFile | None:
        return lake.write(engine, select_files(table, files, lake.folder), table, files[0].day)

    with lake.engine() as engine:
        merged = merge(lake.catalog, write)
    expired = expire(lake.catalog, keep, now)
    with lake.catalog.change("versions") as change:
        ledger = LakePublications(change.connection)
        ledger.forget_settled(now - keep)
        ledger.forget_versions()
    deleted = delete_scheduled(lake.catalog, grace, now)
    orphans, abandoned = remove_orphans(lake.catalog, grace, now), remove_abandoned(lake.folder, grace, now)
    released = remove_released(lake, grace, now)
    left = Removed(orphans.files + abandoned.files + released.files, orphans.bytes + abandoned.bytes + released.bytes)
    return Kept(merged, expired, deleted, left)
