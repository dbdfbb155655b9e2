"""The Snowflake side that holds: database, schemas and raw tables.

Schemas have managed access: only their owner grants on what is in them, so a model cannot open itself. RAW and STAGED are
transient: their tables can be loaded again from the archive, or built again, and seven days of fail-safe for what every
full reload replaces would be billed twice over. What is staged is dropped once it is published, and not kept for a day after.
"""

from __future__ import annotations

import pulumi
import pulumi_snowflake as snowflake

from .names import MODEL_SCHEMAS, RAW_SCHEMA, STAGED_SCHEMA, STAGING_SCHEMA, Names
from .raw_tables import RawLayer, RawTable


class Warehouse(pulumi.ComponentResource):
    """`database`, `schemas` by name, `logs` and `load_history`."""

    def __init__(
        self,
        name: str,
        names: Names,
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
                # "default" is the provider's word for what the database is: permanent.
                is_transient="true" if schema in (RAW_SCHEMA, STAGED_SCHEMA) else "default",
                data_retention_time_in_days=0 if schema == STAGED_SCHEMA else None,
                opts=self._holds_data if schema == RAW_SCHEMA else self._inside,
            )
            for schema in (RAW_SCHEMA, STAGING_SCHEMA, STAGED_SCHEMA, *MODEL_SCHEMAS)
        }
        self.logs = self._raw_table(f"{name}-logs", raw.logs)
        self.load_history = self._raw_table(f"{name}-load-history", raw.load_history)
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
