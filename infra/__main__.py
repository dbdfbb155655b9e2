"""The ingestion path, from the front door to the raw table, as a bill of materials.

    client -> endpoint -> collector -> delivery stream -> archive -> (announced to) pipe -> RAW.LOGS
                              \\-> fallback queue -> redrive -/

Settings and the platform's SQL are read and checked before anything is declared. What each part is for, what it costs and how to take it
down again is in README.md.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws
import pulumi_snowflake as snowflake
from ingestion_path import policies, raw_tables, settings
from ingestion_path.access import Access
from ingestion_path.alarms import Watched, alarms_for
from ingestion_path.alerts import Alerts
from ingestion_path.archive import Archive
from ingestion_path.compute import Compute
from ingestion_path.dashboard import Dashboard
from ingestion_path.delivery import DeliveryStream
from ingestion_path.endpoint import Endpoint
from ingestion_path.fallback import FallbackQueue, Redrive
from ingestion_path.function import Function, FunctionArgs
from ingestion_path.names import Names
from ingestion_path.platform_environment import env_block
from ingestion_path.public_address import PublicAddress
from ingestion_path.snowpipe_ingestion import SnowpipeIngestion
from ingestion_path.step_logs import StepLogs
from ingestion_path.warehouse import Warehouse

config = settings.read()
raw = raw_tables.read()
names = Names(config.stack, config.account)
keep_logs = config.alerts.log_retention_days

aws_provider = aws.Provider(
    "aws",
    region=config.account.region,
    # Credentials of another account stop the deployment instead of building half of it there.
    allowed_account_ids=[config.account.id],
    default_tags={"tags": {"project": "clickstream", "stack": config.stack, "managed-by": "pulumi"}},
)
snowflake_provider = snowflake.Provider(
    "snowflake",
    organization_name=config.snowflake.organization,
    account_name=config.snowflake.account,
    user=config.snowflake.admin_user,
    role=config.snowflake.admin_role,
    authenticator="SNOWFLAKE_JWT",
    private_key=config.snowflake.admin_private_key,
    # Tables and pipes are preview resources of the provider until it promotes them.
    preview_features_enabled=["snowflake_table_resource", "snowflake_pipe_resource"],
)
clouds = pulumi.ResourceOptions(providers=[aws_provider, snowflake_provider])

archive = Archive("archive", names.bucket, config.archive, opts=clouds)
delivery = DeliveryStream("delivery", names, archive, config.delivery, keep_logs, opts=clouds)
fallback = FallbackQueue("fallback", names, opts=clouds)
redrive = Redrive("redrive", names, fallback, delivery, keep_logs, opts=clouds)
collector = Function(
    "collector",
    names,
    FunctionArgs(
        handler="collector.handler.handler",
        environment={
            "DELIVERY_STREAM": delivery.stream.name,
            "FALLBACK_QUEUE_URL": fallback.queue.url,
            "METRICS_NAMESPACE": names.prefix,
            "ALLOWED_ORIGINS": ",".join(config.endpoint.allowed_origins),
            "TRACKING_IDS": ",".join(config.collector.tracking_ids),
            "API_SECRETS": "" if config.collector.api_secrets is None else config.collector.api_secrets,
            "IP_MODE": config.collector.ip_mode,
            "BEHIND_CLOUDFRONT": "yes" if config.address.cloud_front else "no",
            "PRIVACY_SIGNALS": config.collector.privacy_signals,
            "MAX_HIT_BYTES": str(config.collector.max_hit_bytes),
            "MAX_BATCH_HITS": str(config.collector.max_batch_hits),
            "MAX_BATCH_BYTES": str(config.collector.max_batch_bytes),
        },
        allowed={
            "may-put-hits": policies.document(policies.put_hits, stream_arn=delivery.stream.arn),
            "may-park-hits": policies.document(policies.park_hits, queue_arn=fallback.queue.arn),
        },
        timeout_seconds=10,
        memory_mebibytes=config.collector.memory_mebibytes,
        reserved_concurrency=config.collector.reserved_concurrency,
        log_retention_days=keep_logs,
        release=config.collector.release,
    ),
    opts=clouds,
)
endpoint = Endpoint("endpoint", names, collector, config.endpoint, keep_logs, config.archive.protect, opts=clouds)
address = PublicAddress("address", names, endpoint, config.address, config.archive.protect, opts=clouds)

warehouse = Warehouse("warehouse", names, raw, config.archive.protect, opts=clouds)
snowpipe = SnowpipeIngestion("snowpipe", names, archive, warehouse, config.snowflake, raw, opts=clouds)
compute = Compute("compute", names, config.snowflake, opts=clouds)
access = Access("access", names, warehouse, compute, snowpipe, config.snowflake, opts=clouds)
# For the operator to attach to whatever runs Dagster; this program runs no platform.
platform_reads_archive = aws.iam.Policy(
    "platform-reads-archive",
    name=f"{names.prefix}-platform-reads-archive",
    policy=policies.document(policies.use_archive, bucket_arn=archive.bucket.arn),
    opts=pulumi.ResourceOptions(provider=aws_provider),
)
step_logs = StepLogs("step-logs", names, opts=clouds)

watched = Watched(
    stream=delivery.stream.name,
    functions={"collector": collector.function.name, "redrive": redrive.function.name},
    api=endpoint.api.id,
    fallback_queue=fallback.queue.name,
    stuck_queue=fallback.stuck.name,
    collector_namespace=names.prefix,
    redrive_namespace=names.redrive_namespace,
    throttled=endpoint.throttled,
)
alarms = alarms_for(
    watched, buffer_seconds=config.delivery.buffer_seconds, silence_minutes=config.alerts.silence_minutes
)
alerts = Alerts("alerts", names, config.alerts, alarms, opts=clouds)
Dashboard("dashboard", names, watched, [alarm.arn for alarm in alerts.alarms], opts=clouds)

pulumi.export("endpoint", address.url)
pulumi.export("dnsTarget", address.dns_target)
pulumi.export("bucket", archive.bucket.bucket)
pulumi.export(
    "collectorVersion",
    {"live": collector.alias and collector.alias.function_version, "newest": collector.function.version},
)
pulumi.export("stream", delivery.stream.name)
pulumi.export("database", warehouse.database.name)
pulumi.export(
    "roles",
    {
        "read": access.read.name,
        "readEvents": access.read_events.name,
        "load": access.load.name,
        "write": access.write.name,
    },
)
pulumi.export("readersWarehouse", compute.readers.name)
pulumi.export("snowflakeAccountSql", compute.account_sql)
pulumi.export("stuckQueue", fallback.stuck.url)
pulumi.export("platformPolicy", platform_reads_archive.arn)
pulumi.export("stepLogsPolicy", step_logs.policy.arn)
pulumi.export(
    "env",
    env_block(
        {
            "INGEST_ENV": "production",
            "COLLECT_URL": address.url,
            "AWS_REGION": config.account.region,
            "ARCHIVE_BUCKET": archive.bucket.bucket,
            "DAGSTER_LOGS_BUCKET": step_logs.bucket.bucket,
            "DELIVERY_STREAM": delivery.stream.name,
            "SNOWFLAKE_ACCOUNT": f"{config.snowflake.organization}-{config.snowflake.account}",
            "SNOWFLAKE_USER": access.user.name,
            "SNOWFLAKE_ROLE": access.write.name,
            "SNOWFLAKE_WAREHOUSE": compute.platform.name,
            "SNOWFLAKE_DATABASE": warehouse.database.name,
        }
    ),
)
