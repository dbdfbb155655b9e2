"""One CloudWatch dashboard: the state of every alarm, then the figures of a hit's way, front door first.

Whatever an alarm watches is on it, so that whoever opens it from a runbook sees the curve behind the e-mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from .alarms import PERIOD_SECONDS, Metric, Watched
from .names import Names

WIDTH, HEIGHT = 12, 6


class Dashboard(pulumi.ComponentResource):
    """The dashboard `clickstream-<stack>`."""

    def __init__(
        self,
        name: str,
        names: Names,
        watched: Watched,
        alarm_arns: Sequence[pulumi.Input[str]],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("clickstream:aws:Dashboard", name, None, opts)
        figures = _figures(watched)
        widgets = [
            _widget(number, title, metrics, names.account.region) for number, (title, metrics) in enumerate(figures)
        ]
        alarms = {
            "type": "alarm",
            "x": 0,
            "y": 0,
            "width": 2 * WIDTH,
            "height": 3,
            "properties": {"title": "Alarms", "alarms": list(alarm_arns)},
        }
        aws.cloudwatch.Dashboard(
            name,
            dashboard_name=names.prefix,
            dashboard_body=pulumi.Output.json_dumps({"widgets": [alarms, *widgets]}),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def _figures(watched: Watched) -> list[tuple[str, list[Metric]]]:
    api, stream = {"ApiId": watched.api}, {"DeliveryStreamName": watched.stream}
    counted = {"DeliveryStream": watched.stream}
    functions = watched.functions.values()
    return [
        (
            "Requests, and what was refused",
            [*(Metric("AWS/ApiGateway", name, api) for name in ("Count", "4xx", "5xx")), watched.throttled],
        ),
        ("Latency at the front door", [Metric("AWS/ApiGateway", "Latency", api, "p95")]),
        (
            "Hits: accepted, rejected, parked, not stored",
            [
                Metric(watched.collector_namespace, name, counted)
                for name in ("Accepted", "Rejected", "Queued", "Undelivered", "Retries")
            ],
        ),
        (
            "Parked hits: waiting, in hand, refused again",
            [
                *(
                    Metric("AWS/SQS", f"ApproximateNumberOfMessages{state}", {"QueueName": queue}, "Maximum")
                    for queue in (watched.fallback_queue, watched.stuck_queue)
                    for state in ("Visible", "NotVisible")
                ),
                Metric(watched.redrive_namespace, "Undelivered", counted),
            ],
        ),
        (
            "Stream: what comes in, what is refused",
            [Metric("AWS/Firehose", name, stream) for name in ("IncomingRecords", "IncomingBytes", "ThrottledRecords")],
        ),
        (
            "Archive: age of the oldest hit, deliveries that worked",
            [
                Metric("AWS/Firehose", "DeliveryToS3.DataFreshness", stream, "Maximum"),
                Metric("AWS/Firehose", "DeliveryToS3.Success", stream, "Average"),
            ],
        ),
        (
            "Functions: errors and refused calls",
            [
                Metric("AWS/Lambda", name, {"FunctionName": function})
                for function in functions
                for name in ("Errors", "Throttles")
            ],
        ),
        (
            "Functions: duration and calls at once",
            [
                Metric("AWS/Lambda", name, {"FunctionName": function}, statistic)
                for function in functions
                for name, statistic in (("Duration", "p95"), ("ConcurrentExecutions", "Maximum"))
            ],
        ),
    ]


def _widget(number: int, title: str, metrics: Sequence[Metric], region: str) -> dict[str, Any]:
    """Two in a row, below the alarms."""
    lines: list[list[Any]] = []
    for metric in metrics:
        dimensions = [part for pair in metric.dimensions.items() for part in pair]
        lines.append([metric.namespace, metric.name, *dimensions, {"stat": metric.statistic}])
    return {
        "type": "metric",
        "x": WIDTH * (number % 2),
        "y": 3 + HEIGHT * (number // 2),
        "width": WIDTH,
        "height": HEIGHT,
        "properties": {"title": title, "region": region, "period": PERIOD_SECONDS, "metrics": lines},
    }
