"""Asset keys, groups and the pool, each spelled once."""

from __future__ import annotations

from dagster import AssetKey

TRAFFIC = AssetKey(["simulations", "traffic"])
ARCHIVE_EVENTS = AssetKey(["archive", "events"])
RAW_LOGS = AssetKey(["raw", "logs"])
USER_AGENTS = AssetKey(["events", "user_agents"])
PUBLISHED_OVERVIEW = AssetKey(["published", "overview"])
DASHBOARD = AssetKey(["published", "dashboard"])
OVERVIEW_1D = AssetKey(["stats", "overview_1d"])

STATISTICS = [OVERVIEW_1D, *(AssetKey(["stats", name]) for name in ("overview_1h", "revenue_1h", "revenue_1d"))]
"""What is published."""

WAREHOUSE_POOL = "warehouse"
"""Every step that works on the warehouse claims a slot of this pool: memory is what it bounds (docs/decisions/writer-pool.md)."""

OWNERS = ["team:data-platform"]

ROW_COUNT = "dagster/partition_row_count"
"""Dagster's own metadata key for the rows of one partition."""
