"""What dbt-duckdb calls when it has opened its database in memory: it gets a view a table of the lake.

dbt builds on a snapshot: the models of a run stage their rows as files and take the place of these views (see the materialization
replace_partitions), so that models further down and tests read what was staged. The database ends with the run.
"""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from ingestion_platform.resources.duckdb.lake import Lake
from ingestion_platform.resources.duckdb.proposal import show_lake
from ingestion_platform.resources.duckdb.views import literal


class Plugin(BasePlugin):
    """Named in profiles.yml. What it shows stands in the environment: a part of the profile would have dbt parse the project anew."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        # Not among the profile's settings, which are made anew for every statement.
        conn.execute("set global preserve_insertion_order = false")
        # Sorts that need more go to disk; left alone, DuckDB takes four fifths of the machine.
        conn.execute(f"set global memory_limit = {literal(os.environ.get('DUCKDB_MEMORY_LIMIT') or '5GB')}")
        folder = os.environ.get("LAKE_FOLDER")
        if not folder:
            return
        lake = Lake(Path(folder))
        at = os.environ.get("LAKE_SNAPSHOT")
        show_lake(conn, lake, lake.catalog.snapshot(int(at) if at else None), live=bool(os.environ.get("LAKE_LIVE")))
        if spill := os.environ.get("LAKE_SPILL"):
            conn.execute(f"set temp_directory = {literal(spill)}")
