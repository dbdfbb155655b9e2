"""`prepare`: parse the dbt project, so that importing the code location needs no subprocess, and make what the dashboard's pages share."""

from __future__ import annotations

from ingestion_platform.assets.lineage import keep_lineage
from ingestion_platform.dashboard.shared import keep_shared
from ingestion_platform.resources.environments import dbt_project
from ingestion_platform.settings import Settings


def prepare(settings: Settings) -> None:
    """Write dbt's manifest for the settings' environment, where its columns come from, and what the dashboard's pages share."""
    path = dbt_project(settings).prepare()
    keep_shared()
    keep_lineage(path)
    print(f"dbt project parsed: {path}")
