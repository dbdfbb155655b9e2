"""The checks on the Snowflake side: functions from a recorded graph to a list of problems.

No Snowflake can be asked here, so these compare what was recorded with tables written down apart from the program.
"""

from __future__ import annotations

import json
import re
from typing import Any

from infra_checks import find
from infra_harness import EXTERNAL_ID, Graph

MODELS = ("EVENTS", "EVENTS_LIVE", "STATS")
READERS = {"STATS": "READ", "EVENTS": "READ_EVENTS", "EVENTS_LIVE": "READ_EVENTS"}
CHANGE = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"})
USE = frozenset({"USAGE"})
# Role, what on, privileges: all of them. `*` after a kind means those to come.
GRANTS: set[tuple[str, str, frozenset[str]]] = {
    *((role, "DATABASE", USE) for role in ("READ", "LOAD", "WRITE")),
    ("READ", "WAREHOUSE READERS_WH", USE),
    *((role, "WAREHOUSE WH", USE) for role in ("LOAD", "WRITE")),
    # READ sees statistics; whoever is to see what visitors sent is given READ_EVENTS, by name.
    *((role, f"SCHEMA {schema}", USE) for schema, role in READERS.items()),
    *(
        (role, f"{kind}* {schema}", frozenset({"SELECT"}))
        for schema, role in READERS.items()
        for kind in ("TABLES", "VIEWS")
    ),
    *(("WRITE", f"SCHEMA {schema}", USE | {"CREATE TABLE", "CREATE VIEW"}) for schema in MODELS),
    *(("WRITE", f"TABLES* {schema}", CHANGE) for schema in MODELS),
    ("WRITE", "SCHEMA STAGING", USE | {"CREATE VIEW"}),
    # What is staged nobody reads but the run that made it, and so owns it.
    ("WRITE", "SCHEMA STAGED", USE | {"CREATE TABLE", "CREATE VIEW"}),
    ("LOAD", "SCHEMA RAW", USE | {"CREATE TABLE"}),
    ("LOAD", "TABLES* RAW", CHANGE),
    ("LOAD", "TABLE RAW.LOGS", CHANGE),
    ("LOAD", "TABLE RAW.LOAD_HISTORY", CHANGE),
    ("LOAD", "STAGE RAW.ARCHIVE", USE),
    ("LOAD", "FILE FORMAT RAW.ARCHIVE_JSON", USE),
    ("LOAD", "PIPE RAW.ARCHIVE", frozenset({"MONITOR", "OPERATE"})),
}
INHERITANCE = {
    ("READ", "READ_EVENTS"),
    ("READ_EVENTS", "WRITE"),
    ("LOAD", "WRITE"),
    ("WRITE", "SYSADMIN"),
    ("WRITE", "PLATFORM"),
}


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
        on = given["onAccountObject"]
        if on["objectType"] == "WAREHOUSE":
            return f"WAREHOUSE {on['objectName'].removeprefix(f'{database}_')}"
        return str(on["objectType"])
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
    """A warehouse without a limit that stops it and tells somebody, or that runs on for ever."""
    admin = graph.named("snowflake", "pulumi:providers:snowflake").inputs
    sql = graph.exports["snowflakeAccountSql"]
    monitors = {node.inputs["name"]: node.inputs for node in graph.of("ResourceMonitor")}
    problems = []
    for label in ("platform", "readers"):
        node = find(graph, f"compute-{label}")
        given, name = node.inputs, node.inputs["name"]
        if not 0 < given["autoSuspend"] <= 600 or given["autoResume"] != "true":
            problems.append(f"{name} does not suspend and resume by itself")
        if admin["role"] == "ACCOUNTADMIN":
            monitor = monitors.get(given.get("resourceMonitor"), {})
            if not monitor.get("suspendTrigger", 1000) <= 100 or not monitor.get("notifyUsers"):
                problems.append(f"{name} has no limit that stops it and tells somebody")
            continue
        # Another role can make no monitor: the SQL for an administrator must, and the program must leave it in peace.
        assigned = re.search(rf"^alter warehouse {name} set resource_monitor = (\w+);$", sql, re.M)
        limit = rf"^alter resource monitor {assigned[1] if assigned else name} set credit_quota = \d+ notify_users = \(\w+.*\) triggers .*on 100 percent do suspend "
        if not assigned or not re.search(limit, sql, re.M) or "resourceMonitor" not in node.ignore_changes:
            problems.append(f"{name} gets no limit that stops it and tells somebody")
        if given.get("resourceMonitor") or monitors:
            problems.append(f"role {admin['role']} cannot make or assign resource monitors")
    return problems


def user_problems(graph: Graph) -> list[str]:
    """A service user who could sign in otherwise than by key, or from anywhere; schemas that open themselves."""
    user, policy = find(graph, "access-user").inputs, find(graph, "access-network").inputs
    problems = []
    if user.get("networkPolicy") != policy["name"] or not policy.get("allowedIpLists"):
        problems.append("the service user may sign in from anywhere")
    if not user.get("rsaPublicKey") or "password" in user or user["defaultSecondaryRolesOption"] != "NONE":
        problems.append("the service user signs in otherwise, or takes on more roles")
    if (
        user["defaultWarehouse"] != find(graph, "compute-platform").inputs["name"]
        or user["defaultRole"] != find(graph, "access-write").inputs["name"]
    ):
        problems.append("the service user starts elsewhere")
    preview = json.loads(graph.named("snowflake", "pulumi:providers:snowflake").inputs["previewFeaturesEnabled"])
    if set(preview) != {"snowflake_table_resource", "snowflake_pipe_resource"}:
        problems.append(f"preview features: {preview}")
    schemas = {node.inputs["name"]: node.inputs for node in graph.of("Schema")}
    if set(schemas) != {"RAW", "STAGING", "STAGED", *MODELS} or any(
        given["withManagedAccess"] != "true" for given in schemas.values()
    ):
        problems.append(f"schemas {sorted(schemas)}, or one without managed access")
    return problems


def retention_problems(graph: Graph) -> list[str]:
    """RAW or what is staged with seven days of fail-safe, or models without their database's rules."""
    transient = {node.inputs["name"] for node in graph.of("Schema") if node.inputs["isTransient"] == "true"}
    unkept = {node.inputs["name"] for node in graph.of("Schema") if node.inputs.get("dataRetentionTimeInDays") == 0}
    problems = [] if transient == {"RAW", "STAGED"} else [f"transient schemas: {sorted(transient)}"]
    return problems if unkept == {"STAGED"} else [*problems, f"schemas without time travel: {sorted(unkept)}"]
