"""How much disk the lake takes: what is current, what only older snapshots hold, and what waits to be deleted."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass

from ingestion_platform.resources.lake.catalog import Catalog
from ingestion_platform.resources.lake.contents import SnapshotInfo
from ingestion_platform.resources.lake.reading import snapshots_of


@dataclass(frozen=True)
class Usage:
    """Bytes of data files. `by_snapshot` holds what forgetting a snapshot, with all before it, would free beyond those before it."""

    current: int
    by_snapshot: tuple[tuple[SnapshotInfo, int], ...]
    scheduled: int


def held(catalog: Catalog) -> Usage:
    """What the catalog's files take. Snapshots that alone hold nothing are left out; oldest first."""
    with catalog.reading() as connection:
        snapshots = snapshots_of(connection)
        # The end of a file that was published again is its last one.
        files = connection.execute(
            """
            select max(coalesce(end_snapshot, :never)), file_size_bytes
            from ducklake_data_file
            group by table_id, path
            """,
            {"never": snapshots[-1].snapshot_id + 1},
        ).fetchall()
        scheduled = connection.execute("select path from ducklake_files_scheduled_for_deletion").fetchall()
    numbers = [info.snapshot_id for info in snapshots]
    bytes_of: Counter[int] = Counter()
    for end, size in files:
        # The last one that has the file.
        bytes_of[numbers[bisect_left(numbers, end) - 1]] += size
    return Usage(
        bytes_of.pop(numbers[-1], 0),
        tuple((info, bytes_of[info.snapshot_id]) for info in snapshots if bytes_of[info.snapshot_id]),
        sum(path.stat().st_size for (name,) in scheduled if (path := catalog.folder / name).exists()),
    )
