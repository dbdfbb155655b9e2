"""Snowpipe: Snowflake reads the archive, and loads each object when S3 announces it.

The integration must name the IAM role, and the role must trust the IAM user that Snowflake makes for the integration.
The circle is only in the trust policy, so: the role's ARN is computed (names.py), the integration is made first with
an external id that we chose, and the role is made from what the integration then says about itself. IAM takes a while
until Snowflake can take a new role; instead of sleeping at every deployment, the pipe, the first thing that uses the
role, is tried again when that is what failed.
"""

from __future__ import annotations

import time

import pulumi
import pulumi_aws as aws
import pulumi_snowflake as snowflake

from collector.archive_keys import DATA_PREFIX

from . import policies
from .archive import Archive
from .names import RAW_SCHEMA, Names
from .raw_tables import RawLayer
from .setting_groups import SnowflakeSettings
from .warehouse import Warehouse

TRIES = 9
SECONDS_BETWEEN_TRIES = 20


def wait_for_iam(failure: pulumi.ErrorHookArgs) -> bool:
    """True to try again: while Snowflake cannot take the role yet, at most `TRIES` tries, three minutes in all.

    The match is loose on purpose: "Error assuming AWS_ROLE" is what users report, AWS's own text says "not authorized".
    """
    text = failure.errors[0].lower()
    if len(failure.errors) >= TRIES or not ("assum" in text or "not authorized" in text):
        return False
    time.sleep(SECONDS_BETWEEN_TRIES)
    return True


class SnowpipeIngestion(pulumi.ComponentResource):
    """`stage`, `file_format`, `pipe`, and the role that reads the archive for Snowflake."""

    def __init__(
        self,
        name: str,
        names: Names,
        archive: Archive,
        warehouse: Warehouse,
        settings: SnowflakeSettings,
        raw: RawLayer,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("clickstream:snowflake:SnowpipeIngestion", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        url = pulumi.Output.concat("s3://", archive.bucket.bucket, "/", DATA_PREFIX)
        database, schema = warehouse.database.name, warehouse.schemas[RAW_SCHEMA].name

        self.integration = snowflake.StorageIntegrationAws(
            f"{name}-integration",
            name=names.snowflake("ARCHIVE"),
            enabled=True,
            storage_provider="S3",
            storage_allowed_locations=[url],
            storage_aws_role_arn=names.snowflake_reader_role_arn,
            storage_aws_external_id=settings.external_id,
            # It repeats the external id, which would otherwise stand in the state in plain text.
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["describeOutputs"]),
        )
        integration_facts = self.integration.describe_outputs[0]
        role = aws.iam.Role(
            f"{name}-role",
            name=names.snowflake_reader_role,
            assume_role_policy=policies.document(
                policies.snowflake_trust,
                iam_user_arn=integration_facts.iam_user_arn,
                external_id=integration_facts.external_id,
            ),
            opts=inside,
        )
        may_read = aws.iam.RolePolicy(
            f"{name}-may-read",
            role=role.id,
            policy=policies.document(policies.read_archive, bucket_arn=archive.bucket.arn),
            opts=inside,
        )
        # Of a name that an object gives twice the last counts, on DuckDB too; by default such a line would be refused.
        self.file_format = snowflake.FileFormatJson(
            f"{name}-format",
            name="ARCHIVE_JSON",
            compression="GZIP",
            allow_duplicate="true",
            database=database,
            schema=schema,
            opts=inside,
        )
        self.stage = snowflake.StageExternalS3(
            f"{name}-stage",
            name="ARCHIVE",
            url=url,
            storage_integration=self.integration.name,
            file_format=snowflake.StageExternalS3FileFormatArgs(format_name=self.file_format.fully_qualified_name),
            database=database,
            schema=schema,
            opts=inside,
        )
        self.pipe = snowflake.Pipe(
            f"{name}-pipe",
            name="ARCHIVE",
            auto_ingest=True,
            copy_statement=pulumi.Output.all(
                table=warehouse.logs.fully_qualified_name,
                stage=self.stage.fully_qualified_name,
                file_format=self.file_format.fully_qualified_name,
            ).apply(lambda known: raw.copy_into_logs(**known)),
            database=database,
            schema=schema,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[may_read],
                hooks=pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook("wait-for-iam", wait_for_iam)]),
            ),
        )
        aws.s3.BucketNotification(
            f"{name}-announce",
            bucket=archive.bucket.id,
            queues=[
                {
                    "id": "snowpipe",
                    "queue_arn": self.pipe.notification_channel,
                    "events": ["s3:ObjectCreated:*"],
                    "filter_prefix": DATA_PREFIX,
                }
            ],
            opts=inside,
        )
        self.register_outputs({"pipe": self.pipe.name})
