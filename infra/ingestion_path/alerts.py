"""What tells a person: one SNS topic, alarms on what loses or delays hits, and a monthly budget.

Every alarm is a row of a table: what it watches, from which figure on, and what that means for the reader of the
e-mail. Metrics that come only with traffic count as good while they are missing. Snowpipe's lag cannot be seen from
AWS: the platform's freshness checks watch it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from . import policies
from .names import Names
from .setting_groups import AlertSettings


@dataclass(frozen=True)
class Alarm:
    """`statistic` of `metric` at or over `threshold` (under it where `below`) in `periods` periods of five minutes in
    a row.
    """

    name: str
    meaning: str
    namespace: str
    metric: str
    dimensions: Mapping[str, pulumi.Input[str]]
    threshold: float
    statistic: str = "Sum"
    periods: int = 1
    below: bool = False


def alarms_for(
    *,
    stream: pulumi.Input[str],
    functions: Mapping[str, pulumi.Input[str]],
    api: pulumi.Input[str],
    fallback_queue: pulumi.Input[str],
    stuck_queue: pulumi.Input[str],
    buffer_seconds: int,
) -> list[Alarm]:
    """The table. `functions` maps a short name to the function's name; `buffer_seconds` is how old a healthy hit may
    get.
    """
    firehose, lambda_, sqs = "AWS/Firehose", "AWS/Lambda", "AWS/SQS"
    to_stream, to_api = {"DeliveryStreamName": stream}, {"ApiId": api}
    return [
        Alarm(
            "delivery-late", "Hits reach the archive late", firehose, "DeliveryToS3.DataFreshness", to_stream,
            threshold=2 * buffer_seconds + 300, statistic="Maximum",
        ),
        Alarm(
            "delivery-failing", "Firehose cannot write to the archive", firehose, "DeliveryToS3.Success", to_stream,
            threshold=1, statistic="Average", below=True,
        ),
        Alarm(
            "stream-throttled", "The stream refuses hits; ask for a higher quota", firehose, "ThrottledRecords",
            to_stream, threshold=1,
        ),
        *(
            Alarm(
                f"{name}-{metric.lower()}", f"The {name} function: {what}", lambda_, metric, {"FunctionName": function},
                threshold=1,
            )
            for name, function in functions.items()
            for metric, what in (("Errors", "calls end in errors"), ("Throttles", "calls are refused; raise its quota"))
        ),
        Alarm("endpoint-5xx", "Clients get errors that are ours", "AWS/ApiGateway", "5xx", to_api, threshold=1),
        Alarm(
            "fallback-aging", "Parked hits are not getting back to the stream", sqs, "ApproximateAgeOfOldestMessage",
            {"QueueName": fallback_queue}, threshold=1800, statistic="Maximum",
        ),
        Alarm(
            "hits-stuck", "Hits wait in the stuck queue for a person; they expire two weeks after they came", sqs,
            "ApproximateNumberOfMessagesVisible", {"QueueName": stuck_queue}, threshold=1, statistic="Maximum",
        ),
    ]  # fmt: skip


class Alerts(pulumi.ComponentResource):
    """`topic`; its one subscription is an e-mail that AWS asks the addressee to confirm."""

    def __init__(
        self, name: str, names: Names, settings: AlertSettings, alarms: list[Alarm], opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("clickstream:aws:Alerts", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        # Not encrypted with the key AWS provides: its policy cannot let CloudWatch publish. Messages hold
        # names and figures only.
        self.topic = aws.sns.Topic(name, name=f"{names.prefix}-alerts", opts=inside)
        may_publish = aws.sns.TopicPolicy(
            f"{name}-policy",
            arn=self.topic.arn,
            policy=policies.document(
                policies.alarms_may_publish, topic_arn=self.topic.arn, account_id=names.account.id
            ),
            opts=inside,
        )
        aws.sns.TopicSubscription(
            f"{name}-email", topic=self.topic.arn, protocol="email", endpoint=settings.email, opts=inside
        )
        for alarm in alarms:
            aws.cloudwatch.MetricAlarm(
                f"{name}-{alarm.name}",
                name=f"{names.prefix}-{alarm.name}",
                alarm_description=alarm.meaning,
                namespace=alarm.namespace,
                metric_name=alarm.metric,
                dimensions=alarm.dimensions,
                statistic=alarm.statistic,
                comparison_operator="LessThanThreshold" if alarm.below else "GreaterThanOrEqualToThreshold",
                threshold=alarm.threshold,
                period=300,
                evaluation_periods=alarm.periods,
                treat_missing_data="notBreaching",
                alarm_actions=[self.topic.arn],
                ok_actions=[self.topic.arn],
                opts=inside,
            )
        aws.budgets.Budget(
            f"{name}-budget",
            name=f"{names.prefix}-monthly",
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(settings.monthly_budget_usd),
            limit_unit="USD",
            notifications=[
                {
                    "notification_type": kind,
                    "comparison_operator": "GREATER_THAN",
                    "threshold": percent,
                    "threshold_type": "PERCENTAGE",
                    "subscriber_sns_topic_arns": [self.topic.arn],
                }
                for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
            # Budgets tries the topic as it is created.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[may_publish]),
        )
        self.register_outputs({"topic": self.topic.arn})
