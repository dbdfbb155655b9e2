"""Where Dagster keeps what its steps print: a bucket of its own, closed like the archive, emptied by age.

The archive's bucket would not do: its readers may not write, its versions are kept, and nothing in it expires.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from . import policies
from .names import Names

# As long as deploy/dagster.yaml remembers ticks. A run that is older shows in the UI without its text.
KEPT_DAYS = 90


class StepLogs(pulumi.ComponentResource):
    """`bucket`, and `policy` for the operator to attach to whatever runs Dagster, beside the archive's."""

    def __init__(self, name: str, names: Names, opts: pulumi.ResourceOptions) -> None:
        super().__init__("clickstream:aws:StepLogs", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        # Logs are no data: the bucket goes with its stack, whatever is in it.
        self.bucket = aws.s3.Bucket(name, bucket=names.step_logs, force_destroy=True, opts=inside)
        closed = aws.s3.BucketPublicAccessBlock(
            f"{name}-closed",
            bucket=self.bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=inside,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=self.bucket.id,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=inside,
        )
        aws.s3.BucketPolicy(
            f"{name}-tls",
            bucket=self.bucket.id,
            policy=policies.document(policies.bucket_over_tls, bucket_arn=self.bucket.arn),
            # S3 answers 409 to a policy and an access block that arrive together.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[closed]),
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=self.bucket.id,
            rules=[
                {
                    "id": "old-logs-go",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "expiration": {"days": KEPT_DAYS},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
                }
            ],
            opts=inside,
        )
        self.policy = aws.iam.Policy(
            f"{name}-policy",
            name=f"{names.prefix}-platform-keeps-step-logs",
            policy=policies.document(policies.keep_step_logs, bucket_arn=self.bucket.arn),
            opts=inside,
        )
        self.register_outputs({"bucket": self.bucket.id})
