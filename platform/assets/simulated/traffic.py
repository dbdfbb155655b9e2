"""`simulations/traffic`: a past date of simulated traffic, written into the archive as the collector would have.

In: the date and the seed. Out: gzip objects under the archive's keys, the same for the same date and seed, so that a date
can be written any number of times. It ends at `archive/events`: what is loaded is what lies there, as in production, whoever wrote it.
"""

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    BackfillPolicy,
    Config,
    DailyPartitionsDefinition,
    Failure,
    MaterializeResult,
    ResourceParam,
    asset,
)
from pydantic import Field

from ingestion_platform.assets.keys import OWNERS, TRAFFIC
from ingestion_platform.dates import today
from ingestion_platform.partitions import window_of
from ingestion_platform.resources.archive import Archive
from ingestion_platform.settings import Settings
from simulations.config import TrafficConfig
from simulations.history import write_day
from simulations.protocols import read_shares
from simulations.truth import TruthError


def traffic_asset(daily: DailyPartitionsDefinition, policy: BackfillPolicy, hits_a_day: int) -> AssetsDefinition:
    """The asset, with `hits_a_day` as the default of its run config."""

    class SimulationConfig(Config):
        hits: int = Field(default=hits_a_day, ge=1, description="Hits a day, about: weekdays and seasons differ.")
        seed: int = Field(
            default=TrafficConfig().seed, ge=0, description="Another seed is another history of the same shape."
        )
        protocols: str = Field(
            default="",
            description="Shares of the visits' protocols, as in v1=0.6,ga4=0.2,ga4_mp=0.1,segment=0.1; empty: all v1.",
        )

    @asset(
        key=TRAFFIC,
        partitions_def=daily,
        backfill_policy=policy,
        group_name="simulations",
        owners=OWNERS,
        kinds={"python", "gzip"},
        description="Simulated e-commerce traffic of past dates, written as archive objects; repeatable by date and seed.",
    )
    def traffic(
        context: AssetExecutionContext,
        config: SimulationConfig,
        archive: ResourceParam[Archive],
        settings: ResourceParam[Settings],
    ) -> MaterializeResult[None]:
        window = window_of(list(context.partition_keys))
        if window.end > today():
            raise Failure(f"{today()} is not over: traffic is simulated for past dates only; choose dates before today")
        try:
            protocols = read_shares(config.protocols)
        except ValueError as error:
            raise Failure(f"protocols {error}") from None
        shape = TrafficConfig(seed=config.seed, hits_per_day=config.hits, protocols=protocols)
        for day in window.days:
            try:
                written = write_day(archive.put, day, shape, settings.truth_folder)
            except TruthError as error:
                raise Failure(f"{error}") from None
            metadata = {"lines": written.lines, "objects": written.objects, "compressed bytes": written.bytes}
            context.add_asset_metadata(metadata, partition_key=day.isoformat())
            context.log.info(f"{day}: {written.lines} lines in {written.objects} objects")
        return MaterializeResult()

    return traffic
