"""The stack's settings: read once, checked whole, handed down as typed groups.

In: the `clickstream:*` keys of `Pulumi.<stack>.yaml`. Out: one frozen `Settings`, or `pulumi.RunError` with one line
that names the key and says what to do. `read()` runs before the first resource is declared, so a bad setting never
leaves half a stack. A key that nobody reads is refused too: a misspelt `bufferSecond` would otherwise be a default in
silence.
"""

from __future__ import annotations

import re

import pulumi

from . import quotas
from .setting_groups import (
    Account,
    AddressSettings,
    AlertSettings,
    ArchiveSettings,
    CollectorSettings,
    DeliverySettings,
    EndpointSettings,
    Release,
    Settings,
    SnowflakeSettings,
)
from .setting_reader import SettingReader, refuse

# CloudWatch Logs accepts these and nothing between them.
LOG_RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
WAREHOUSE_SIZES = (
    "XSMALL", "SMALL", "MEDIUM", "LARGE", "XLARGE", "XXLARGE", "XXXLARGE", "X4LARGE", "X5LARGE", "X6LARGE",
)  # fmt: skip


def read(stack: str | None = None) -> Settings:
    """Read and check every setting of the stack (None: the one that is being deployed); raises `pulumi.RunError` with one
    line on the first that is wrong.
    """
    stack = stack or pulumi.get_stack()
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", stack):
        raise pulumi.RunError(
            f"The stack's name {stack!r} cannot go into a bucket's name: use up to 20 of a-z, 0-9 and '-', a letter first"
        )
    reader = SettingReader()
    region = reader.text("awsRegion", r"[a-z]{2}(-[a-z]+)+-\d", "a region such as eu-central-1")
    ambient = pulumi.Config("aws").get("region")
    if ambient not in (None, region):
        refuse("awsRegion", f"is {region} but aws:region is {ambient}: unset aws:region, this program does not use it")
    one_line_key = (
        r"[A-Za-z0-9+/=]{64,}",
        "the body of an RSA public key on one line, without the PEM header and footer",
    )
    identifier = (r"[A-Za-z][A-Za-z0-9_]*", "a Snowflake identifier (letters, digits, underscores)")
    settings = Settings(
        stack=stack,
        account=Account(
            id=reader.text("awsAccountId", r"\d{12}", "the 12 digits of the AWS account id"), region=region
        ),
        archive=ArchiveSettings(
            infrequent_after_days=reader.number("infrequentAccessAfterDays", 30, 3650, 30),
            instant_retrieval_after_days=reader.number("instantRetrievalAfterDays", 60, 3650, 90),
            protect=reader.flag("protectData", True),
        ),
        delivery=DeliverySettings(
            buffer_mebibytes=reader.number("bufferMebibytes", 1, 128, 128),
            buffer_seconds=reader.number("bufferSeconds", 0, 900, 300),
            quota_mebibytes=reader.number("deliveryQuotaMebibytes", 1, 10_000, quotas.default_mebibytes(region)),
        ),
        endpoint=EndpointSettings(
            allowed_origins=reader.words("allowedOrigins"),
            throttle_rate=reader.number("throttleRate", 1, 100_000, 500),
            throttle_burst=reader.number("throttleBurst", 1, 100_000, 1000),
        ),
        address=AddressSettings(
            domain_name=reader.optional_text(
                "domainName", r"[a-z0-9-]+(\.[a-z0-9-]+)+", "a domain in lower case, such as collect.shop.example"
            ),
            hosted_zone_id=reader.optional_text("hostedZoneId", r"Z[A-Z0-9]+", "the id of a Route 53 zone"),
            certificate_arn=reader.optional_text(
                "certificateArn", r"arn:aws:acm:[a-z0-9-]+:\d{12}:certificate/\S+", "the ARN of an ACM certificate"
            ),
            cloud_front=reader.flag("cloudFront", False),
            # The firewall counts over five minutes, ten requests at least.
            requests_per_address=reader.number("requestsPerAddress", 10, 2_000_000_000, 3000),
        ),
        collector=CollectorSettings(
            memory_mebibytes=reader.number("collectorMemoryMebibytes", 128, 10_240, 512),
            reserved_concurrency=reader.optional_number("reservedConcurrency", 1, 100_000),
            ip_mode=reader.choice("ipMode", ("truncate", "drop", "full"), "truncate"),
            privacy_signals=reader.choice("privacySignals", ("ignore", "honour"), "ignore"),
            tracking_ids=reader.words("trackingIds", default=()),
            api_secrets=reader.optional_secret(
                "apiSecrets", r"[^\s,]+(,[^\s,]+)*", "secrets with a comma between them and no blank"
            ),
            # The collector's own bounds: it would refuse to start with others.
            max_hit_bytes=reader.number("maxHitBytes", 64, 65_536, 8192),
            max_batch_hits=reader.number("maxBatchHits", 1, 500, 20),
            max_batch_bytes=reader.number("maxBatchBytes", 64, 3_145_728, 16_384),
            release=Release(
                version=reader.optional_text("collectorVersion", r"[1-9]\d*", "a version's number"),
                canary_percent=reader.number("canaryPercent", 0, 99, 0),
            ),
        ),
        alerts=AlertSettings(
            email=reader.text("alertEmail", r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address"),
            runbook_url=reader.text(
                "runbookUrl", r"\S*[^/\s]", "an address without a slash at its end", "docs/runbooks"
            ),
            # CloudWatch looks back one day at most.
            silence_minutes=reader.number("silenceMinutes", 0, 1440, 60),
            monthly_budget_usd=reader.number("monthlyBudgetUsd", 1, 1_000_000),
            log_retention_days=int(reader.choice("logRetentionDays", tuple(map(str, LOG_RETENTION_DAYS)), "30")),
        ),
        snowflake=SnowflakeSettings(
            organization=reader.text("snowflakeOrganization", *identifier),
            account=reader.text("snowflakeAccount", *identifier),
            admin_user=reader.text("snowflakeAdminUser", *identifier),
            admin_role=reader.text("snowflakeAdminRole", *identifier, default="CLICKSTREAM_DEPLOY"),
            admin_private_key=reader.secret(
                "snowflakeAdminPrivateKey",
                r"(?s)-----BEGIN PRIVATE KEY-----.+",
                "an unencrypted private key in PEM form (PKCS 8)",
            ),
            external_id=reader.secret(
                "snowflakeExternalId",
                r"[A-Za-z0-9_=,.@:/-]{16,128}",
                "16 to 128 characters, such as openssl rand -hex 16",
            ),
            public_key=reader.text("snowflakePublicKey", *one_line_key),
            next_public_key=reader.optional_text("snowflakeNextPublicKey", *one_line_key),
            warehouse_size=reader.choice("warehouseSize", WAREHOUSE_SIZES, "XSMALL"),
            warehouse_suspend_seconds=reader.number("warehouseSuspendSeconds", 30, 3600, 60),
            monthly_credits=reader.number("monthlyCredits", 1, 100_000),
            reader_warehouse_size=reader.choice("readerWarehouseSize", WAREHOUSE_SIZES, "XSMALL"),
            reader_monthly_credits=reader.number("readerMonthlyCredits", 1, 100_000),
            notify_users=reader.words("snowflakeNotifyUsers"),
            allowed_addresses=reader.words("snowflakeAllowedAddresses"),
        ),
    )
    reader.refuse_unknown()
    return settings
