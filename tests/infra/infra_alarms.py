"""Alarms as CloudWatch would see them: which metrics exist, and whether recorded points put an alarm off.

Nothing here can ask CloudWatch: moto stores alarms and evaluates none. The evaluator knows what our alarms use (one
metric or a sum of filled ones, all periods in a row, what a missing point counts as) and raises on anything else, so
that an alarm it misreads cannot pass.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import mean
from typing import Any

from infra_checks import find
from infra_harness import ROOT, Graph

Series = tuple[str, str, frozenset[tuple[str, str]]]  # namespace, metric, dimensions
Periods = Sequence[Sequence[float]]  # of five minutes, oldest first
Points = Mapping[Series, Periods]

VISIBLE, NOT_VISIBLE = "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"
# As AWS documents them, for the resources that we have.
AWS_METRICS = {
    "AWS/Firehose": {"DeliveryToS3.DataFreshness", "DeliveryToS3.Success", "ThrottledRecords", "IncomingRecords", "IncomingBytes", "BytesPerSecondLimit"},
    "AWS/Lambda": {"Errors", "Throttles", "Invocations", "Duration", "ConcurrentExecutions"},
    "AWS/SQS": {VISIBLE, NOT_VISIBLE},
    "AWS/ApiGateway": {"Count", "4xx", "5xx", "Latency"},
}  # fmt: skip
# For each alarm the points of its metrics while all is well, and in trouble. test_infra_alarms.py makes the trouble of
# some of them in an emulator as well.
PROOFS: dict[str, tuple[Mapping[str, Periods], Mapping[str, Periods]]] = {
    "delivery-late": ({"DeliveryToS3.DataFreshness": [[310, 290, 305]]}, {"DeliveryToS3.DataFreshness": [[310, 640, 1250]]}),
    "delivery-failing": ({"DeliveryToS3.Success": [[1, 1], []]}, {"DeliveryToS3.Success": [[1, 0]]}),
    "stream-throttled": ({"ThrottledRecords": [[0, 0], []]}, {"ThrottledRecords": [[0, 1]]}),
    "hits-undelivered": ({"Undelivered": [[0] * 900, []]}, {"Undelivered": [[0] * 900 + [1]]}),
    "hits-parked": ({"Queued": [[0] * 900, []]}, {"Queued": [[0] * 900 + [1]]}),
    "redrive-undelivered": ({"Undelivered": [[1], [1], [0]]}, {"Undelivered": [[0, 1], [0, 1], [0, 1]]}),
    "fallback-waiting": (
        {VISIBLE: [[4]] * 5 + [[0]], NOT_VISIBLE: [[0]] * 6},
        {VISIBLE: [[0], [1], [0], [0], [0], [0]], NOT_VISIBLE: [[1], [0], [1], [1], [1], [1]]},
    ),
    "hits-stuck": ({VISIBLE: [[0]], NOT_VISIBLE: [[0]]}, {VISIBLE: [[0]], NOT_VISIBLE: [[1]]}),
    "collector-errors": ({"Errors": [[0] * 900, []]}, {"Errors": [[0] * 900 + [1]]}),
    "collector-throttles": ({"Throttles": [[0] * 900, []]}, {"Throttles": [[0] * 900 + [1]]}),
    "redrive-errors": ({"Errors": [[0], []]}, {"Errors": [[1]]}),
    "redrive-throttles": ({"Throttles": [[0], []]}, {"Throttles": [[1]]}),
    "endpoint-5xx": ({"5xx": [[0] * 900, []]}, {"5xx": [[0] * 900 + [1]]}),
    "endpoint-throttled": ({"Throttled": [[]]}, {"Throttled": [[1]]}),
    "endpoint-silent": ({"Count": [[120]] + [[]] * 11}, {"Count": [[120]] + [[]] * 12}),
}  # fmt: skip
STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "Sum": sum,
    "Maximum": max,
    "Minimum": min,
    "Average": mean,
}


def metrics_of(alarm: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The metrics that a recorded alarm watches, each with namespace, metricName, dimensions, period and stat."""
    if "metricQueries" in alarm:
        return [query["metric"] for query in alarm["metricQueries"] if "metric" in query]
    return [{**alarm, "stat": alarm["statistic"]}]


def series_of(metric: Mapping[str, Any]) -> Series:
    return metric["namespace"], metric["metricName"], frozenset(metric.get("dimensions", {}).items())


def is_off(alarm: Mapping[str, Any], points: Points) -> bool:
    """Whether the alarm goes off on these points."""
    compare = {"GreaterThanOrEqualToThreshold": operator.ge, "LessThanThreshold": operator.lt}[
        alarm["comparisonOperator"]
    ]
    missing = {"breaching": True, "notBreaching": False}[alarm["treatMissingData"]]
    if "datapointsToAlarm" in alarm:
        raise NotImplementedError("the evaluator does not know m of n periods")
    values = _values(alarm, points)
    recent = [None] * alarm["evaluationPeriods"] + values
    return all(
        missing if value is None else compare(value, alarm["threshold"])
        for value in recent[-alarm["evaluationPeriods"] :]
    )


def _values(alarm: Mapping[str, Any], points: Points) -> list[float | None]:
    """One value a period; None where there is no point."""
    periods = max((len(series) for series in points.values()), default=0)
    by_metric: list[list[float | None]] = []
    for metric in metrics_of(alarm):
        if metric["period"] != 300:
            raise NotImplementedError(f"the evaluator's points are five minutes apart, not {metric['period']} s")
        statistic = STATISTICS[metric["stat"]]
        series = [list(period) for period in points.get(series_of(metric), [])]
        series = [[] for _ in range(periods - len(series))] + series
        by_metric.append([float(statistic(period)) if period else None for period in series])
    if "metricQueries" not in alarm:
        return by_metric[0]
    (expression,) = [query for query in alarm["metricQueries"] if "expression" in query]
    ids = [query["id"] for query in alarm["metricQueries"] if "metric" in query]
    if expression["expression"] != " + ".join(f"FILL({name}, 0)" for name in ids) or not expression["returnData"]:
        raise NotImplementedError(f"the evaluator does not know {expression}")
    return [sum(value or 0 for value in values) for values in zip(*by_metric, strict=True)]


def emf_points(log: str) -> dict[Series, list[list[float]]]:
    """The points of one period that CloudWatch makes of log lines in the embedded metric format."""
    points: dict[Series, list[list[float]]] = {}
    for line in log.splitlines():
        if not line.startswith("{") or "_aws" not in (entry := json.loads(line)):
            continue
        for directive in entry["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = frozenset((name, entry[name]) for name in names)
                for metric in directive["Metrics"]:
                    series = directive["Namespace"], metric["Name"], dimensions
                    points.setdefault(series, [[]])[0].append(float(entry[metric["Name"]]))
    return points


def filtered_points(graph: Graph, log_group: str, lines: Iterable[str]) -> dict[Series, list[list[float]]]:
    """The points of one period that a log group's metric filters make of its lines."""
    points: dict[Series, list[list[float]]] = {}
    for node in graph.of("LogMetricFilter"):
        if node.inputs["logGroupName"] != log_group:
            continue
        match = re.fullmatch(r'\{ \$\.(\w+) = "(\w+)" \}', node.inputs["pattern"])
        if match is None:
            raise NotImplementedError(f"the evaluator does not know the pattern {node.inputs['pattern']}")
        key, wanted = match.groups()
        target = node.inputs["metricTransformation"]
        hits = [float(target["value"]) for line in lines if json.loads(line).get(key) == wanted]
        points[target["namespace"], target["name"], frozenset()] = [hits]
    return points


def alarm_state_problems(graph: Graph) -> list[str]:
    """Alarms that are off while all is well, or silent in trouble; and one whose proof is missing."""
    problems = []
    for alarm in graph.of("MetricAlarm"):
        name = alarm.name.removeprefix("alerts-")
        if name not in PROOFS:
            problems.append(f"{name} is proven nowhere")
            continue
        watched = {metric["metricName"]: series_of(metric) for metric in metrics_of(alarm.inputs)}
        healthy, trouble = (
            {watched[metric]: points for metric, points in series.items() if metric in watched}
            for series in PROOFS[name]
        )
        if is_off(alarm.inputs, healthy):
            problems.append(f"{name} goes off while all is well")
        if not is_off(alarm.inputs, trouble):
            problems.append(f"{name} does not go off in trouble")
    missing = set(PROOFS) - {alarm.name.removeprefix("alerts-") for alarm in graph.of("MetricAlarm")}
    return problems + [f"{name} is missing" for name in sorted(missing)]


def dashboard_problems(graph: Graph) -> list[str]:
    """A dashboard that lacks an alarm or what one watches, or that shows what nothing writes."""
    exists = _existing(graph)
    region = graph.named("aws", "pulumi:providers:aws").inputs["region"]
    (dashboard,) = graph.of("aws:cloudwatch/dashboard:Dashboard")
    shown: set[Series] = set()
    alarms: list[str] = []
    problems = []
    for widget in json.loads(dashboard.inputs["dashboardBody"])["widgets"]:
        properties = widget["properties"]
        if widget["type"] == "alarm":
            alarms += [arn.partition(":alarm:")[2] for arn in properties["alarms"]]
            continue
        if properties["region"] != region:
            problems.append(f"{properties['title']} shows another region")
        for namespace, metric, *rest in properties["metrics"]:
            names = rest[:-1]
            shown.add((namespace, metric, frozenset(zip(names[::2], names[1::2], strict=True))))
    problems += [f"the dashboard shows {series}, which nothing writes" for series in shown - exists]
    for alarm in graph.of("MetricAlarm"):
        if alarm.inputs["name"] not in alarms:
            problems.append(f"the dashboard lacks the alarm {alarm.name}")
        problems += [
            f"the dashboard lacks {metric['metricName']}"
            for metric in metrics_of(alarm.inputs)
            if series_of(metric) not in shown
        ]
    return problems


def alarm_problems(graph: Graph) -> list[str]:
    """Alarms that watch what does not exist, tell nobody, have no runbook, or are missing."""
    exists = _existing(graph)
    problems = []
    for alarm in graph.of("MetricAlarm"):
        for metric in metrics_of(alarm.inputs):
            if series_of(metric) not in exists:
                problems.append(f"{alarm.name} watches {series_of(metric)}, which nothing writes")
        if not alarm.inputs.get("alarmActions"):
            problems.append(f"{alarm.name} tells nobody")
        name = alarm.name.removeprefix("alerts-")
        if not alarm.inputs["alarmDescription"].endswith(f"Runbook: docs/runbooks/{name}.md"):
            problems.append(f"{alarm.name} does not link to its runbook")
        if not (ROOT / "docs" / "runbooks" / f"{name}.md").is_file():
            problems.append(f"{alarm.name} has no runbook")
    lines = [json.dumps({"status": status}) for status in ("200", "400", "403", "404", "429", "429", "503")]
    counted = filtered_points(graph, find(graph, "endpoint-access-log").inputs["name"], lines)
    if list(counted.values()) != [[[1.0, 1.0]]]:
        problems.append(f"of seven answers, two of them 429, {counted} are counted as throttled")
    if not graph.of("Budget") or not graph.of("TopicSubscription"):
        problems.append("no budget, or nobody subscribed")
    return problems


def _existing(graph: Graph) -> set[Series]:
    """Every series that AWS, the collector's counters and the metric filters write for this stack."""
    dimensions = {
        "AWS/Firehose": [{"DeliveryStreamName": node.inputs["name"]} for node in graph.of("FirehoseDeliveryStream")],
        "AWS/Lambda": [{"FunctionName": node.inputs["name"]} for node in graph.of("aws:lambda/function:Function")],
        "AWS/SQS": [{"QueueName": node.inputs["name"]} for node in graph.of("Queue")],
        "AWS/ApiGateway": [{"ApiId": node.inputs["apiId"]} for node in graph.of("Stage")],
    }
    exists: set[Series] = {
        (namespace, name, frozenset(one.items()))
        for namespace, names in AWS_METRICS.items()
        for name in names
        for one in dimensions[namespace]
    }
    counters = {"Accepted", "Rejected", "Undelivered", "Queued", "Retries", "Duration"}
    for name in ("collector", "redrive"):
        given = find(graph, f"{name} aws:lambda/function:Function").inputs["environment"]["variables"]
        stream = frozenset({("DeliveryStream", given["DELIVERY_STREAM"])})
        exists |= {(given["METRICS_NAMESPACE"], counter, stream) for counter in counters}
    for node in graph.of("LogMetricFilter"):
        target = node.inputs["metricTransformation"]
        exists.add((target["namespace"], target["name"], frozenset()))
    return exists
