"""The delivery stream: Firehose collects hits and closes them into gzip objects of the archive.

The prefix is a plain string: Firehose appends `YYYY/MM/dd/HH/` (UTC, arrival time) by itself, which is the archive's
key layout. Each record brings its own newline from the collector, so no delimiter is configured here.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from collector.archive_keys import DATA_PREFIX, ERROR_PREFIX

from . import policies
from .archive import Archive
from .names import Names
from .setting_groups import DeliverySettings


class DeliveryStream(pulumi.ComponentResource):
    """`stream` (name and ARN in its outputs), its role and its error log."""

    def __init__(
        self,
        name: str,
        names: Names,
        archive: Archive,
        settings: DeliverySettings,
        log_retention_days: int,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("clickstream:aws:DeliveryStream", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)

        log_group = aws.cloudwatch.LogGroup(
            f"{name}-log",
            name=f"/aws/kinesisfirehose/{names.stream}",
            retention_in_days=log_retention_days,
            opts=inside,
        )
        log_stream = aws.cloudwatch.LogStream(
            f"{name}-errors", name="delivery", log_group_name=log_group.name, opts=inside
        )
        role = aws.iam.Role(
            f"{name}-role",
            name=f"{names.prefix}-delivery",
            assume_role_policy=policies.document(policies.firehose_trust, account_id=names.account.id),
            opts=inside,
        )
        may_deliver = aws.iam.RolePolicy(
            f"{name}-may-deliver",
            role=role.id,
            policy=policies.document(
                policies.deliver_hits, bucket_arn=archive.bucket.arn, log_stream_arn=log_stream.arn
            ),
            opts=inside,
        )
        self.stream = aws.kinesis.FirehoseDeliveryStream(
            name,
            name=names.stream,
            destination="extended_s3",
            server_side_encryption={"enabled": True, "key_type": "AWS_OWNED_CMK"},
            extended_s3_configuration={
                "bucket_arn": archive.bucket.arn,
                "role_arn": role.arn,
                "prefix": DATA_PREFIX,
                "error_output_prefix": f"{ERROR_PREFIX}!{{firehose:error-output-type}}/",
                "compression_format": "GZIP",
                "buffering_size": settings.buffer_mebibytes,
                "buffering_interval": settings.buffer_seconds,
                "cloudwatch_logging_options": {
                    "enabled": True,
                    "log_group_name": log_group.name,
                    "log_stream_name": log_stream.name,
                },
            },
            # Firehose tries its role as it is created: without the policy it fails, or starts by failing deliveries.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[may_deliver]),
        )
        self.register_outputs({"stream": self.stream.name})
