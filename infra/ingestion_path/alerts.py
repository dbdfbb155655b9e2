"""What tells a person: one SNS topic, the alarms of alarms.py on it, and a monthly budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from . import policies
from .alarms import PERIOD_SECONDS, Alarm, Metric
from .names import Names
from .setting_groups import AlertSettings


class Alerts(pulumi.ComponentResource):
    """`topic` and `alarms`; the topic's one subscription is an e-mail that AWS asks the addressee to confirm."""

    def __init__(
        self, name: str, names: Names, settings: AlertSettings, alarms: Sequence[Alarm], opts: pulumi.ResourceOptions
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
        self.alarms = [
            aws.cloudwatch.MetricAlarm(
                f"{name}-{alarm.name}",
                name=f"{names.prefix}-{alarm.name}",
                alarm_description=f"{alarm.meaning}. Runbook: {settings.runbook_url}/{alarm.name}.md",
                comparison_operator="LessThanThreshold" if alarm.below else "GreaterThanOrEqualToThreshold",
                threshold=alarm.threshold,
                evaluation_periods=alarm.periods,
                treat_missing_data="breaching" if alarm.silence else "notBreaching",
                **_watching(alarm.metrics),
                alarm_actions=[self.topic.arn],
                ok_actions=[self.topic.arn],
                opts=inside,
            )
            for alarm in alarms
        ]
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


def _watching(metrics: Sequence[Metric]) -> dict[str, Any]:
    """The arguments of one metric, or of the sum of several, where one without a point counts as none."""
    if len(metrics) == 1:
        (metric,) = metrics
        return {
            "namespace": metric.namespace,
            "metric_name": metric.name,
            "dimensions": metric.dimensions,
            "statistic": metric.statistic,
            "period": PERIOD_SECONDS,
        }
    queries: list[dict[str, Any]] = [
        {
            "id": f"m{number}",
            "metric": {
                "namespace": metric.namespace,
                "metric_name": metric.name,
                "dimensions": metric.dimensions,
                "stat": metric.statistic,
                "period": PERIOD_SECONDS,
            },
        }
        for number, metric in enumerate(metrics)
    ]
    total = " + ".join(f"FILL({query['id']}, 0)" for query in queries)
    return {"metric_queries": [*queries, {"id": "total", "expression": total, "label": "total", "return_data": True}]}
