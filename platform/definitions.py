"""The code location: assembles assets, checks, jobs and automation. Importing it reads the settings and dbt's manifest only."""

from __future__ import annotations

import warnings

from dagster import (
    BetaWarning,
    Definitions,
    PreviewWarning,
    ResourceDefinition,
    in_process_executor,
)

from ingestion_platform import settings as environment
from ingestion_platform.assets.archive_events import archive_asset, layout_check
from ingestion_platform.assets.change_checks import change_checks
from ingestion_platform.assets.checks import StatisticsChecks
from ingestion_platform.assets.dashboard import dashboard_asset
from ingestion_platform.assets.lineage import kept_lineage, with_lineage
from ingestion_platform.assets.links import Asset, linked
from ingestion_platform.assets.manifest import Models
from ingestion_platform.assets.models import exposures, live_models, partitioned_models
from ingestion_platform.assets.published import published_asset
from ingestion_platform.assets.raw_logs import raw_logs_asset
from ingestion_platform.assets.user_agents import user_agents_asset
from ingestion_platform.automation.alerts import alerts
from ingestion_platform.automation.jobs import asset_jobs
from ingestion_platform.automation.maintenance import maintenance_job, nightly
from ingestion_platform.automation.planning import plan_job
from ingestion_platform.automation.publication_jobs import publication_jobs
from ingestion_platform.automation.recollecting import recollect_job
from ingestion_platform.automation.recovery import recovery_job
from ingestion_platform.automation.refresh import refresh_job
from ingestion_platform.automation.schedules import hourly, late_objects
from ingestion_platform.beginning import first_partition
from ingestion_platform.partitions import backfill_policy, daily_partitions
from ingestion_platform.resources import environments
from ingestion_platform.resources.dbt_project import read_manifest
from ingestion_platform.settings import Environment, Settings

# Backfill policies, observable assets and owners of sensors are "beta" to Dagster: they are pinned, and tested here.
for category in (BetaWarning, PreviewWarning):
    warnings.filterwarnings("ignore", category=category)


def definitions(settings: Settings) -> Definitions:
    """The definitions for `settings`. Nothing is opened or connected to; looked up is where a laptop's archive begins."""
    models = Models.of(read_manifest(adapter=environments.ADAPTERS[settings.environment]))
    daily = daily_partitions(first_partition(settings))
    policy = backfill_policy(settings.partitions_per_run)
    # Nobody may simulate traffic into the archive that holds the real one: production does not even import it.
    simulated = settings.environment is not Environment.PRODUCTION
    checks = StatisticsChecks()
    traffic = []
    if simulated:
        from ingestion_platform.assets.simulated.expected_results import ExpectedResults
        from ingestion_platform.assets.simulated.traffic import traffic_asset

        checks = StatisticsChecks(ExpectedResults())
        traffic = [traffic_asset(daily, policy, settings.simulated_hits)]
    refresh = refresh_job(models, checks)
    # Snowflake keeps its own house.
    housekeeping = [maintenance_job()] if settings.environment is Environment.LOCAL else []
    assets: list[Asset] = [
        *traffic,
        archive_asset(daily, settings.partitions_start, [key for asset in traffic for key in asset.keys]),
        raw_logs_asset(daily, policy, settings.partitions_start),
        user_agents_asset(daily, policy),
        partitioned_models(models, daily, policy, checks),
        live_models(models),
        published_asset(daily, policy, checks),
        dashboard_asset(models),
        *exposures(models),
    ]
    return Definitions(
        assets=with_lineage(linked(assets, models, settings.source_url), models, kept_lineage()),
        asset_checks=[layout_check(settings.partitions_start), checks.definition(daily), change_checks(models, daily)],
        jobs=[
            refresh,
            recovery_job(models, checks),
            *publication_jobs(models, checks),
            plan_job(models),
            recollect_job(),
            *housekeeping,
            *asset_jobs(models, daily, simulated),
        ],
        schedules=[hourly(refresh), *map(nightly, housekeeping)],
        sensors=[late_objects(refresh), *alerts(settings)],
        # One process a run: the start-up of a process for each step is what small runs would pay for.
        executor=in_process_executor,
        resources={
            "archive": ResourceDefinition(lambda _: environments.archive(settings)),
            "warehouse": ResourceDefinition(lambda _: environments.warehouse(settings)),
            "dbt": ResourceDefinition(lambda _: environments.dbt_project(settings)),
            "settings": ResourceDefinition.hardcoded_resource(settings),
        },
    )


defs = definitions(environment.read())
