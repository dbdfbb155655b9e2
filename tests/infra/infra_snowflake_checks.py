"""The checks on the Snowflake side: functions from a recorded graph to a list of problems.

No Snowflake can be asked here, so these compare what was recorded with tables written down apart from the program.
"""

from __future__ import annotations

import json
from typing import Any

from infra_checks import find
from infra_harness import EXTERNAL_ID, Graph

MODELS = ("EVENTS", "EVENTS_LIVE", "STATS")
CHANGE = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"})
USE = frozenset({"USAGE"})
# Role, what on, privileges: all of them. `*` after a kind means those to come.
GRANTS: set[tuple[str, str, frozenset[str]]] = {
    *((role, on, USE) for role in ("READ", "LOAD", "WRITE") for on in ("DATABASE", "WAREHOUSE")),
    *(("READ", f"SCHEMA {schema}", USE) for schema in MODELS),
    *(("READ", f"{kind}* {schema}", frozenset({"SELECT"})) for schema in MODELS for kind in ("TABLES", "VIEWS")),
    *(("WRITE", f"SCHEMA {schema}", USE | {"CREATE TABLE", "CREATE VIEW"}) for schema in MODELS),
    *(("WRITE", f"TABLES* {schema}", CHANGE) for schema in MODELS),
    ("WRITE", "SCHEMA STAGING", USE | {"CREATE VIEW"}),
    ("LOAD", "SCHEMA RAW", USE | {"CREATE TABLE"}),
    ("LOAD", "TABLES* RAW", CHANGE),
    ("LOAD", "TABLE RAW.LOGS", CHANGE),
    ("LOAD", "TABLE RAW.LOAD_HISTORY", CHANGE),
    ("LOAD", "STAGE RAW.ARCHIVE", USE),
    ("LOAD", "FILE FORMAT RAW.ARCHIVE_JSON", USE),
    ("LOAD", "PIPE RAW.ARCHIVE", frozenset({"MONITOR", "OPERATE"})),
}
INHERITANCE = {("READ", "WRITE"), ("LOAD", "WRITE"), ("WRITE", "SYSADMIN"), ("WRITE", "PLATFORM")}


def grant_problems(graph: Graph) -> list[str]:
    """Privileges beyond or short of the table, and grants that spread by themselves."""
    database = find(graph, "warehouse Database").inputs["name"]
    found: set[tuple[str, str, frozenset[str]]] = set()
    problems = []
    for node in graph.of("GrantPrivilegesToAccountRole"):
        given = node.inputs
        if given.get("allPrivileges") or given.get("withGrantOption") or given.get("onAccount"):
            problems.append(f"{node.name} grants more than a list of privileges")
        role = given["accountRoleName"].removeprefix(f"{database}_")
        found.add((role, _target(given, database), frozenset(given.get("privileges", []))))
    problems += [f"{role} has {sorted(what)} on {on}" for role, on, what in sorted(found - GRANTS, key=str)]
    problems += [f"{role} lacks {sorted(what)} on {on}" for role, on, what in sorted(GRANTS - found, key=str)]
    inherited = {
        tuple(
            str(node.inputs.get(key)).removeprefix(f"{database}_")
            for key in ("roleName", "parentRoleName" if "parentRoleName" in node.inputs else "userName")
        )
        for node in graph.of("GrantAccountRole")
    }
    if inherited != INHERITANCE:
        problems.append(f"roles are inherited otherwise: {sorted(inherited ^ INHERITANCE)}")
    return problems


def _target(given: dict[str, Any], database: str) -> str:
    if "onAccountObject" in given:
        return str(given["onAccountObject"]["objectType"])
    if "onSchema" in given:
        return f"SCHEMA {_short(given['onSchema']['schemaName'], database)}"
    on = given["onSchemaObject"]
    if "future" in on:
        return f"{on['future']['objectTypePlural']}* {_short(on['future']['inSchema'], database)}"
    return f"{on['objectType']} {_short(on['objectName'], database)}"


def _short(name: str, database: str) -> str:
    """RAW.LOGS of "CLICKSTREAM_PRODUCTION"."RAW"."LOGS"; another database stays visible."""
    return name.replace('"', "").removeprefix(f"{database}.")


def snowpipe_problems(graph: Graph) -> list[str]:
    """An integration, role, stage and pipe that do not speak of the same thing."""
    integration, stage, pipe = (
        find(graph, name).inputs for name in ("snowpipe-integration", "snowpipe-stage", "snowpipe-pipe")
    )
    role = find(graph, "snowpipe-role").inputs["name"]
    url = f"s3://{find(graph, 'archive Bucket').inputs['bucket']}/stream_data/"
    (account,) = json.loads(graph.named("aws", "pulumi:providers:aws").inputs["allowedAccountIds"])
    problems = []
    if integration["storageAllowedLocations"] != [url] or stage["url"] != url:
        problems.append(
            f"the stage reads {stage['url']}, the integration allows {integration['storageAllowedLocations']}"
        )
    if integration["storageAwsRoleArn"] != f"arn:aws:iam::{account}:role/{role}":
        problems.append(f"the integration names {integration['storageAwsRoleArn']}, the role is {role}")
    if integration["storageAwsExternalId"] != EXTERNAL_ID or stage["storageIntegration"] != integration["name"]:
        problems.append("external id or integration is another")
    if pipe["autoIngest"] is not True or find(graph, "snowpipe-pipe").on_error != ("wait-for-iam",):
        problems.append("the pipe does not ingest by itself, or does not wait for IAM")
    if "on_error = continue" not in pipe["copyStatement"]:
        problems.append("one bad line costs its whole file")
    return problems


def compute_problems(graph: Graph) -> list[str]:
    """A warehouse without a limit, that runs on for ever, or a user who could sign in otherwise than by key."""
    warehouse, monitor, user = (
        find(graph, name).inputs for name in ("warehouse-compute", "warehouse-credits", "access-user")
    )
    problems = []
    if warehouse["resourceMonitor"] != monitor["name"] or not monitor["suspendTrigger"] <= 100:
        problems.append("the warehouse has no limit that stops it")
    if not 0 < warehouse["autoSuspend"] <= 600 or warehouse["autoResume"] != "true":
        problems.append("the warehouse does not suspend and resume by itself")
    if not user.get("rsaPublicKey") or "password" in user or user["defaultSecondaryRolesOption"] != "NONE":
        problems.append("the service user signs in otherwise, or takes on more roles")
    if (
        user["defaultWarehouse"] != warehouse["name"]
        or user["defaultRole"] != find(graph, "access-write").inputs["name"]
    ):
        problems.append("the service user starts elsewhere")
    preview = json.loads(graph.named("snowflake", "pulumi:providers:snowflake").inputs["previewFeaturesEnabled"])
    if set(preview) != {"snowflake_table_resource", "snowflake_pipe_resource"}:
        problems.append(f"preview features: {preview}")
    schemas = {node.inputs["name"]: node.inputs for node in graph.of("Schema")}
    if set(schemas) != {"RAW", "STAGING", *MODELS} or any(
        given["withManagedAccess"] != "true" for given in schemas.values()
    ):
        problems.append(f"schemas {sorted(schemas)}, or one without managed access")
    return problems
