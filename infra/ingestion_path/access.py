"""Who may do what on Snowflake: four account roles and the service user of dbt and Dagster.

READ sees the statistics, which name no visitor. READ_EVENTS sees the models as well, and with them what visitors sent:
EVENTS.LOGS holds ids, addresses and whole request bodies, EVENTS.QUARANTINE whole records. It is granted to nobody but
WRITE. LOAD fills the raw tables. WRITE builds the models and inherits the others, so that one session of the platform
can load and build. SYSADMIN inherits WRITE, as Snowflake advises. Grants on future objects keep this true for tables
that a later model adds. The table of grants below is all there is: what it does not list is not allowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pulumi
import pulumi_snowflake as snowflake

from .compute import Compute
from .names import MODEL_SCHEMAS, OPEN_SCHEMAS, RAW_SCHEMA, STAGED_SCHEMA, STAGING_SCHEMA, Names
from .setting_groups import SnowflakeSettings
from .snowpipe_ingestion import SnowpipeIngestion
from .warehouse import Warehouse

ROLES = ("read", "read-events", "load", "write")
CHANGE_ROWS = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"]
Grant = tuple[str, str, list[str], dict[str, Any]]  # role, label, privileges, what they are on


class Access(pulumi.ComponentResource):
    """`read`, `read_events`, `load`, `write` (roles) and `user`."""

    def __init__(
        self,
        name: str,
        names: Names,
        warehouse: Warehouse,
        compute: Compute,
        snowpipe: SnowpipeIngestion,
        settings: SnowflakeSettings,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("clickstream:snowflake:Access", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        roles = {
            role: snowflake.AccountRole(
                f"{name}-{role}", name=names.snowflake(role.upper().replace("-", "_")), opts=inside
            )
            for role in ROLES
        }
        self.read, self.read_events, self.load, self.write = (roles[role] for role in ROLES)
        for role, parent in (
            ("read", self.read_events.name),
            ("read-events", self.write.name),
            ("load", self.write.name),
            ("write", "SYSADMIN"),
        ):
            snowflake.GrantAccountRole(
                f"{name}-{role}-inherited", role_name=roles[role].name, parent_role_name=parent, opts=inside
            )
        for role, label, privileges, target in _grants(warehouse, compute, snowpipe):
            snowflake.GrantPrivilegesToAccountRole(
                f"{name}-{role}-{label}",
                account_role_name=roles[role].name,
                privileges=privileges,
                **target,
                opts=inside,
            )
        policy = snowflake.NetworkPolicy(
            f"{name}-network",
            name=names.snowflake("PLATFORM"),
            allowed_ip_lists=list(settings.allowed_addresses),
            comment="from where the platform may sign in",
            opts=inside,
        )
        self.user = snowflake.ServiceUser(
            f"{name}-user",
            name=names.snowflake("PLATFORM"),
            comment="dbt and Dagster; signs in with a key pair, has no password",
            rsa_public_key=settings.public_key,
            rsa_public_key2=settings.next_public_key,
            default_role=self.write.name,
            default_warehouse=compute.platform.name,
            network_policy=policy.name,
            default_secondary_roles_option="NONE",
            opts=inside,
        )
        snowflake.GrantAccountRole(
            f"{name}-user-writes", role_name=self.write.name, user_name=self.user.name, opts=inside
        )
        self.register_outputs({"user": self.user.name})


def _grants(warehouse: Warehouse, compute: Compute, snowpipe: SnowpipeIngestion) -> Iterator[Grant]:
    database = {"on_account_object": {"object_type": "DATABASE", "object_name": warehouse.database.name}}
    for role in ("read", "load", "write"):
        yield role, "database", ["USAGE"], database
    for role, virtual in (("read", compute.readers), ("load", compute.platform), ("write", compute.platform)):
        yield (
            role,
            "compute",
            ["USAGE"],
            {"on_account_object": {"object_type": "WAREHOUSE", "object_name": virtual.name}},
        )

    raw = warehouse.schemas[RAW_SCHEMA].fully_qualified_name
    yield "load", "raw", ["USAGE", "CREATE TABLE"], {"on_schema": {"schema_name": raw}}
    yield "load", "raw-tables-to-come", CHANGE_ROWS, _to_come("TABLES", raw)
    for label, table in (("logs", warehouse.logs), ("load-history", warehouse.load_history)):
        yield "load", label, CHANGE_ROWS, _on("TABLE", table.fully_qualified_name)
    yield "load", "stage", ["USAGE"], _on("STAGE", snowpipe.stage.fully_qualified_name)
    yield "load", "file-format", ["USAGE"], _on("FILE FORMAT", snowpipe.file_format.fully_qualified_name)
    yield "load", "pipe", ["MONITOR", "OPERATE"], _on("PIPE", snowpipe.pipe.fully_qualified_name)

    staging = warehouse.schemas[STAGING_SCHEMA].fully_qualified_name
    yield "write", "staging", ["USAGE", "CREATE VIEW"], {"on_schema": {"schema_name": staging}}
    staged = warehouse.schemas[STAGED_SCHEMA].fully_qualified_name
    yield "write", "staged", ["USAGE", "CREATE TABLE", "CREATE VIEW"], {"on_schema": {"schema_name": staged}}

    for schema in MODEL_SCHEMAS:
        place, label = warehouse.schemas[schema].fully_qualified_name, schema.lower().replace("_", "-")
        reader = "read" if schema in OPEN_SCHEMAS else "read-events"
        yield reader, label, ["USAGE"], {"on_schema": {"schema_name": place}}
        yield "write", label, ["USAGE", "CREATE TABLE", "CREATE VIEW"], {"on_schema": {"schema_name": place}}
        for kind in ("TABLES", "VIEWS"):
            yield reader, f"{label}-{kind.lower()}-to-come", ["SELECT"], _to_come(kind, place)
        yield "write", f"{label}-tables-to-come", CHANGE_ROWS, _to_come("TABLES", place)


def _to_come(kind: str, schema: pulumi.Input[str]) -> dict[str, Any]:
    return {"on_schema_object": {"future": {"object_type_plural": kind, "in_schema": schema}}}


def _on(kind: str, name: pulumi.Input[str]) -> dict[str, Any]:
    return {"on_schema_object": {"object_type": kind, "object_name": name}}
