"""The Snowflake side that holds and computes: database, schemas, raw tables, one warehouse under a credit limit.

Schemas have managed access: only their owner grants on what is in them, so a model cannot open itself. The credit
limit covers the warehouse; Snowpipe is serverless and billed apart (README, "Costs").
"""

from __future__ import annotations

import pulumi
import pulumi_snowflake as snowflake

from .names import MODEL_SCHEMAS, RAW_SCHEMA, STAGING_SCHEMA, Names
from .raw_tables import RawLayer, RawTable
from .setting_groups import SnowflakeSettings


class Warehouse(pulumi.ComponentResource):
    """`database`, `schemas` by name, `logs` and `load_history`, `compute` (the virtual warehouse)."""

    def __init__(
        self,
        name: str,
        names: Names,
        settings: SnowflakeSettings,
        raw: RawLayer,
        protect: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("clickstream:snowflake:Warehouse", name, None, opts)
        self._inside = pulumi.ResourceOptions(parent=self)
        self._holds_data = pulumi.ResourceOptions(parent=self, protect=protect)

        self.database = snowflake.Database(
            name,
            name=names.database,
            drop_public_schema_on_creation=True,
            data_retention_time_in_days=1,
            opts=self._holds_data,
        )
        self.schemas = {
            schema: snowflake.Schema(
                f"{name}-{schema.lower().replace('_', '-')}",
                name=schema,
                database=self.database.name,
                with_managed_access="true",
                opts=self._inside,
            )
            for schema in (RAW_SCHEMA, STAGING_SCHEMA, *MODEL_SCHEMAS)
        }
        self.logs = self._raw_table(f"{name}-logs", raw.logs)
        self.load_history = self._raw_table(f"{name}-load-history", raw.load_history)

        monitor = snowflake.ResourceMonitor(
            f"{name}-credits",
            name=names.snowflake("CREDITS"),
            credit_quota=settings.monthly_credits,
            frequency="MONTHLY",
            start_timestamp="IMMEDIATELY",
            notify_triggers=[50, 80],
            suspend_trigger=100,
            suspend_immediate_trigger=110,
            opts=self._inside,
        )
        self.compute = snowflake.Warehouse(
            f"{name}-compute",
            name=names.snowflake("WH"),
            warehouse_size=settings.warehouse_size,
            auto_suspend=settings.warehouse_suspend_seconds,
            auto_resume="true",
            initially_suspended=True,
            resource_monitor=monitor.name,
            statement_timeout_in_seconds=4 * 3600,
            opts=self._inside,
        )
        self.register_outputs({"database": self.database.name})

    def _raw_table(self, name: str, table: RawTable) -> snowflake.Table:
        return snowflake.Table(
            name,
            name=table.name,
            database=self.database.name,
            schema=self.schemas[RAW_SCHEMA].name,
            columns=[{"name": column, "type": type_} for column, type_ in table.columns.items()],
            cluster_bies=list(table.cluster_by) or None,
            # The provider turns a changed list of columns into ALTER TABLE … DROP COLUMN, which protection does not
            # stop. Columns of a table that holds data are changed by hand (README, "A new raw column").
            opts=pulumi.ResourceOptions.merge(self._holds_data, pulumi.ResourceOptions(ignore_changes=["columns"])),
        )
