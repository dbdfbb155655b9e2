"""The archive: one bucket, the only truth. Encrypted, versioned, closed to the public, reachable over TLS only.

Objects stay readable at once for ever: after STANDARD_IA comes GLACIER_IR, never GLACIER or DEEP_ARCHIVE, because a
replay (and Snowflake's COPY) could not read those. Nothing expires but overwritten versions and abandoned uploads.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from . import policies
from .setting_groups import ArchiveSettings

NONCURRENT_DAYS = 30


class Archive(pulumi.ComponentResource):
    """`bucket` (name and ARN in its outputs). With `settings.protect` Pulumi refuses to delete it and what closes it, and
    S3 refuses while it holds objects.
    """

    def __init__(self, name: str, bucket_name: str, settings: ArchiveSettings, opts: pulumi.ResourceOptions) -> None:
        super().__init__("clickstream:aws:Archive", name, None, opts)
        # Its locks are protected with it: `destroy --exclude-protected` would keep the data and take their walls away.
        kept = pulumi.ResourceOptions(parent=self, protect=settings.protect)

        self.bucket = aws.s3.Bucket(
            name,
            bucket=bucket_name,
            force_destroy=not settings.protect,
            opts=kept,
        )
        bucket = self.bucket.id
        aws.s3.BucketOwnershipControls(
            f"{name}-owner", bucket=bucket, rule={"object_ownership": "BucketOwnerEnforced"}, opts=kept
        )
        closed = aws.s3.BucketPublicAccessBlock(
            f"{name}-closed",
            bucket=bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=kept,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=kept,
        )
        versioning = aws.s3.BucketVersioning(
            f"{name}-versions", bucket=bucket, versioning_configuration={"status": "Enabled"}, opts=kept
        )
        aws.s3.BucketPolicy(
            f"{name}-tls",
            bucket=bucket,
            policy=policies.document(policies.bucket_over_tls, bucket_arn=self.bucket.arn),
            # S3 answers 409 to a policy and an access block that arrive together.
            opts=pulumi.ResourceOptions.merge(kept, pulumi.ResourceOptions(depends_on=[closed])),
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket,
            rules=[
                {
                    "id": "cheaper-but-readable",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "transitions": [
                        {"days": settings.infrequent_after_days, "storage_class": "STANDARD_IA"},
                        {"days": settings.instant_retrieval_after_days, "storage_class": "GLACIER_IR"},
                    ],
                    "noncurrent_version_expiration": {"noncurrent_days": NONCURRENT_DAYS},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
                }
            ],
            # A rule on noncurrent versions needs versioning to be on.
            opts=pulumi.ResourceOptions.merge(kept, pulumi.ResourceOptions(depends_on=[versioning])),
        )
        self.register_outputs({"bucket": self.bucket.id})
