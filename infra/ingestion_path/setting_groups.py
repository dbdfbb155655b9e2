"""The stack's settings as typed groups, each with the rules that bind its fields: what a component is handed.

A rule that is broken raises `pulumi.RunError` with one line that names the setting (`refuse`).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

import pulumi

from . import quotas
from .setting_reader import refuse


@dataclass(frozen=True)
class Account:
    """Where the AWS side stands: a 12-digit account id and a region."""

    id: str
    region: str


@dataclass(frozen=True)
class ArchiveSettings:
    """Days after which an archive object moves to cheaper storage; `protect` keeps Pulumi from deleting what holds
    data.
    """

    infrequent_after_days: int
    instant_retrieval_after_days: int
    protect: bool

    def __post_init__(self) -> None:
        # S3 bills 30 days of STANDARD_IA in any case.
        if self.instant_retrieval_after_days < self.infrequent_after_days + 30:
            refuse(
                "instantRetrievalAfterDays",
                f"is {self.instant_retrieval_after_days}, less than 30 days after infrequentAccessAfterDays "
                f"({self.infrequent_after_days}): raise it to {self.infrequent_after_days + 30} or more",
            )


@dataclass(frozen=True)
class DeliverySettings:
    """When Firehose closes an object: at `buffer_mebibytes` of records or after `buffer_seconds`, whichever comes first;
    and how many MiB a second AWS lets it take.
    """

    buffer_mebibytes: int
    buffer_seconds: int
    quota_mebibytes: int


@dataclass(frozen=True)
class EndpointSettings:
    """Which origins a browser may send from, and how fast everybody together may (requests a second, and at once)."""

    allowed_origins: tuple[str, ...]
    throttle_rate: int
    throttle_burst: int

    def __post_init__(self) -> None:
        for origin in self.allowed_origins:
            if not re.fullmatch(r"https://[a-z0-9.-]+(:\d+)?|http://(localhost|127\.0\.0\.1)(:\d+)?", origin):
                refuse(
                    "allowedOrigins",
                    f"holds {origin!r}: write https://host without a path (http only for localhost, never '*')",
                )


@dataclass(frozen=True)
class AddressSettings:
    """The address that clients send to: a domain with its zone or its certificate, CloudFront with at most so many
    requests of one address in five minutes; or neither.
    """

    domain_name: str | None
    hosted_zone_id: str | None
    certificate_arn: str | None
    cloud_front: bool
    requests_per_address: int

    def __post_init__(self) -> None:
        given = [value for value in (self.hosted_zone_id, self.certificate_arn) if value]
        if self.domain_name and len(given) != 1:
            refuse("domainName", "needs either hostedZoneId (a zone of this account) or certificateArn, and not both")
        if given and not self.domain_name:
            refuse("domainName", "is missing: hostedZoneId and certificateArn are of no use without it")
        region = (self.certificate_arn or "::::").split(":")[3]
        if self.cloud_front and self.certificate_arn and region != "us-east-1":
            refuse("certificateArn", f"is of {region}: CloudFront takes certificates of us-east-1 only")


@dataclass(frozen=True)
class Release:
    """Which published version of the collector serves (None: the newest), and how many percent of the calls the newest
    one gets beside it.
    """

    version: str | None
    canary_percent: int

    def __post_init__(self) -> None:
        if self.canary_percent and not self.version:
            refuse("canaryPercent", "needs collectorVersion, the version that serves the other calls")


@dataclass(frozen=True)
class CollectorSettings:
    """What the collector function may use, its privacy rules and its limits (they mean what `collector/settings.py`
    says).
    """

    memory_mebibytes: int
    reserved_concurrency: int | None
    ip_mode: str
    privacy_signals: str
    tracking_ids: tuple[str, ...]
    api_secrets: pulumi.Output[str] | None
    max_hit_bytes: int
    max_batch_hits: int
    max_batch_bytes: int
    release: Release

    def __post_init__(self) -> None:
        if self.max_batch_bytes < self.max_hit_bytes:
            refuse(
                "maxBatchBytes",
                f"is {self.max_batch_bytes}: a batch could not hold one hit of maxHitBytes ({self.max_hit_bytes})",
            )


@dataclass(frozen=True)
class AlertSettings:
    """Who hears of trouble, where the runbooks are read, after how many minutes without a request something is wrong (0:
    never), and what a month may cost (US dollars, AWS only).
    """

    email: str
    runbook_url: str
    silence_minutes: int
    monthly_budget_usd: int
    log_retention_days: int

    def __post_init__(self) -> None:
        if self.silence_minutes % 5:
            refuse("silenceMinutes", f"is {self.silence_minutes}: alarms look at five minutes at a time")


@dataclass(frozen=True)
class SnowflakeSettings:
    """The Snowflake account, how Pulumi enters it, from where the platform may, what the two warehouses may use (credits a
    month) and who hears when they do.
    """

    organization: str
    account: str
    admin_user: str
    admin_role: str
    admin_private_key: pulumi.Output[str]
    external_id: pulumi.Output[str]
    public_key: str
    next_public_key: str | None
    warehouse_size: str
    warehouse_suspend_seconds: int
    monthly_credits: int
    reader_warehouse_size: str
    reader_monthly_credits: int
    notify_users: tuple[str, ...]
    allowed_addresses: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.next_public_key == self.public_key:
            refuse("snowflakeNextPublicKey", "is the same key as snowflakePublicKey: give the new key, or unset it")
        for user in self.notify_users:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*", user):
                refuse("snowflakeNotifyUsers", f"holds {user!r}: write the name of a Snowflake user")
        for address in self.allowed_addresses:
            try:
                ipaddress.IPv4Network(address)
            except ValueError:
                refuse("snowflakeAllowedAddresses", f"holds {address!r}: write IPv4 ranges such as 203.0.113.0/24")


@dataclass(frozen=True)
class Settings:
    """Everything the program is told, and the stack's name."""

    stack: str
    account: Account
    archive: ArchiveSettings
    delivery: DeliverySettings
    endpoint: EndpointSettings
    address: AddressSettings
    collector: CollectorSettings
    alerts: AlertSettings
    snowflake: SnowflakeSettings

    def __post_init__(self) -> None:
        region, quota = self.account.region, self.delivery.quota_mebibytes
        taken = quotas.hits_per_second(region, quota)
        if self.endpoint.throttle_rate > taken:
            refuse(
                "throttleRate",
                f"is {self.endpoint.throttle_rate}, but Firehose in {region} takes about {taken} hits a second "
                f"({quota} MiB): lower it, or ask AWS for more and say so in deliveryQuotaMebibytes",
            )
