"""`prepare`: parse the dbt project, so that importing the code location needs no subprocess."""

from __future__ import annotations

from ingestion_platform.resources.environments import dbt_project
from ingestion_platform.settings import Settings


def prepare(settings: Settings) -> None:
    """Write dbt's manifest for the settings' environment."""
    path = dbt_project(settings).prepare()
    print(f"dbt project parsed: {path}")
