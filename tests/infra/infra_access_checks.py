"""The checks on who may do what on AWS: functions from a recorded graph to a list of problems, like infra_checks.py.

The expectation is a table (`MAY`): for each role its calls and what it may make them on. Everything else that any AWS
service offers, on our own resources and on look-alikes, must be refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from infra_checks import find
from infra_harness import EXTERNAL_ID, ROOT, SNOWFLAKE_USER_ARN, Graph
from infra_policies import allowed_calls, denies, is_allowed, lint, mentioned_actions, statements

from collector import archive_keys


def identity_policies(graph: Graph) -> dict[str, list[Mapping[str, Any]]]:
    """Statements by role (its logical name); those for the platform under their own names."""
    roles = {node.inputs["name"]: node.name for node in graph.of("Role")}
    policies: dict[str, list[Mapping[str, Any]]] = {name: [] for name in roles.values()}
    for node in graph.of("RolePolicy"):
        policies[roles[node.inputs["role"]]] += statements(node.inputs["policy"])
    for node in graph.of("Policy"):
        policies[node.name] = statements(node.inputs["policy"])
    return policies


def _arns(graph: Graph) -> dict[str, str]:
    """ARNs of everything, and of look-alikes that nobody may touch, by a short label."""
    bucket = "arn:aws:s3:::" + find(graph, "archive Bucket").inputs["bucket"]
    logs_bucket = "arn:aws:s3:::" + find(graph, "step-logs Bucket").inputs["bucket"]
    provider = graph.named("aws", "pulumi:providers:aws").inputs
    region, account = provider["region"], json.loads(provider["allowedAccountIds"])[0]
    at = f"{region}:{account}"
    names = {node.name: node.inputs["name"] for node in graph.of("LogGroup")}
    queue, stuck = (find(graph, label).inputs["name"] for label in ("fallback Queue", "fallback-stuck Queue"))
    stream = find(graph, "delivery FirehoseDeliveryStream").inputs["name"]
    logs = {
        label: f"arn:aws:logs:{at}:log-group:{names[group]}:log-stream:{name}"
        for label, group, name in (
            ("collector log", "collector-log", "2026/11/22/[$LATEST]a"),
            ("redrive log", "redrive-log", "2026/11/22/[$LATEST]b"),
            ("delivery log", "delivery-log", "delivery"),
            ("access log", "endpoint-access-log", "c"),
        )
    }
    logs["other log"] = logs["collector log"].replace(":log-stream:", "-2:log-stream:")
    return {
        **logs,
        "bucket": bucket,
        "hits": f"{bucket}/{archive_keys.DATA_PREFIX}2026/11/22/14/a.gz",
        "corrections": f"{bucket}/{archive_keys.DATA_PREFIX}2026/11/22/14/{archive_keys.RECOLLECTED}-1-a.gz",
        "failed hits": f"{bucket}/{archive_keys.ERROR_PREFIX}processing-failed/2026/11/22/14/a",
        "marker": f"{bucket}/{archive_keys.MARKER_KEY}",
        "other key": f"{bucket}/private/a",
        "other bucket": bucket + "-copy",
        "key of other bucket": f"{bucket}-copy/{archive_keys.DATA_PREFIX}a.gz",
        "step logs": logs_bucket,
        "step log": f"{logs_bucket}/{STEP_LOGS_PREFIX}storage/run/compute_logs/step.out",
        "other key of step logs": f"{logs_bucket}/private/a",
        "stream": f"arn:aws:firehose:{at}:deliverystream/{stream}",
        "other stream": f"arn:aws:firehose:{at}:deliverystream/{stream}-2",
        "queue": f"arn:aws:sqs:{at}:{queue}",
        "stuck queue": f"arn:aws:sqs:{at}:{stuck}",
        "other queue": f"arn:aws:sqs:{at}:{queue}-2",
        "function": f"arn:aws:lambda:{at}:function:"
        + find(graph, "collector aws:lambda/function:Function").inputs["name"],
        "topic": f"arn:aws:sns:{at}:" + find(graph, "alerts Topic").inputs["name"],
        "role": f"arn:aws:iam::{account}:role/" + find(graph, "collector-role").inputs["name"],
        "anything": "*",
    }


# As deploy/dagster.yaml has it.
_INSTANCE = (ROOT / "deploy" / "dagster.yaml").read_text()
STEP_LOGS_PREFIX = re.findall(r"(?m)^    prefix: (\S+)$", _INSTANCE)[0] + "/"
_LIST = [("s3:ListBucket", "bucket")]
_READ = [
    ("s3:GetBucketLocation", "bucket"),
    *((action, key) for action in ("s3:GetObject", "s3:GetObjectVersion") for key in ("hits", "corrections")),
]
MAY: dict[str, list[tuple[str, str]]] = {
    "collector-role": [
        ("logs:CreateLogStream", "collector log"),
        ("logs:PutLogEvents", "collector log"),
        ("firehose:PutRecordBatch", "stream"),
        ("sqs:SendMessage", "queue"),
    ],
    "redrive-role": [
        ("logs:CreateLogStream", "redrive log"),
        ("logs:PutLogEvents", "redrive log"),
        ("firehose:PutRecordBatch", "stream"),
        ("sqs:DeleteMessage", "queue"),
        ("sqs:GetQueueAttributes", "queue"),
        ("sqs:ReceiveMessage", "queue"),
    ],
    "delivery-role": [
        ("s3:GetBucketLocation", "bucket"),
        ("s3:ListBucket", "bucket"),
        ("s3:ListBucketMultipartUploads", "bucket"),
        *(
            (action, key)
            for action in ("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject")
            for key in ("hits", "corrections", "failed hits")
        ),
        ("logs:PutLogEvents", "delivery log"),
    ],
    "snowpipe-role": [*_READ, *_LIST],
    "platform-reads-archive": [
        *_READ,
        *_LIST,
        ("s3:GetObject", "marker"),
        ("s3:PutObject", "marker"),
        ("s3:PutObject", "corrections"),
    ],
    "step-logs-policy": [
        ("s3:ListBucket", "step logs"),
        *(
            (action, "step log")
            for action in ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject")
        ),
    ],
}

# Which bucket each of them may list, and under which prefix.
LISTS = {
    "snowpipe-role": ("bucket", archive_keys.DATA_PREFIX),
    "platform-reads-archive": ("bucket", archive_keys.DATA_PREFIX),
    "step-logs-policy": ("step logs", STEP_LOGS_PREFIX),
}


def policy_problems(graph: Graph) -> list[str]:
    """Each role may do exactly its calls on exactly its ARNs: any call of any AWS service it may make besides, or
    cannot make.
    """
    arns = _arns(graph)
    labels = {arn: label for label, arn in arns.items()}
    problems = []
    for role, policies in identity_policies(graph).items():
        bucket, prefix = LISTS.get(role, ("bucket", archive_keys.DATA_PREFIX))
        listing = {"s3:prefix": f"{prefix}2026/11/22/"}
        may = {(action, labels[arn]) for action, arn in allowed_calls(policies, arns.values(), listing)}
        wanted = set(MAY.get(role, []))
        problems += [f"{role} may call {action} on {label}" for action, label in sorted(may - wanted)]
        problems += [f"{role} cannot call {action} on {label}" for action, label in sorted(wanted - may)]
        if role in LISTS:
            for elsewhere in ({"s3:prefix": "private/"}, {}):
                if is_allowed(policies, "s3:ListBucket", arns[bucket], context=elsewhere):
                    problems.append(f"{role} may list the {bucket} outside {prefix}")
    platform = identity_policies(graph)["platform-reads-archive"]
    marker = {"s3:prefix": archive_keys.MARKER_KEY}
    if not is_allowed(platform, "s3:ListBucket", arns["bucket"], context=marker):
        problems.append("the platform cannot look whether the archive has a marker")
    return problems + [f"{role} is expected and missing" for role in MAY if role not in identity_policies(graph)]


def trust_problems(graph: Graph) -> list[str]:
    """Each role can be taken by exactly its service or user, under exactly its condition."""
    account = _arns(graph)["stream"].split(":")[4]
    lambda_, firehose = {"Service": "lambda.amazonaws.com"}, {"Service": "firehose.amazonaws.com"}
    snowflake, stranger = {"AWS": SNOWFLAKE_USER_ARN}, {"AWS": "arn:aws:iam::666677778888:user/stranger"}
    callers = [lambda_, firehose, snowflake, stranger, {"AWS": "*"}, {"Service": "ec2.amazonaws.com"}]
    ids = ["", account, EXTERNAL_ID]
    wanted = {
        "collector-role": [(lambda_, external_id) for external_id in ids],
        "redrive-role": [(lambda_, external_id) for external_id in ids],
        "delivery-role": [(firehose, account)],
        "snowpipe-role": [(snowflake, EXTERNAL_ID)],
    }
    problems = []
    for role in graph.of("Role"):
        trust = statements(role.inputs["assumeRolePolicy"])
        takes = [
            (caller, external_id)
            for caller in callers
            for external_id in ids
            if is_allowed(
                trust,
                "sts:AssumeRole",
                principal=caller,
                context={"sts:ExternalId": external_id} if external_id else {},
            )
        ]
        if takes != wanted[role.name]:
            problems.append(f"{role.name} can be taken by {takes}")
    return problems


def resource_policy_problems(graph: Graph) -> list[str]:
    """Bucket and queues refuse plain HTTP and open nothing; the topic takes our alarms and budget only."""
    arns = _arns(graph)
    account = arns["stream"].split(":")[4]
    problems = []
    targets = {"archive-tls": ("s3:GetObject", "hits"), "fallback-tls": ("sqs:SendMessage", "queue")}
    targets["step-logs-tls"] = ("s3:GetObject", "step log")
    targets["fallback-stuck-tls"] = ("sqs:ReceiveMessage", "stuck queue")
    for name, (action, label) in targets.items():
        policy = statements(find(graph, name).inputs["policy"])
        if not denies(policy, action, arns[label], {"aws:SecureTransport": "false"}):
            problems.append(f"{name} lets plain HTTP through")
        if denies(policy, action, arns[label], {"aws:SecureTransport": "true"}):
            problems.append(f"{name} refuses everybody")
        if any(statement["Effect"] == "Allow" for statement in policy):
            problems.append(f"{name} opens it to somebody")
    topic = statements(find(graph, "alerts-policy").inputs["policy"])
    calls = {action for action, _ in mentioned_actions(topic)}
    services = [f"{name}.amazonaws.com" for name in ("cloudwatch", "budgets", "s3", "lambda")]
    may = {
        (service, action, source)
        for service in services
        for action in calls | {"sns:Subscribe"}
        for source in (account, "666677778888")
        if is_allowed(
            topic, action, arns["topic"], principal={"Service": service}, context={"aws:SourceAccount": source}
        )
    }
    if may != {(service, "sns:Publish", account) for service in services[:2]}:
        problems.append(f"the topic takes {sorted(may)}")
    return problems


def lint_problems(graph: Graph) -> list[str]:
    """The linter's findings on every policy and trust policy."""
    problems = []
    for node in graph.nodes.values():
        for key in ("policy", "assumeRolePolicy"):
            if key in node.inputs:
                document = json.loads(node.inputs[key])
                for statement in document["Statement"]:
                    statement.setdefault(
                        "Resource", "arn:aws:iam::123456789012:role/any"
                    )  # it wants one in trust policies too
                problems += [f"{node.name}: {finding}" for finding in lint(json.dumps(document))]
    return problems
