"""The stack's settings: read once, checked whole, handed down as typed groups.

In: the `clickstream:*` keys of `Pulumi.<stack>.yaml`. Out: one frozen `Settings`, or `pulumi.RunError` with one line that names
the key and says what to do. `read()` runs before the first resource is declared, so a bad setting never leaves half a stack.
A key that nobody reads is refused too: a misspelt `bufferSecond` would otherwise be a default in silence.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import NoReturn

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret

# CloudWatch Logs accepts these and nothing between them.
LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
WAREHOUSE_SIZES = ("XSMALL", "SMALL", "MEDIUM", "LARGE", "XLARGE", "XXLARGE", "XXXLARGE", "X4LARGE", "X5LARGE", "X6LARGE")


def refuse(key: str, reason: str) -> NoReturn:
    """End the program with one line that names the setting."""
    raise pulumi.RunError(f"clickstream:{key} {reason}")


@dataclass(frozen=True)
class Account:
    """Where the AWS side stands: a 12-digit account id and a region."""

    id: str
    region: str


@dataclass(frozen=True)
class ArchiveSettings:
    """Days after which an archive object moves to cheaper storage; `protect` keeps Pulumi from deleting what holds data."""

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
class Buffering:
    """When Firehose closes an object: at `mebibytes` of records or after `seconds`, whichever comes first."""

    mebibytes: int
    seconds: int


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
                    f"holds {origin!r}: name each origin in full, https://host with no path (http only for localhost, and no '*')",
                )


@dataclass(frozen=True)
class CollectorSettings:
    """What the collector function may use, and its privacy rules (they mean what `collector/settings.py` says)."""

    memory_mebibytes: int
    reserved_concurrency: int | None
    ip_mode: str
    privacy_signals: str
    tracking_ids: tuple[str, ...]


@dataclass(frozen=True)
class AlertSettings:
    """Who hears of trouble, and what a month may cost (US dollars, AWS only)."""

    email: str
    monthly_budget_usd: int
    log_retention_days: int


@dataclass(frozen=True)
class SnowflakeSettings:
    """The Snowflake account, how Pulumi enters it, and what the warehouse may use (credits a month)."""

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

    def __post_init__(self) -> None:
        if self.next_public_key == self.public_key:
            refuse("snowflakeNextPublicKey", "is the same key as snowflakePublicKey: give the new key, or unset it")


@dataclass(frozen=True)
class Settings:
    """Everything the program is told, and the stack's name."""

    stack: str
    account: Account
    archive: ArchiveSettings
    buffering: Buffering
    endpoint: EndpointSettings
    collector: CollectorSettings
    alerts: AlertSettings
    snowflake: SnowflakeSettings


class _Reader:
    """Reads `clickstream:*` keys as strings and checks each by itself; remembers which keys exist."""

    def __init__(self) -> None:
        self._config = pulumi.Config("clickstream")
        self._known: set[str] = set()

    def text(self, key: str, pattern: str, expected: str, default: str | None = None) -> str:
        """A string that matches `pattern` in full; without a default it is required."""
        value = self.optional_text(key, pattern, expected)
        if value is not None:
            return value
        if default is None:
            refuse(key, f"is missing ({expected}): set it with `pulumi config set {key} …`")
        return default

    def optional_text(self, key: str, pattern: str, expected: str) -> str | None:
        self._known.add(key)
        value = self._config.get(key)
        if value is not None and not re.fullmatch(pattern, value):
            refuse(key, f"is {value!r}: expected {expected}")
        return value

    def number(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number, `low` and `high` included."""
        value = self.optional_number(key, low, high)
        if value is not None:
            return value
        if default is None:
            refuse(key, f"is missing (a whole number from {low} to {high}): set it with `pulumi config set {key} …`")
        return default

    def optional_number(self, key: str, low: int, high: int) -> int | None:
        value = self.optional_text(key, r"-?\d+", f"a whole number from {low} to {high}")
        if value is not None and not low <= int(value) <= high:
            refuse(key, f"is {value}: expected a whole number from {low} to {high}")
        return None if value is None else int(value)

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        return self.text(key, "|".join(choices), f"one of {', '.join(choices)}", default)

    def flag(self, key: str, default: bool) -> bool:
        return self.text(key, "true|false", "true or false", str(default).lower()) == "true"

    def words(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list with at least one string in it; without a default it is required. No comma in a word: they travel in a comma list."""
        value = self.optional_text(key, r"(?s)\[.+\]", "a list with at least one entry")
        if value is None:
            if default is None:
                refuse(key, "is missing (a list with at least one entry): write it in the stack's file as [first, second]")
            return default
        try:
            words = json.loads(value)
        except ValueError:
            refuse(key, "is no list: write it as [first, second] in the stack's file")
        if not words or not all(isinstance(word, str) and word and "," not in word for word in words):
            refuse(key, "is not a list of words with at least one in it")
        return tuple(words)

    def secret(self, key: str, pattern: str, expected: str) -> pulumi.Output[str]:
        """A value that must be stored encrypted. It is checked here, and never shown in a message."""
        self._known.add(key)
        value = self._config.get(key)
        if value is None:
            refuse(key, f"is missing ({expected}): set it with `pulumi config set --secret {key}`")
        if not is_config_secret(f"clickstream:{key}"):
            refuse(key, f"is stored in plain text: set it again with `pulumi config set --secret {key}`, and replace what leaked")
        if not re.fullmatch(pattern, value):
            refuse(key, f"does not look right: expected {expected}")
        return pulumi.Output.secret(value)

    def refuse_unknown(self) -> None:
        given = {key.removeprefix("clickstream:") for key in {**get_config_env(), **CONFIG.get()} if key.startswith("clickstream:")}
        for key in sorted(given - self._known):
            refuse(key, f"is no setting of this program: remove it with `pulumi config rm {key}`, or mend its spelling")


def read() -> Settings:
    """Read and check every setting of the current stack; raises `pulumi.RunError` with one line on the first that is wrong."""
    stack = pulumi.get_stack()
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", stack):
        raise pulumi.RunError(
            f"The stack's name {stack!r} goes into bucket names: use 1 to 20 lower-case letters, digits and hyphens, a letter first"
        )
    reader = _Reader()
    region = reader.text("awsRegion", r"[a-z]{2}(-[a-z]+)+-\d", "a region such as eu-central-1")
    ambient = pulumi.Config("aws").get("region")
    if ambient not in (None, region):
        refuse("awsRegion", f"is {region} but aws:region is {ambient}: unset aws:region, this program does not use it")
    one_line_key = (r"[A-Za-z0-9+/=]{64,}", "the body of an RSA public key on one line, without the PEM header and footer")
    identifier = (r"[A-Za-z][A-Za-z0-9_]*", "a Snowflake identifier (letters, digits, underscores)")
    settings = Settings(
        stack=stack,
        account=Account(id=reader.text("awsAccountId", r"\d{12}", "the 12 digits of the AWS account id"), region=region),
        archive=ArchiveSettings(
            infrequent_after_days=reader.number("infrequentAccessAfterDays", 30, 3650, 30),
            instant_retrieval_after_days=reader.number("instantRetrievalAfterDays", 60, 3650, 90),
            protect=reader.flag("protectData", True),
        ),
        buffering=Buffering(
            mebibytes=reader.number("bufferMebibytes", 1, 128, 128),
            seconds=reader.number("bufferSeconds", 0, 900, 300),
        ),
        endpoint=EndpointSettings(
            allowed_origins=reader.words("allowedOrigins"),
            throttle_rate=reader.number("throttleRate", 1, 100_000, 500),
            throttle_burst=reader.number("throttleBurst", 1, 100_000, 1000),
        ),
        collector=CollectorSettings(
            memory_mebibytes=reader.number("collectorMemoryMebibytes", 128, 10_240, 512),
            reserved_concurrency=reader.optional_number("reservedConcurrency", 1, 100_000),
            ip_mode=reader.choice("ipMode", ("truncate", "drop", "full"), "truncate"),
            privacy_signals=reader.choice("privacySignals", ("ignore", "honour"), "ignore"),
            tracking_ids=reader.words("trackingIds", default=()),
        ),
        alerts=AlertSettings(
            email=reader.text("alertEmail", r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address"),
            monthly_budget_usd=reader.number("monthlyBudgetUsd", 1, 1_000_000),
            log_retention_days=int(reader.choice("logRetentionDays", tuple(map(str, LOG_RETENTION_DAYS)), "30")),
        ),
        snowflake=SnowflakeSettings(
            organization=reader.text("snowflakeOrganization", *identifier),
            account=reader.text("snowflakeAccount", *identifier),
            admin_user=reader.text("snowflakeAdminUser", *identifier),
            admin_role=reader.text("snowflakeAdminRole", *identifier, default="ACCOUNTADMIN"),
            admin_private_key=reader.secret(
                "snowflakeAdminPrivateKey", r"(?s)-----BEGIN PRIVATE KEY-----.+", "an unencrypted private key in PEM form (PKCS 8)"
            ),
            external_id=reader.secret("snowflakeExternalId", r"[A-Za-z0-9_=,.@:/-]{16,128}", "16 to 128 characters, such as openssl rand -hex 16"),
            public_key=reader.text("snowflakePublicKey", *one_line_key),
            next_public_key=reader.optional_text("snowflakeNextPublicKey", *one_line_key),
            warehouse_size=reader.choice("warehouseSize", WAREHOUSE_SIZES, "XSMALL"),
            warehouse_suspend_seconds=reader.number("warehouseSuspendSeconds", 30, 3600, 60),
            monthly_credits=reader.number("monthlyCredits", 1, 100_000),
        ),
    )
    reader.refuse_unknown()
    return settings
