"""The checks on a recorded graph, each a function from a graph to a list of problems (empty: all is well).

They are functions and not tests so that two kinds of test can use them: on the real program they must find nothing,
on a program with a defect put in (test_infra_mutations.py) they must find it.
"""

from __future__ import annotations

import io
import json

from dotenv import dotenv_values
from infra_harness import SECRETS, Graph, Node

# What must exist before what: (later, earlier). Most follow from outputs; those marked * only from depends_on.
EDGES = (
    ("delivery FirehoseDeliveryStream", "delivery-may-deliver"),  # *
    ("collector aws:lambda/function:Function", "collector-may-put-hits"),  # *
    ("collector aws:lambda/function:Function", "collector-may-park-hits"),  # *
    ("collector aws:lambda/function:Function", "collector-log"),
    ("redrive aws:lambda/function:Function", "redrive-may-put-hits"),  # *
    ("redrive-poll", "redrive-may-read-parked"),
    ("archive-tls", "archive-closed"),  # *
    ("step-logs-tls", "step-logs-closed"),  # *
    ("archive-lifecycle", "archive-versions"),  # *
    ("endpoint-stage", "endpoint-post-collect"),  # *
    ("alerts-budget", "alerts-policy"),  # *
    ("snowpipe-role", "snowpipe-integration"),
    ("snowpipe-pipe", "snowpipe-may-read"),  # *
    ("snowpipe-pipe", "warehouse-logs"),
    ("snowpipe-pipe", "snowpipe-stage"),
    ("snowpipe-announce", "snowpipe-pipe"),
    ("snowpipe-stage", "snowpipe-integration"),
)
# The circle must stay open: the integration may not wait for the role that trusts it.
NO_EDGES = (("snowpipe-integration", "snowpipe-role"),)

# What clients know; a record of a zone, not the one that proves a certificate.
ADDRESSES = ("Api", "DomainName", "Distribution")
EXPORTS = {
    "endpoint", "bucket", "stream", "database", "roles", "readersWarehouse", "snowflakeAccountSql", "stuckQueue", "dnsTarget", "collectorVersion", "platformPolicy", "stepLogsPolicy", "env",
}  # fmt: skip
ENV_NAMES = [
    "INGEST_ENV", "COLLECT_URL", "AWS_REGION", "ARCHIVE_BUCKET", "DAGSTER_LOGS_BUCKET", "DELIVERY_STREAM", "SNOWFLAKE_ACCOUNT",
    "SNOWFLAKE_USER", "SNOWFLAKE_ROLE", "SNOWFLAKE_WAREHOUSE", "SNOWFLAKE_DATABASE",
]  # fmt: skip


def edge_problems(graph: Graph) -> list[str]:
    """Dependencies that are missing, or that close the circle."""
    missing = [f"{later} does not wait for {earlier}" for later, earlier in EDGES if not _waits(graph, later, earlier)]
    return missing + [f"{later} waits for {earlier}" for later, earlier in NO_EDGES if _waits(graph, later, earlier)]


def _waits(graph: Graph, later: str, earlier: str) -> bool:
    return find(graph, earlier).urn in graph.leads_to(find(graph, later))


def find(graph: Graph, label: str) -> Node:
    """The one resource of a logical name, with its type (whole or last part) after a blank where names repeat."""
    name, _, type_ = label.partition(" ")
    found = [
        node
        for node in graph.nodes.values()
        if node.name == name and node.custom and (not type_ or node in graph.of(type_))
    ]
    assert len(found) == 1, f"{label}: {[node.urn for node in found]}"
    return found[0]


def structure_problems(graph: Graph) -> list[str]:
    """Two resources of one URN, orphans outside a component, and resources of a default provider (no tags, any
    account).
    """
    problems = [f"{urn} is declared twice" for urn in graph.duplicates]
    providers = {node.type.split(":")[-1]: node.urn for node in graph.nodes.values() if _is_provider(node)}
    for node in graph.nodes.values():
        if node.custom and not _is_provider(node):
            if not node.provider.startswith(providers[node.type.split(":")[0]] + "::"):
                problems.append(f"{node.name} is made by {node.provider or 'a default provider'}")
            if node.parent.split("::")[2] == "pulumi:pulumi:Stack" and node.name != "platform-reads-archive":
                problems.append(f"{node.name} stands outside every component")
    return problems


def _is_provider(node: Node) -> bool:
    return node.type.startswith("pulumi:providers:")


def tag_problems(graph: Graph) -> list[str]:
    """Default tags say which stack a cost belongs to; the provider refuses other accounts."""
    provider = graph.named("aws", "pulumi:providers:aws").inputs
    tags = json.loads(provider["defaultTags"])["tags"]
    wanted = {"project", "stack", "managed-by"}
    problems = [f"default tag {name} is missing" for name in wanted - set(tags)]
    if len(json.loads(provider.get("allowedAccountIds", "[]"))) != 1:
        problems.append("the provider would work in any account")
    return problems


def protection_problems(graph: Graph, protected: bool) -> list[str]:
    """What holds data, what closes it to others and what drops data by an update: protected and the bucket not emptied
    on deletion; or neither, if the stack says so.
    """
    holders = [
        find(graph, label)
        for label in ("warehouse Database", "warehouse-raw", "warehouse-logs", "warehouse-load-history")
    ]
    bucket = find(graph, "archive Bucket")
    # Whatever is declared of the bucket, the next setting included: without it the data would lie open, or be aged out.
    holders += [node for node in graph.nodes.values() if node.custom and node.parent == bucket.parent]
    holders += [node for type_ in ADDRESSES for node in graph.of(type_)]
    problems = [f"{node.name}: protect is not {protected}" for node in holders if node.protect is not protected]
    if bucket.inputs["forceDestroy"] is protected:
        problems.append("archive: forceDestroy contradicts protection")
    problems += [
        f"{node.name}: an update may drop columns"
        for node in graph.of("snowflake:index/table:Table")
        if "columns" not in node.ignore_changes
    ]
    return problems


def export_problems(graph: Graph) -> list[str]:
    """Missing outputs, an `.env` block that lacks a name, and any secret in an output."""
    problems = [f"output {name}: missing or unexpected" for name in set(graph.exports) ^ EXPORTS]
    block = str(graph.exports.get("env", ""))
    values = dotenv_values(stream=io.StringIO(block))
    if list(values) != ENV_NAMES:
        problems.append(f".env block: {list(values)}")
    # The platform's reader of .env gives each value as it was exported: nothing to quote, expand or cut at a `#`.
    if "".join(f"{name}={value}\n" for name, value in values.items()) != block:
        problems.append(f".env block is read otherwise than written: {values}")
    everything = json.dumps(graph.exports)
    problems += [
        "a secret is in an output"
        for secret in SECRETS.values()
        if secret in everything or json.dumps(secret)[1:-1] in everything
    ]
    return problems + [f"output {name} is secret: the block would not print" for name in graph.secret_exports]


def secrecy_problems(graph: Graph) -> list[str]:
    """A secret that would stand in the state in plain text."""
    problems = []
    for node in graph.nodes.values():
        for key, value in node.inputs.items():
            text = json.dumps(value, default=str)
            if key not in node.secret_inputs and any(json.dumps(secret)[1:-1] in text for secret in SECRETS.values()):
                if (
                    node.name == "snowpipe-role"
                    and "describeOutputs" in find(graph, "snowpipe-integration").secret_outputs
                ):
                    continue  # the engine marks it, because it comes from a secret output; the mocks cannot
                problems.append(f"{node.name}.{key} holds a secret in plain text")
    return problems
