"""Jobs over partitioned assets, for the launchpad and the command line."""

from __future__ import annotations

from dagster import AssetSelection, DailyPartitionsDefinition, define_asset_job

from ingestion_platform.assets.keys import ARCHIVE_EVENTS, PUBLISHED_OVERVIEW, RAW_LOGS, TRAFFIC, USER_AGENTS
from ingestion_platform.assets.manifest import Models
from ingestion_platform.dagster_internals.types import UnresolvedAssetJobDefinition

REPLAY = "replay"
SIMULATE = "simulate"


def asset_jobs(models: Models, daily: DailyPartitionsDefinition, simulated: bool) -> list[UnresolvedAssetJobDefinition]:
    """`replay` (archive to published statistics, by date), `observe_archive` and, where traffic may be `simulated`,
    `simulate`."""
    partitioned = models.keys_of(models.partitioned)
    jobs = [
        define_asset_job(
            REPLAY,
            selection=AssetSelection.assets(RAW_LOGS, USER_AGENTS, *partitioned, PUBLISHED_OVERVIEW),
            partitions_def=daily,
            description="Rebuild a range of dates from the archive, up to the published statistics. Harmless, any number of times.",
        ),
        define_asset_job(
            "observe_archive",
            selection=AssetSelection.assets(ARCHIVE_EVENTS),
            description="Look at the archive: which dates hold objects that were not seen before.",
        ),
    ]
    if simulated:
        jobs.append(
            define_asset_job(
                SIMULATE,
                selection=AssetSelection.assets(TRAFFIC),
                partitions_def=daily,
                description="Write past dates of simulated traffic into the archive; the hourly refresh, or a replay, "
                "picks them up.",
            )
        )
    return jobs
