"""The fallback queue: where the collector parks hits that the stream keeps refusing, and the way back.

A parked hit is an acknowledged hit, so nothing here may lose it: the redrive function puts it back on the stream, a
failed try leaves it in the queue, and what still fails after a day and more is moved to the stuck queue, which raises
an alarm and keeps it for two weeks (README, "Parked hits").
"""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from . import policies
from .delivery import DeliveryStream
from .function import Function, FunctionArgs
from .names import Names

TWO_WEEKS = 14 * 24 * 3600
REDRIVE_SECONDS = 60
# AWS's advice: six times the function's time limit, so that a poll is never seen twice while it runs.
VISIBILITY_SECONDS = 6 * REDRIVE_SECONDS
# 250 tries, six minutes apart: 25 hours, an hour longer than Firehose itself keeps trying a destination.
TRIES = 250


class FallbackQueue(pulumi.ComponentResource):
    """`queue` (the collector's) and `stuck` (what could not be delivered again)."""

    def __init__(self, name: str, names: Names, opts: pulumi.ResourceOptions) -> None:
        super().__init__("clickstream:aws:FallbackQueue", name, None, opts)
        self._inside = pulumi.ResourceOptions(parent=self)
        self.stuck = self._queue(f"{name}-stuck", f"{names.prefix}-stuck")
        self.queue = self._queue(
            name,
            f"{names.prefix}-fallback",
            visibility_timeout_seconds=VISIBILITY_SECONDS,
            redrive_policy=pulumi.Output.json_dumps({"deadLetterTargetArn": self.stuck.arn, "maxReceiveCount": TRIES}),
        )
        self.register_outputs({"queue": self.queue.url})

    def _queue(self, name: str, queue_name: str, **arguments: Any) -> aws.sqs.Queue:
        queue = aws.sqs.Queue(
            name,
            name=queue_name,
            sqs_managed_sse_enabled=True,
            message_retention_seconds=TWO_WEEKS,
            **arguments,
            opts=self._inside,
        )
        aws.sqs.QueuePolicy(
            f"{name}-tls",
            queue_url=queue.url,
            policy=policies.document(policies.queue_over_tls, queue_arn=queue.arn),
            opts=self._inside,
        )
        return queue


class Redrive(pulumi.ComponentResource):
    """`function`, which returns parked hits to the stream as long as it takes them."""

    def __init__(
        self,
        name: str,
        names: Names,
        fallback: FallbackQueue,
        delivery: DeliveryStream,
        log_retention_days: int,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("clickstream:aws:Redrive", name, None, opts)
        function = Function(
            name,
            names,
            FunctionArgs(
                handler="collector.redrive.handler",
                environment={"DELIVERY_STREAM": delivery.stream.name, "METRICS_NAMESPACE": names.redrive_namespace},
                allowed={
                    "may-put-hits": policies.document(policies.put_hits, stream_arn=delivery.stream.arn),
                    "may-read-parked": policies.document(policies.redeliver_parked_hits, queue_arn=fallback.queue.arn),
                },
                timeout_seconds=REDRIVE_SECONDS,
                memory_mebibytes=256,
                log_retention_days=log_retention_days,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.function = function.function
        aws.lambda_.EventSourceMapping(
            f"{name}-poll",
            function_name=function.function.arn,
            event_source_arn=fallback.queue.arn,
            batch_size=100,
            maximum_batching_window_in_seconds=10,
            function_response_types=["ReportBatchItemFailures"],
            # A stream that throttles is not helped by a crowd.
            scaling_config={"maximum_concurrency": 2},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"function": self.function.name})
