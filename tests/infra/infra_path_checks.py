"""The checks on the path a hit takes on AWS, part by part: functions from a recorded graph to a list of problems.

What the collector expects (key layout, settings, routes) is taken from the collector itself, which the program may
not import.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra_checks import find
from infra_harness import Graph

from collector import archive_keys, web
from collector.protocols import routes
from collector.settings import CloudSettings, Settings, SettingsError

READABLE_AT_ONCE = {"STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"}
COLLECTOR_ROUTES = {
    *(f"{method} {path}" for path in ("/collect", "/j/collect", "/r/collect") for method in ("GET", "HEAD", "POST")),
    "POST /batch",
    *(f"{method} {path}" for path, route in routes.ROUTES.items() for method in route.methods),
    "GET /health",
    "GET /robots.txt",
}


def archive_problems(graph: Graph) -> list[str]:
    """A bucket that is open, unversioned, unencrypted, or whose objects a replay could not read."""
    closed, versions = find(graph, "archive-closed").inputs, find(graph, "archive-versions").inputs
    locks = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    problems = [f"archive: {lock} is off" for lock in locks if closed.get(lock) is not True]
    if versions["versioningConfiguration"]["status"] != "Enabled":
        problems.append("archive: not versioned")
    encryption = find(graph, "archive-encryption").inputs["rules"][0]["applyServerSideEncryptionByDefault"]
    if encryption["sseAlgorithm"] not in ("AES256", "aws:kms"):
        problems.append("archive: not encrypted")
    for rule in find(graph, "archive-lifecycle").inputs["rules"]:
        problems += [
            f"archive: {step['storageClass']} cannot be read by a replay"
            for step in rule.get("transitions", [])
            if step["storageClass"] not in READABLE_AT_ONCE
        ]
        if "expiration" in rule:
            problems.append("archive: objects expire")
    return problems


def step_log_problems(graph: Graph) -> list[str]:
    """A bucket of logs that is open or unencrypted, or that only grows."""
    closed = find(graph, "step-logs-closed").inputs
    locks = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    problems = [f"step logs: {lock} is off" for lock in locks if closed.get(lock) is not True]
    if not find(graph, "step-logs-encryption").inputs["rules"]:
        problems.append("step logs: not encrypted")
    rules = find(graph, "step-logs-lifecycle").inputs["rules"]
    if not any(rule["status"] == "Enabled" and rule.get("expiration", {}).get("days") for rule in rules):
        problems.append("step logs: never expire")
    return problems


def delivery_problems(graph: Graph) -> list[str]:
    """A stream that does not write the archive's key layout, compressed, encrypted, with its errors told."""
    stream = find(graph, "delivery FirehoseDeliveryStream").inputs
    target = stream["extendedS3Configuration"]
    problems = []
    if target["prefix"] != archive_keys.DATA_PREFIX:
        problems.append(f"delivery: prefix {target['prefix']} is not the archive's")
    if not target["errorOutputPrefix"].startswith(archive_keys.ERROR_PREFIX):
        problems.append(f"delivery: failed records go to {target['errorOutputPrefix']}")
    if target["compressionFormat"] != "GZIP":
        problems.append("delivery: objects are not gzip")
    if (
        stream["serverSideEncryption"]["enabled"] is not True
        or target["cloudwatchLoggingOptions"]["enabled"] is not True
    ):
        problems.append("delivery: not encrypted, or errors are not logged")
    return problems


class _Asked(dict[str, str]):
    """An environment that remembers which of its names were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.names.add(key)
        return super().get(key, default)


def environment_problems(graph: Graph) -> list[str]:
    """A variable that the collector does not read or refuses, or one that points elsewhere."""
    problems = []
    stream, queue = find(graph, "delivery FirehoseDeliveryStream"), find(graph, "fallback Queue")
    for name, readers in (("collector", (Settings, CloudSettings)), ("redrive", (CloudSettings,))):
        function = find(graph, f"{name} aws:lambda/function:Function")
        given = _Asked(function.inputs["environment"]["variables"])
        try:
            for reader in readers:
                reader.from_environment(given)
        except SettingsError as error:
            problems.append(f"{name}: {error}")
        # What can be set on a laptop can be set in AWS: a reader that asks for more than it is given has an unset limit.
        if name == "collector":
            problems += [
                f"{name}: {variable} cannot be set" for variable in sorted(given.names - set(given) - {"TRACKING_IDS"})
            ]
        problems += [f"{name}: nobody reads {variable}" for variable in sorted(set(given) - given.names)]
        if given.get("DELIVERY_STREAM") != stream.inputs["name"]:
            problems.append(f"{name}: DELIVERY_STREAM is not the stream")
        if name == "collector" and queue.inputs["name"] != (given.get("FALLBACK_QUEUE_URL") or "").rpartition("/")[2]:
            problems.append("collector: FALLBACK_QUEUE_URL is not the fallback queue")
    return problems


def function_problems(graph: Graph) -> list[str]:
    """Functions on another architecture, an old Python, with text logs or with a log group that keeps for ever."""
    problems = []
    for function in graph.of("aws:lambda/function:Function"):
        given = function.inputs
        if given["architectures"] != ["arm64"] or given["runtime"] not in ("python3.13", "python3.14"):
            problems.append(f"{function.name}: {given['architectures']} {given['runtime']}")
        if given["loggingConfig"]["logFormat"] != "JSON":
            problems.append(f"{function.name}: logs are not JSON")
    for group in graph.of("LogGroup"):
        if not group.inputs.get("retentionInDays"):
            problems.append(f"{group.name}: keeps its lines for ever")
    return problems


def route_problems(graph: Graph) -> list[str]:
    """Routes that are not the collector's, in an old payload format, without the function's permission or with too
    much of it.
    """
    api, stage = find(graph, "endpoint Api").inputs, find(graph, "endpoint-stage").inputs
    declared = {node.inputs["routeKey"] for node in graph.of("Route")}
    problems = [f"route {route}: missing or not the collector's" for route in declared ^ COLLECTOR_ROUTES]
    (integration,) = graph.of("apigatewayv2/integration:Integration") or graph.of(
        "aws:apigatewayv2/integration:Integration"
    )
    if integration.inputs["payloadFormatVersion"] != "2.0":
        problems.append(f"payload format {integration.inputs['payloadFormatVersion']}")
    allowed = {node.inputs["sourceArn"].partition("/*/")[2].replace("/", " /", 1) for node in graph.of("Permission")}
    problems += [f"permission {route}: missing, or for no route" for route in allowed ^ declared]
    if any(node.inputs["principal"] != "apigateway.amazonaws.com" for node in graph.of("Permission")):
        problems.append("a permission is for another caller than the gateway")
    if "*" in api["corsConfiguration"]["allowOrigins"] or not api["corsConfiguration"]["allowOrigins"]:
        problems.append("CORS is open to all origins, or to none")
    wanted = set(web.ALLOWED_HEADERS.split(", ")) - set(api["corsConfiguration"]["allowHeaders"])
    problems += [f"scripts cannot send {header}" for header in sorted(wanted)]
    # The headers that the collector's own answers carry for scripts (collector/web.py).
    hidden = {"retry-after", "x-event-id"} - set(api["corsConfiguration"].get("exposeHeaders", []))
    problems += [f"scripts cannot read {header}" for header in sorted(hidden)]
    limits = stage["defaultRouteSettings"]
    if not (limits.get("throttlingRateLimit") and limits.get("throttlingBurstLimit")):
        problems.append("requests are not throttled")
    log = stage["accessLogSettings"]["format"]
    problems += [
        f"the access log keeps {word}"
        for word in ("sourceIp", "queryString", "userAgent", "path")
        if word.lower() in log.lower()
    ]
    return problems


def fallback_problems(graph: Graph) -> list[str]:
    """Parked hits that would be lost, or never come back."""
    queue, stuck, poll = (
        find(graph, label).inputs for label in ("fallback Queue", "fallback-stuck Queue", "redrive-poll")
    )
    redrive = find(graph, "redrive aws:lambda/function:Function").inputs
    policy = json.loads(queue["redrivePolicy"])
    problems = []
    if not policy["deadLetterTargetArn"].endswith(stuck["name"]):
        problems.append("hits that stay refused are dropped")
    # Firehose keeps trying a destination for a day: less would fill the stuck queue during one of its outages.
    if policy["maxReceiveCount"] * queue["visibilityTimeoutSeconds"] < 24 * 3600:
        problems.append("the redrive gives up within a day")
    if queue["visibilityTimeoutSeconds"] < 6 * redrive["timeout"]:
        problems.append("a message may be seen twice while the redrive works on it")
    if poll["functionResponseTypes"] != ["ReportBatchItemFailures"]:
        problems.append("one failed message sends its whole batch back")
    if min(item["messageRetentionSeconds"] for item in (queue, stuck)) < 14 * 24 * 3600:
        problems.append("messages expire before two weeks")
    return problems + [
        f"{node.name} is not encrypted" for node in graph.of("Queue") if not node.inputs.get("sqsManagedSseEnabled")
    ]


def announcement_problems(graph: Graph) -> list[str]:
    """S3 does not tell the pipe of each new object of the archive, and of nothing else."""
    given = find(graph, "snowpipe-announce").inputs["queues"]
    good = (
        len(given) == 1
        and given[0]["filterPrefix"] == archive_keys.DATA_PREFIX
        and given[0]["events"] == ["s3:ObjectCreated:*"]
    )
    return [] if good and "filterSuffix" not in given[0] else [f"notification: {given}"]
